//! Levels of budget: what each period has drawn and holds.

use heartbeat_domain::budget::Level;

use super::batch::Batch;
use super::rows::{Cursor, int};
use super::tx::Tx;
use crate::purses::{Limits, Purse, Purses};
use crate::verbs::Result;

/// Rows are made where there are none, so that there is something to lock: what is decided on them
/// stands until the end of the transaction.
static LEVELS: Batch = Batch::new(
    "INSERT INTO budgets (project_id, scope, scope_id, period, credit_limit, used, held) \
     SELECT column1, column2, column3, column4, NULL, 0, 0 FROM (VALUES",
    4,
    ") AS v ON CONFLICT (project_id, scope, scope_id, period) DO UPDATE SET used = budgets.used \
     RETURNING project_id, scope, scope_id, period, credit_limit, used, held",
);

static KEEP: Batch = Batch::new(
    "WITH v(project_id, scope, scope_id, period, credit_limit, used, held) AS (VALUES",
    7,
    ") UPDATE budgets SET credit_limit = v.credit_limit, used = v.used, held = v.held FROM v \
     WHERE budgets.project_id = v.project_id AND budgets.scope = v.scope \
     AND budgets.scope_id = v.scope_id AND budgets.period = v.period",
);

/// Locks and reads all levels of those purses, each once, in the order of the table's key.
pub(super) async fn load(tx: &mut Tx, purses: &[Purse]) -> Result<Purses> {
    let mut purses = Purses::of(purses);
    let rows = LEVELS
        .rows(
            tx,
            &purses.keys(),
            |statement, (project, scope, id, period)| {
                let statement = statement.bind(*project).bind(scope.as_str());
                statement.bind(*id).bind(*period)
            },
        )
        .await?;
    for row in &rows {
        purses.put(&mut Cursor::new(row))?;
    }
    Ok(purses)
}

/// Writes what was drawn on.
pub(super) async fn write(tx: &mut Tx, purses: &Purses) -> Result<()> {
    KEEP.write(tx, &purses.drawn(), |statement, (key, kept)| {
        let statement = statement.bind(key.0).bind(key.1.as_str()).bind(key.2);
        let statement = statement.bind(key.3).bind(kept.limit.map(int));
        statement.bind(int(kept.used)).bind(int(kept.held))
    })
    .await?;
    Ok(())
}

/// The levels of one purse.
pub(super) async fn levels(tx: &mut Tx, purse: Purse, limits: Limits) -> Result<[Level; 2]> {
    Ok(load(tx, &[purse]).await?.levels(&purse, limits))
}
