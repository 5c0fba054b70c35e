//! Levels of budget: what each period has drawn and holds.

use std::collections::BTreeSet;

use heartbeat_domain::budget::{Level, Scope};
use heartbeat_domain::heartbeat::billing_period;
use heartbeat_domain::ids::ProjectId;
use jiff::Timestamp;
use uuid::Uuid;

use super::batch::Batch;
use super::credits;
use super::rows::{Cursor, int};
use super::tx::{Statement, Tx, sql};
use crate::purses::{LevelKey, Purse, Purses};
use crate::verbs::Result;

/// A limit that a person set is read where it stands, of the row of a budget under the alias `u`.
macro_rules! level_columns {
    () => {
        "u.project_id, u.scope, u.scope_id, u.period, CASE u.scope \
         WHEN 'heartbeat' THEN (SELECT h.credit_budget FROM heartbeats h \
         WHERE h.project_id = u.project_id AND h.id = u.scope_id) \
         WHEN 'member' THEN (SELECT m.credit_limit FROM members m \
         WHERE m.project_id = u.project_id AND m.id = u.scope_id) \
         WHEN 'bot' THEN (SELECT b.credit_limit FROM bots b \
         WHERE b.project_id = u.project_id AND b.id = u.scope_id) \
         ELSE u.credit_limit END, u.used, u.held, u.tokens"
    };
}

/// What is decided on these rows stands until the end of the transaction. Only locked: a row that is
/// written to be read leaves an old version behind, and everybody reads those of the project.
static LEVELS: Batch = Batch::new(
    "WITH v(project_id, scope, scope_id, period, place) AS (VALUES",
    5,
    concat!(
        ") SELECT ",
        level_columns!(),
        " FROM v JOIN budgets u ON u.project_id = v.project_id AND u.scope = v.scope \
         AND u.scope_id = v.scope_id AND u.period = v.period \
         ORDER BY v.place FOR UPDATE OF u"
    ),
);

/// Rows are made where there are none, so that there is something to lock. Somebody else may make
/// them meanwhile.
static FIRST: Batch = Batch::new(
    "INSERT INTO budgets AS u (project_id, scope, scope_id, period, credit_limit, used, held, tokens) \
     SELECT column1, column2, column3, column4, NULL, 0, 0, 0 FROM (VALUES",
    4,
    concat!(
        ") AS v ON CONFLICT (project_id, scope, scope_id, period) DO UPDATE SET used = u.used \
         RETURNING ",
        level_columns!()
    ),
);

static KEEP: Batch = Batch::new(
    "WITH v(project_id, scope, scope_id, period, credit_limit, used, held, tokens) AS (VALUES",
    8,
    ") UPDATE budgets SET credit_limit = v.credit_limit, used = v.used, held = v.held, \
     tokens = v.tokens FROM v \
     WHERE budgets.project_id = v.project_id AND budgets.scope = v.scope \
     AND budgets.scope_id = v.scope_id AND budgets.period = v.period",
);

const USED: &str = "SELECT used FROM budgets \
    WHERE project_id = $1 AND scope = $2 AND scope_id = $3 AND period = $4";

/// Reads all levels of those purses, each once; one without a row is empty.
pub(super) async fn load(tx: &mut Tx, purses: &[Purse]) -> Result<Purses> {
    let mut purses = Purses::of(purses);
    let mut missing = purses.keys();
    let places: Vec<_> = missing.iter().zip(0_i64..).collect();
    let mut rows = LEVELS
        .rows(tx, &places, |statement, (key, place)| {
            bind(statement, key).bind(*place)
        })
        .await?;
    let mut found = BTreeSet::new();
    for row in &rows {
        found.insert(purses.put(&mut Cursor::new(row))?);
    }
    missing.retain(|key| !found.contains(key));
    rows = FIRST.rows(tx, &missing, bind).await?;
    for row in &rows {
        purses.put(&mut Cursor::new(row))?;
    }
    Ok(purses)
}

fn bind(
    statement: Statement<'static>,
    (project, shelf, id, period): &LevelKey,
) -> Statement<'static> {
    let statement = statement.bind(*project).bind(shelf.as_str());
    statement.bind(*id).bind(*period)
}

/// Writes what was drawn on.
pub(super) async fn write(tx: &mut Tx, purses: &Purses) -> Result<()> {
    KEEP.write(tx, &purses.drawn(), |statement, (key, kept)| {
        let statement = statement.bind(key.0).bind(key.1.as_str()).bind(key.2);
        let statement = statement.bind(key.3).bind(kept.limit.map(int));
        let statement = statement.bind(int(kept.used)).bind(int(kept.held));
        statement.bind(int(kept.tokens))
    })
    .await?;
    Ok(())
}

/// Enters into the ledgers what went from balances.
pub(super) async fn enter_paid(tx: &mut Tx, purses: &Purses, now: Timestamp) -> Result<()> {
    for (project, paid) in &purses.paid {
        credits::record_drawn(tx, ProjectId(*project), *paid, now).await?;
    }
    Ok(())
}

/// The levels of one purse.
pub(super) async fn levels(tx: &mut Tx, purse: Purse) -> Result<Vec<Level>> {
    Ok(load(tx, &[purse]).await?.levels(&purse, None))
}

/// What a level of a person's has used in the billing period of `now`.
pub(super) async fn used(
    tx: &mut Tx,
    (project, scope, id): (ProjectId, Scope, Uuid),
    now: Timestamp,
) -> Result<u64> {
    let statement = sql(USED)
        .bind(project.0)
        .bind(scope.as_str())
        .bind(id)
        .bind(i64::from(billing_period(now)));
    let row = tx.find(statement).await?;
    row.map_or(Ok(0), |row| Cursor::new(&row).count())
}
