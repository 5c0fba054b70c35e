//! How executions go on: what journal verbs that have gathered are about is read at once, and what
//! they changed is written in a few statements, however many verbs there were.

use super::batch::Batch;
use super::outbox::write_notices;
use super::rows::{Cursor, execution_columns, int, ms};
use super::tx::Tx;
use super::{budgets, steps};
use crate::progress::{About, Progress, step_columns};
use crate::verbs::Result;

/// What is read of steps after this is as the last verb left them.
static LOCK: Batch = Batch::new(
    "WITH v(project_id, id, due_at) AS (VALUES",
    3,
    ") SELECT e.id FROM v JOIN executions e ON e.project_id = v.project_id AND e.id = v.id \
     AND e.due_at = v.due_at \
     ORDER BY e.project_id, e.id FOR UPDATE OF e",
);

/// An execution, and the latest attempt at one of its steps.
static AT: Batch = Batch::new(
    "WITH v(project_id, id, due_at, seq) AS (VALUES",
    4,
    concat!(
        ") SELECT ",
        execution_columns!(),
        ", s.seq IS NOT NULL, ",
        step_columns!(),
        " FROM v JOIN executions e ON e.project_id = v.project_id AND e.id = v.id \
         AND e.due_at = v.due_at LEFT JOIN steps s ON s.project_id = v.project_id AND s.execution_id = v.id \
         AND s.seq = v.seq AND s.attempt = (SELECT MAX(l.attempt) FROM steps l \
         WHERE l.project_id = v.project_id AND l.execution_id = v.id AND l.seq = v.seq)"
    ),
);

static SPEND: Batch = Batch::new(
    "WITH v(project_id, id, due_at, spent, reserved, tokens) AS (VALUES",
    6,
    ") UPDATE executions SET micro_spent = v.spent, micro_reserved = v.reserved, \
     tokens_used = v.tokens FROM v WHERE executions.project_id = v.project_id \
     AND executions.id = v.id AND executions.due_at = v.due_at",
);

/// Reads what those verbs are about.
pub(super) async fn load(tx: &mut Tx, abouts: &[About]) -> Result<Progress> {
    LOCK.rows(tx, abouts, |statement, about| {
        statement
            .bind(about.hold.project_id.0)
            .bind(about.hold.execution_id.0)
            .bind(ms(about.hold.due_at))
    })
    .await?;
    let found = AT
        .rows(tx, abouts, |statement, about| {
            statement
                .bind(about.hold.project_id.0)
                .bind(about.hold.execution_id.0)
                .bind(ms(about.hold.due_at))
                .bind(i64::from(about.seq))
        })
        .await?;
    let mut progress = Progress::default();
    for row in &found {
        progress.put(&mut Cursor::new(row))?;
    }
    progress.purses = budgets::load(tx, &progress.purses_of(abouts)).await?;
    Ok(progress)
}

/// Writes what changed.
pub(super) async fn write(tx: &mut Tx, progress: &Progress) -> Result<()> {
    steps::end(tx, &progress.ended()).await?;
    steps::insert(tx, &progress.fresh()).await?;
    steps::change(tx, &progress.changed()).await?;
    steps::mark(tx, &progress.marked()).await?;
    SPEND
        .write(tx, &progress.spent(), |statement, row| {
            statement
                .bind(row.project_id.0)
                .bind(row.id.0)
                .bind(ms(row.due_at))
                .bind(int(row.held.spent))
                .bind(int(row.held.reserved))
                .bind(int(row.tokens_used))
        })
        .await?;
    budgets::write(tx, &progress.purses).await?;
    for (origin, notices, channels, now) in &progress.told {
        write_notices(tx, origin, notices, (channels, *now)).await?;
    }
    Ok(())
}
