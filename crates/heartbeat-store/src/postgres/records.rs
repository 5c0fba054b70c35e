//! Rows that several verbs write: executions, the moving part of heartbeats, pauses.

use heartbeat_domain::execution::Execution;
use heartbeat_domain::heartbeat::{Heartbeat, Skipped};
use heartbeat_domain::ids::{ExecutionId, HeartbeatId, NodeId, ProjectId};
use jiff::Timestamp;

use super::batch::Batch;
use super::rollups;
use super::rows::{int, ms, opt_ms, second_of_day};
use super::tx::{Statement, Tx, plain, sql};
use crate::counting::Rollups;
use crate::entries::{self, Standstill};
use crate::marking::Marked;
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

const END_PAUSE: &str = "UPDATE pauses SET ended_at = GREATEST($3, since) \
    WHERE project_id = $1 AND heartbeat_id = $2 AND ended_at IS NULL";

const BEGIN_PAUSE: &str = "INSERT INTO pauses \
    (project_id, heartbeat_id, since, number, reason, resumes_at, ended_at) \
    SELECT $1, $2, $3, COUNT(*), $4, $5, NULL FROM pauses \
    WHERE project_id = $1 AND heartbeat_id = $2 AND since = $3";

static END_PAUSES: Batch = Batch::new(
    "WITH v(project_id, heartbeat_id, ended_at) AS (VALUES",
    3,
    ") UPDATE pauses SET ended_at = GREATEST(v.ended_at, pauses.since) FROM v \
     WHERE pauses.project_id = v.project_id AND pauses.heartbeat_id = v.heartbeat_id \
     AND pauses.ended_at IS NULL",
);

static BEGIN_PAUSES: Batch = Batch::new(
    "WITH v(project_id, heartbeat_id, since, reason, resumes_at) AS (VALUES",
    5,
    ") INSERT INTO pauses \
     (project_id, heartbeat_id, since, number, reason, resumes_at, ended_at) \
     SELECT v.project_id, v.heartbeat_id, v.since, (SELECT COUNT(*) FROM pauses p \
     WHERE p.project_id = v.project_id AND p.heartbeat_id = v.heartbeat_id \
     AND p.since = v.since), v.reason, v.resumes_at, NULL FROM v",
);

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
        .bind(plain(&row.prompt))
        .bind(plain(&row.response))
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

/// Writes the row that covers a run of missed moments. Its counts are the caller's.
pub(super) async fn write_skipped(
    tx: &mut Tx,
    heartbeat: &Heartbeat,
    skipped: &Skipped,
    now: Timestamp,
) -> Result<Execution> {
    let id = ExecutionId::new(&tx.ids, now);
    let row = entries::covering_row(heartbeat, id, skipped, now);
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
        .bind(h.last_status.as_deref().map(plain))
        .bind(baseline)
        .bind(ms(h.updated_at))
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
    let mut counted = Rollups::default();
    for skipped in skipped {
        counted.count(&write_skipped(tx, after, skipped, now).await?);
    }
    rollups::add(tx, counted).await?;
    save_states(tx, std::slice::from_ref(after)).await?;
    let change = Standstill::between(before, after, now);
    write_standstills(tx, change.as_slice()).await
}

/// Writes marked heartbeats, each of them once, with everything that follows from that.
pub(super) async fn save_marked(tx: &mut Tx, marked: &[Marked], now: Timestamp) -> Result<()> {
    let mut covering = Vec::new();
    for Marked { after, skipped, .. } in marked {
        for skipped in skipped {
            let id = ExecutionId::new(&tx.ids, now);
            covering.push(entries::covering_row(after, id, skipped, now));
        }
    }
    let rows: Vec<_> = covering.iter().map(|row| (row, None)).collect();
    insert(tx, &rows).await?;
    let mut counted = Rollups::default();
    for row in &covering {
        counted.count(row);
    }
    rollups::add(tx, counted).await?;
    let states: Vec<Heartbeat> = marked.iter().map(|one| one.after.clone()).collect();
    save_states(tx, &states).await?;
    let changes = marked
        .iter()
        .filter_map(|one| Standstill::between(&one.before, &one.after, now));
    let changes: Vec<Standstill> = changes.collect();
    let ends: Vec<&Standstill> = changes.iter().filter(|change| change.ends).collect();
    END_PAUSES
        .write(tx, &ends, |statement, change| {
            let statement = statement.bind(change.project_id).bind(change.heartbeat_id);
            statement.bind(ms(change.now))
        })
        .await?;
    let begins = changes
        .iter()
        .filter_map(|change| Some((change, change.begins?)));
    let begins: Vec<_> = begins.collect();
    BEGIN_PAUSES
        .write(tx, &begins, |statement, (change, (reason, resumes_at))| {
            let statement = statement.bind(change.project_id).bind(change.heartbeat_id);
            let statement = statement.bind(ms(change.now)).bind(reason.as_str());
            statement.bind(opt_ms(*resumes_at))
        })
        .await?;
    Ok(())
}

/// Records that a heartbeat that cannot be read stands still.
pub(super) async fn set_aside(
    tx: &mut Tx,
    (project_id, id): (ProjectId, HeartbeatId),
    now: Timestamp,
) -> Result<()> {
    let change = Standstill::of_unreadable(project_id, id, now);
    write_standstills(tx, &[change]).await
}
