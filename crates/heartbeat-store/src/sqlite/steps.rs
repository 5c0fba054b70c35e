//! Steps as rows: read all of an execution's, written many at a time.

use heartbeat_domain::execution::Execution;
use heartbeat_domain::ids::{ExecutionId, ProjectId};
use heartbeat_domain::tool::Repeat;
use serde_json::Value;
use sqlx::SqliteConnection;

use super::batch::Batch;
use super::failure::failure;
use super::rows::{Cursor, int, ms};
use super::tx::{Statement, Tx, sql};
use crate::calling::whole_millis;
use crate::progress::{self, Kept, StepRow, step_columns};
use crate::verbs::Result;

static INSERT: Batch = Batch::new(
    "INSERT INTO steps (project_id, execution_id, seq, attempt, kind, state, name, intent, \
     effect_id, max_tokens, micro_reserved, micro_input_bound, fence, begun_at, ended_at, result, \
     tokens, micro_charged, repeat, within_ms, notes) SELECT column1, column2, column3, column4, \
     column5, column6, column7, column8, column9, column10, column11, column12, column13, \
     column14, column15, column16, column17, column18, column19, column20, '[]' FROM (VALUES",
    20,
    ") WHERE true ON CONFLICT (project_id, execution_id, seq, attempt) DO NOTHING",
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

static CHANGE: Batch = Batch::new(
    "WITH v(project_id, execution_id, seq, attempt, fence, notes, settles_at, late_sent_at, \
     decision, decided_by, decided_at) AS (VALUES",
    11,
    ") UPDATE steps SET fence = v.fence, notes = v.notes, settles_at = v.settles_at, \
     late_sent_at = v.late_sent_at, decision = v.decision, decided_by = v.decided_by, \
     decided_at = v.decided_at FROM v \
     WHERE steps.project_id = v.project_id AND steps.execution_id = v.execution_id \
     AND steps.seq = v.seq AND steps.attempt = v.attempt",
);

static MARK: Batch = Batch::new(
    "WITH v(project_id, id, needs_review) AS (VALUES",
    3,
    ") UPDATE executions SET needs_review = v.needs_review FROM v \
     WHERE executions.project_id = v.project_id AND executions.id = v.id",
);

const ALL: &str = concat!(
    "SELECT ",
    step_columns!(),
    " FROM steps s WHERE s.project_id = $1 AND s.execution_id = $2 ORDER BY s.seq, s.attempt"
);

/// All steps of an execution, in order.
pub(super) async fn of(
    conn: &mut SqliteConnection,
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

/// Writes what else changed of steps than their end.
pub(super) async fn change(tx: &mut Tx, rows: &[StepRow<'_>]) -> Result<()> {
    CHANGE
        .write(tx, rows, |statement, (project, execution, kept)| {
            let step = &kept.step;
            let review = step.review.as_ref();
            let notes = serde_json::to_string(&step.notes);
            statement
                .bind(project.0)
                .bind(execution.0)
                .bind(i64::from(step.seq))
                .bind(i64::from(step.attempt))
                .bind(step.fence)
                .bind(notes.expect("a list of texts always serialises"))
                .bind(step.settles_at.map(ms))
                .bind(step.late_sent_at.map(ms))
                .bind(review.map(|review| review.decision.as_str()))
                .bind(review.map(|review| review.by.clone()))
                .bind(review.map(|review| ms(review.at)))
        })
        .await
        .map(drop)
}

/// Writes of which executions a person has to look at.
pub(super) async fn mark(tx: &mut Tx, rows: &[(&Execution, bool)]) -> Result<()> {
    MARK.write(tx, rows, |statement, (row, needs_review)| {
        let statement = statement.bind(row.project_id.0).bind(row.id.0);
        statement.bind(*needs_review)
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
        .bind(step.name.clone())
        .bind(step.intent.to_string())
        .bind(step.effect_id.clone())
        .bind(i64::from(kept.max_tokens))
        .bind(int(step.micro_reserved))
        .bind(int(kept.micro_input_bound))
        .bind(step.fence)
        .bind(ms(step.begun_at))
        .bind(step.ended_at.map(ms))
        .bind(step.result.as_ref().map(Value::to_string))
        .bind(int(step.tokens))
        .bind(int(step.micro_charged))
        .bind(step.repeat.map(Repeat::as_str))
        .bind(step.within.map(whole_millis))
}
