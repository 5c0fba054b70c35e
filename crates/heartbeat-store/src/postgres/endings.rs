//! How executions end: settled one after another, written together.
//!
//! Differs: heartbeats are locked first, then executions, each in one statement; SQLite has only
//! one writer.

use heartbeat_domain::execution::Execution;
use heartbeat_domain::ids::NodeId;
use heartbeat_domain::settlement::Settlement;
use jiff::Timestamp;

use super::batch::Batch;
use super::budgets;
use super::outbox::write_notices;
use super::records;
use super::rollups;
use super::rows::{self, Cursor, execution_columns, heartbeat_columns, int, ms, opt_ms};
use super::tx::{Statement, Tx, plain};
use crate::desk::{Desk, FinishAsk, check, settle_on};
use crate::messages::Origin;
use crate::verbs::Result;

/// Locked before their executions, as everybody does.
static LOCK: Batch = Batch::new(
    "WITH v(project_id, id, due_at) AS (VALUES",
    3,
    ") SELECT h.id FROM v JOIN executions e ON e.project_id = v.project_id AND e.id = v.id \
     AND e.due_at = v.due_at JOIN heartbeats h ON h.project_id = e.project_id AND h.id = e.heartbeat_id \
     ORDER BY h.project_id, h.id FOR UPDATE OF h",
);

/// What is read of heartbeats here is as they were locked: this statement began after that.
static LOAD: Batch = Batch::new(
    "WITH v(project_id, id, due_at) AS (VALUES",
    3,
    concat!(
        ") SELECT ",
        execution_columns!(),
        ", h.id IS NOT NULL, ",
        heartbeat_columns!(),
        " FROM v JOIN executions e ON e.project_id = v.project_id AND e.id = v.id \
         AND e.due_at = v.due_at \
         LEFT JOIN heartbeats h ON h.project_id = e.project_id AND h.id = e.heartbeat_id \
         ORDER BY e.project_id, e.id FOR UPDATE OF e"
    ),
);

static END: Batch = Batch::new(
    "WITH v(project_id, id, due_at, status, reason, response, error_message, credits_charged, \
     first_due_at, last_due_at, missed_count, finished_at, ended_by) AS (VALUES",
    13,
    ") UPDATE executions SET phase = 'ended', status = v.status, reason = v.reason, \
     response = v.response, error_message = v.error_message, \
     credits_charged = v.credits_charged, first_due_at = v.first_due_at, \
     last_due_at = v.last_due_at, missed_count = v.missed_count, finished_at = v.finished_at, \
     ended_by = v.ended_by, micro_reserved = 0, holder = NULL, claimable_at = NULL \
     FROM v WHERE executions.project_id = v.project_id AND executions.id = v.id \
     AND executions.due_at = v.due_at",
);

/// Ends executions in the order asked; an answer for each. An error is that of all of them.
pub(super) async fn finish_all(
    tx: &mut Tx,
    asks: &[&FinishAsk],
) -> Result<Vec<Result<Settlement>>> {
    let mut desk = load(tx, asks).await?;
    let mut answers = Vec::with_capacity(asks.len());
    let mut ends = Vec::with_capacity(asks.len());
    for ask in asks {
        let answer = match check(&desk, ask) {
            Ok(None) => {
                let settlement = finish_one(tx, &mut desk, ask).await?;
                ends.push((settlement.execution.clone(), ask.hold.node_id));
                Ok(settlement)
            }
            Ok(Some(settlement)) => Ok(settlement),
            Err(error) => Err(error),
        };
        answers.push(answer);
    }
    let now = asks.last().map_or(Timestamp::UNIX_EPOCH, |ask| ask.now);
    write(tx, desk, &ends, now).await?;
    Ok(answers)
}

async fn load(tx: &mut Tx, asks: &[&FinishAsk]) -> Result<Desk> {
    let bind = |statement: Statement<'static>, ask: &&FinishAsk| {
        statement
            .bind(ask.hold.project_id.0)
            .bind(ask.hold.execution_id.0)
            .bind(ms(ask.hold.due_at))
    };
    LOCK.rows(tx, asks, bind).await?;
    let found = LOAD.rows(tx, asks, bind).await?;
    let mut desk = Desk::default();
    for row in &found {
        desk.put(&mut Cursor::new(row))?;
    }
    desk.purses = budgets::load(tx, &desk.purses_to_load(asks)).await?;
    Ok(desk)
}

async fn finish_one(tx: &mut Tx, desk: &mut Desk, ask: &FinishAsk) -> Result<Settlement> {
    let held = desk.executions.get(&ask.hold.execution_id);
    let execution = held.expect("`check` found it").execution.clone();
    let now = rows::whole_ms(ask.now);
    let levels = desk.levels(&execution, &ask.ending);
    let mut settlement = settle_on(
        &tx.schedules,
        desk.heartbeat_of(&execution),
        &execution,
        (ask, &levels),
        now,
    );
    settlement.execution.held.reserved = 0;
    desk.charge(&execution, settlement.execution.credits_charged);
    desk.rollups.count(&settlement.execution);
    if let Some(after) = settlement.heartbeat.clone() {
        for skipped in &settlement.skipped {
            let row = records::write_skipped(tx, &after, skipped, now).await?;
            desk.rollups.count(&row);
        }
        desk.replace(after, now);
    }
    let origin = Origin::of_execution(&settlement.execution);
    write_notices(tx, &origin, &settlement.notices, (&ask.channels, now)).await?;
    desk.keep(&ask.hold, &settlement);
    Ok(settlement)
}

async fn write(
    tx: &mut Tx,
    desk: Desk,
    ends: &[(Execution, NodeId)],
    now: Timestamp,
) -> Result<()> {
    if ends.is_empty() {
        return Ok(());
    }
    END.write(tx, ends, |statement, (row, node)| {
        statement
            .bind(row.project_id.0)
            .bind(row.id.0)
            .bind(ms(row.due_at))
            .bind(row.status.map(|status| status.as_str()))
            .bind(row.reason.map(|reason| reason.as_str()))
            .bind(plain(&row.response))
            .bind(row.error_message.as_deref().map(plain))
            .bind(int(row.credits_charged))
            .bind(opt_ms(row.first_due_at))
            .bind(opt_ms(row.last_due_at))
            .bind(row.missed_count.map(int))
            .bind(row.finished_at.map(ms))
            .bind(node.0)
    })
    .await?;
    records::save_states(tx, &desk.changed()).await?;
    records::write_standstills(tx, &desk.standstills).await?;
    budgets::write(tx, &desk.purses).await?;
    budgets::enter_paid(tx, &desk.purses, now).await?;
    rollups::add(tx, desk.rollups).await
}
