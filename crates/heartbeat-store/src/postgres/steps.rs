//! Steps as rows: read all of an execution's, written many at a time.

use heartbeat_domain::ids::{ExecutionId, ProjectId};
use serde_json::Value;
use sqlx::PgConnection;

use super::batch::Batch;
use super::failure::failure;
use super::rows::{Cursor, int, ms};
use super::tx::{Statement, Tx, plain, sql};
use crate::progress::{self, Kept, StepRow, step_columns};
use crate::verbs::Result;

static INSERT: Batch = Batch::new(
    "INSERT INTO steps (project_id, execution_id, seq, attempt, kind, state, name, intent, \
     effect_id, max_tokens, micro_reserved, micro_input_bound, fence, begun_at, ended_at, result, \
     tokens, micro_charged, notes) SELECT column1, column2, column3, column4, column5, column6, \
     column7, column8, column9, column10, column11, column12, column13, column14, column15, \
     column16, column17, column18, '[]' FROM (VALUES",
    18,
    ") AS v ON CONFLICT (project_id, execution_id, seq, attempt) DO NOTHING",
);

static END: Batch = Batch::new(
    "WITH v(project_id, execution_id, seq, attempt, state, result, tokens, micro, ended_at) AS \
     (VALUES",
    9,
    ") UPDATE steps SET state = v.state, result = v.result, tokens = v.tokens, \
     micro_charged = v.micro, micro_reserved = 0, ended_at = v.ended_at FROM v \
     WHERE steps.project_id = v.project_id AND steps.execution_id = v.execution_id \
     AND steps.seq = v.seq AND steps.attempt = v.attempt",
);

const ALL: &str = concat!(
    "SELECT ",
    step_columns!(),
    " FROM steps s WHERE s.project_id = $1 AND s.execution_id = $2 ORDER BY s.seq, s.attempt"
);

/// All steps of an execution, in order.
pub(super) async fn of(
    conn: &mut PgConnection,
    project_id: ProjectId,
    id: ExecutionId,
) -> Result<Vec<Kept>> {
    let rows = sql(ALL).bind(project_id.0).bind(id.0).fetch_all(conn).await;
    rows.map_err(|error| failure(&error))?
        .iter()
        .map(|row| progress::read(&mut Cursor::new(row)))
        .collect()
}

/// Writes steps that are new.
pub(super) async fn insert(tx: &mut Tx, rows: &[StepRow<'_>]) -> Result<()> {
    INSERT.write(tx, rows, bind).await.map(drop)
}

/// Writes how steps ended that were begun.
pub(super) async fn end(tx: &mut Tx, rows: &[StepRow<'_>]) -> Result<()> {
    END.write(tx, rows, |statement, (project, execution, kept)| {
        let step = &kept.step;
        statement
            .bind(project.0)
            .bind(execution.0)
            .bind(i64::from(step.seq))
            .bind(i64::from(step.attempt))
            .bind(step.state.as_str())
            .bind(step.result.as_ref().map(Value::to_string))
            .bind(int(step.tokens))
            .bind(int(step.micro_charged))
            .bind(step.ended_at.map(ms))
    })
    .await
    .map(drop)
}

fn bind(
    statement: Statement<'static>,
    (project, execution, kept): &StepRow<'_>,
) -> Statement<'static> {
    let step = &kept.step;
    statement
        .bind(project.0)
        .bind(execution.0)
        .bind(i64::from(step.seq))
        .bind(i64::from(step.attempt))
        .bind(step.kind.as_str())
        .bind(step.state.as_str())
        .bind(plain(&step.name))
        .bind(step.intent.to_string())
        .bind(step.effect_id.as_deref().map(plain))
        .bind(i64::from(kept.max_tokens))
        .bind(int(step.micro_reserved))
        .bind(int(kept.micro_input_bound))
        .bind(step.fence)
        .bind(ms(step.begun_at))
        .bind(step.ended_at.map(ms))
        .bind(step.result.as_ref().map(Value::to_string))
        .bind(int(step.tokens))
        .bind(int(step.micro_charged))
}
