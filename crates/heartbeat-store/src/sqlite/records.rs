//! Rows that several verbs write: executions, the moving part of heartbeats, pauses.

use heartbeat_domain::execution::{Execution, ExecutionType, Phase, Status, Trigger};
use heartbeat_domain::heartbeat::{Heartbeat, Pause, Skipped, Standing};
use heartbeat_domain::ids::{ExecutionId, HeartbeatId, NodeId, ProjectId};
use heartbeat_domain::reason::Reason;
use jiff::Timestamp;
use uuid::Uuid;

use super::batch::Batch;
use super::rows::{int, ms, opt_ms, second_of_day};
use super::tx::{Statement, Tx, sql};
use crate::verbs::Result;

static INSERT: Batch = Batch::new(
    "INSERT INTO executions (project_id, id, bot_id, heartbeat_id, member_id, kind, \
     triggered_by, due_at, phase, status, reason, prompt, response, tokens_used, micro_spent, \
     micro_reserved, credits_charged, first_due_at, last_due_at, missed_count, missed_reason, \
     needs_review, fence, holder, claimable_at, created_at, started_at, finished_at) VALUES",
    28,
    "ON CONFLICT (project_id, heartbeat_id, due_at) DO NOTHING",
);

static STATE: Batch = Batch::new(
    "WITH v(project_id, id, enabled, paused_reason, paused_since, resumes_at, next_due_at, \
     next_anchor, grid_since, claimable_at, open_execution_id, open_due_at, error_count, \
     execution_count, last_executed_at, last_status, baseline, updated_at) AS (VALUES",
    18,
    ") UPDATE heartbeats SET enabled = v.enabled, paused_reason = v.paused_reason, \
     paused_since = v.paused_since, resumes_at = v.resumes_at, next_due_at = v.next_due_at, \
     next_anchor = v.next_anchor, grid_since = v.grid_since, claimable_at = v.claimable_at, \
     open_execution_id = v.open_execution_id, open_due_at = v.open_due_at, \
     error_count = v.error_count, execution_count = v.execution_count, \
     last_executed_at = v.last_executed_at, last_status = v.last_status, \
     baseline = v.baseline, updated_at = v.updated_at \
     FROM v WHERE heartbeats.project_id = v.project_id AND heartbeats.id = v.id",
);

const END_PAUSE: &str = "UPDATE pauses SET ended_at = MAX($3, since) \
    WHERE project_id = $1 AND heartbeat_id = $2 AND ended_at IS NULL";

const BEGIN_PAUSE: &str = "INSERT INTO pauses \
    (project_id, heartbeat_id, since, number, reason, resumes_at, ended_at) \
    SELECT $1, $2, $3, COUNT(*), $4, $5, NULL FROM pauses \
    WHERE project_id = $1 AND heartbeat_id = $2 AND since = $3";

/// Writes execution rows; answers how many of them were not there yet.
pub(super) async fn insert(tx: &mut Tx, rows: &[(&Execution, Option<NodeId>)]) -> Result<u64> {
    INSERT
        .write(tx, rows, |statement, (row, holder)| {
            bind(statement, row, *holder)
        })
        .await
}

fn bind(
    statement: Statement<'static>,
    row: &Execution,
    holder: Option<NodeId>,
) -> Statement<'static> {
    statement
        .bind(row.project_id.0)
        .bind(row.id.0)
        .bind(row.bot_id.0)
        .bind(row.heartbeat_id.map(|id| id.0))
        .bind(row.member_id.map(|id| id.0))
        .bind(row.kind.as_str())
        .bind(row.trigger.as_str())
        .bind(ms(row.due_at))
        .bind(row.phase.as_str())
        .bind(row.status.map(|status| status.as_str()))
        .bind(row.reason.map(|reason| reason.as_str()))
        .bind(row.prompt.clone())
        .bind(row.response.clone())
        .bind(int(row.tokens_used))
        .bind(int(row.held.spent))
        .bind(int(row.held.reserved))
        .bind(int(row.credits_charged))
        .bind(opt_ms(row.first_due_at))
        .bind(opt_ms(row.last_due_at))
        .bind(row.missed_count.map(int))
        .bind(row.missed_reason.as_str())
        .bind(row.needs_review)
        .bind(row.fence)
        .bind(holder.map(|id| id.0))
        .bind(opt_ms(row.claimable_at))
        .bind(ms(row.created_at))
        .bind(opt_ms(row.started_at))
        .bind(opt_ms(row.finished_at))
}

/// A new row of a heartbeat, open and held by nobody.
pub(super) fn fresh(
    heartbeat: &Heartbeat,
    id: ExecutionId,
    (trigger, due_at): (Trigger, Timestamp),
    now: Timestamp,
) -> Execution {
    Execution {
        id,
        project_id: heartbeat.project_id,
        bot_id: heartbeat.bot_id,
        heartbeat_id: Some(heartbeat.id),
        member_id: heartbeat.member_id,
        kind: ExecutionType::Heartbeat,
        trigger,
        due_at,
        phase: Phase::Running,
        status: None,
        reason: None,
        prompt: heartbeat.settings.prompt.clone(),
        response: String::new(),
        error_message: None,
        tokens_used: 0,
        held: heartbeat_domain::budget::Held::default(),
        credits_charged: 0,
        first_due_at: None,
        last_due_at: None,
        missed_count: None,
        missed_reason: Reason::Capacity,
        needs_review: false,
        cancel_requested: None,
        fence: 0,
        claimable_at: None,
        created_at: now,
        started_at: None,
        finished_at: None,
    }
}

/// A new row that has ended as skipped.
pub(super) fn skipped_row(mut row: Execution, reason: Reason, now: Timestamp) -> Execution {
    row.phase = Phase::Ended;
    row.status = Some(Status::Skipped);
    row.reason = Some(reason);
    row.finished_at = Some(now);
    row.claimable_at = None;
    row
}

/// Writes the row that covers a run of missed moments. Its counts are the caller's.
pub(super) async fn write_skipped(
    tx: &mut Tx,
    heartbeat: &Heartbeat,
    skipped: &Skipped,
    now: Timestamp,
) -> Result<Execution> {
    let id = ExecutionId::new(&tx.ids, now);
    let fire = (Trigger::Schedule, skipped.first_due_at);
    let mut row = skipped_row(fresh(heartbeat, id, fire, now), skipped.reason, now);
    row.first_due_at = Some(skipped.first_due_at);
    row.last_due_at = Some(skipped.last_due_at);
    row.missed_count = Some(skipped.count);
    row.missed_reason = skipped.reason;
    insert(tx, &[(&row, None)]).await?;
    Ok(row)
}

/// Writes what fires and people move of heartbeats; what a person set is not touched.
pub(super) async fn save_states(tx: &mut Tx, heartbeats: &[Heartbeat]) -> Result<()> {
    STATE.write(tx, heartbeats, bind_state).await?;
    Ok(())
}

fn bind_state(statement: Statement<'static>, h: &Heartbeat) -> Statement<'static> {
    let baseline = h.baseline.as_ref().map(|baseline| {
        serde_json::to_string(baseline).expect("a value, a flag and a time always serialise")
    });
    statement
        .bind(h.project_id.0)
        .bind(h.id.0)
        .bind(h.enabled)
        .bind(h.paused.map(|pause| pause.reason.as_str()))
        .bind(h.paused.map(|pause| ms(pause.since)))
        .bind(h.paused.and_then(|pause| opt_ms(pause.resumes_at)))
        .bind(h.next.map(|next| ms(next.at)))
        .bind(h.next.map(|next| second_of_day(next.anchor)))
        .bind(opt_ms(h.grid_since))
        .bind(opt_ms(h.claimable_at))
        .bind(h.open.map(|open| open.execution_id.0))
        .bind(h.open.map(|open| ms(open.due_at)))
        .bind(i64::from(h.error_count))
        .bind(int(h.execution_count))
        .bind(opt_ms(h.last_executed_at))
        .bind(h.last_status.clone())
        .bind(baseline)
        .bind(ms(h.updated_at))
}

/// A heartbeat that cannot go on: paused with `internal` until somebody mends it.
pub(super) fn broken(heartbeat: &Heartbeat, now: Timestamp) -> Heartbeat {
    let mut heartbeat = heartbeat.clone();
    heartbeat.open = None;
    heartbeat.claimable_at = None;
    if heartbeat.standing() != Standing::Off {
        heartbeat.paused = Some(Pause {
            reason: Reason::Internal,
            since: now,
            resumes_at: None,
        });
    }
    heartbeat
}

/// A change between having due moments and standing still.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standstill {
    project_id: Uuid,
    heartbeat_id: Uuid,
    begins: Option<(Reason, Option<Timestamp>)>,
    ends: bool,
    now: Timestamp,
}

impl Standstill {
    /// What changed between two versions of a heartbeat, if that did.
    pub(super) fn between(before: &Heartbeat, after: &Heartbeat, now: Timestamp) -> Option<Self> {
        let (old, new) = (standstill(before), standstill(after));
        (old != new).then(|| Self {
            project_id: after.project_id.0,
            heartbeat_id: after.id.0,
            begins: new.map(|(reason, _, resumes_at)| (reason, resumes_at)),
            ends: old.is_some(),
            now,
        })
    }

    /// The first one of a heartbeat that was made without being enabled, or could not start.
    pub(super) fn of_new(heartbeat: &Heartbeat, now: Timestamp) -> Option<Self> {
        let (reason, _, resumes_at) = standstill(heartbeat)?;
        Some(Self {
            project_id: heartbeat.project_id.0,
            heartbeat_id: heartbeat.id.0,
            begins: Some((reason, resumes_at)),
            ends: false,
            now,
        })
    }

    /// The end of a heartbeat itself.
    pub(super) fn of_deleted(heartbeat: &Heartbeat, now: Timestamp) -> Self {
        Self {
            project_id: heartbeat.project_id.0,
            heartbeat_id: heartbeat.id.0,
            begins: None,
            ends: true,
            now,
        }
    }
}

fn standstill(heartbeat: &Heartbeat) -> Option<(Reason, Option<Timestamp>, Option<Timestamp>)> {
    match heartbeat.standing() {
        Standing::Active => None,
        Standing::Off => Some((Reason::Off, None, None)),
        Standing::Paused(pause) => Some((pause.reason, Some(pause.since), pause.resumes_at)),
    }
}

/// Writes pauses and their ends.
pub(super) async fn write_standstills(tx: &mut Tx, changes: &[Standstill]) -> Result<()> {
    for change in changes {
        let (project, heartbeat) = (change.project_id, change.heartbeat_id);
        if change.ends {
            tx.write(
                sql(END_PAUSE)
                    .bind(project)
                    .bind(heartbeat)
                    .bind(ms(change.now)),
            )
            .await?;
        }
        let Some((reason, resumes_at)) = change.begins else {
            continue;
        };
        let statement = sql(BEGIN_PAUSE)
            .bind(project)
            .bind(heartbeat)
            .bind(ms(change.now))
            .bind(reason.as_str())
            .bind(opt_ms(resumes_at));
        tx.write(statement).await?;
    }
    Ok(())
}

/// Writes a changed heartbeat with everything that follows from the change: rows for the moments
/// it passed over, their counts, and a pause or its end.
pub(super) async fn save_change(
    tx: &mut Tx,
    before: &Heartbeat,
    after: &Heartbeat,
    skipped: &[Skipped],
    now: Timestamp,
) -> Result<()> {
    let mut rollups = super::rollups::Rollups::default();
    for skipped in skipped {
        rollups.count(&write_skipped(tx, after, skipped, now).await?);
    }
    rollups.write(tx).await?;
    save_states(tx, std::slice::from_ref(after)).await?;
    let change = Standstill::between(before, after, now);
    write_standstills(tx, change.as_slice()).await
}

/// Records that a heartbeat that cannot be read stands still.
pub(super) async fn set_aside(
    tx: &mut Tx,
    (project_id, id): (ProjectId, HeartbeatId),
    now: Timestamp,
) -> Result<()> {
    let change = Standstill {
        project_id: project_id.0,
        heartbeat_id: id.0,
        begins: Some((Reason::Internal, None)),
        ends: true,
        now,
    };
    write_standstills(tx, &[change]).await
}
