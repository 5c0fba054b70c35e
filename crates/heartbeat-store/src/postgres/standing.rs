//! Pauses of many heartbeats at once, and their ends.

use heartbeat_domain::budget::Scope;
use heartbeat_domain::heartbeat::{Heartbeat, Pause, Standing, billing_period, utc_day};
use heartbeat_domain::ids::{BotId, ExecutionId, HeartbeatId, MemberId, ProjectId};
use heartbeat_domain::plan::Plan;
use heartbeat_domain::reason::Reason;
use heartbeat_domain::schedule::Schedule;
use jiff::Timestamp;
use sqlx::postgres::PgRow;

use super::nodes;
use super::records;
use super::rows::{self, Cursor, heartbeat_columns};
use super::tx::{Tx, sql};
use crate::verbs::Result;

const HOLDS: &str = "SELECT p.paused_at IS NOT NULL, NOT (b.status AND b.heartbeat) \
    FROM projects p JOIN bots b ON b.project_id = p.id WHERE p.id = $1 AND b.id = $2 \
    FOR SHARE OF p, b";

const OF_REACH: &str = concat!(
    "SELECT ",
    heartbeat_columns!(),
    " FROM heartbeats h WHERE h.project_id = $1 AND ($2 IS NULL OR h.bot_id = $2) \
     ORDER BY h.bot_id, h.created_at, h.id FOR UPDATE OF h"
);

const ACTIVE: &str = concat!(
    "SELECT ",
    heartbeat_columns!(),
    " FROM heartbeats h WHERE h.project_id = $1 AND ($2 IS NULL OR h.bot_id = $2) \
     AND h.enabled AND h.paused_reason IS NULL ORDER BY h.id FOR UPDATE OF h"
);

const PAUSED: &str = concat!(
    "SELECT ",
    heartbeat_columns!(),
    " FROM heartbeats h WHERE h.project_id = $1 AND ($2 IS NULL OR h.bot_id = $2) \
     AND h.paused_reason = $3 ORDER BY h.id FOR UPDATE OF h"
);

const RELIEVED: &str = concat!(
    "SELECT ",
    heartbeat_columns!(),
    " FROM heartbeats h WHERE h.project_id = $1 AND ($2 IS NULL OR h.bot_id = $2) \
     AND ($3 IS NULL OR h.member_id = $3) AND h.paused_reason = $4 \
     AND NOT EXISTS (SELECT 1 FROM budgets u WHERE u.project_id = $1 AND \
     (u.scope = 'heartbeat' AND u.scope_id = h.id AND u.period = $5 \
     AND $4 = 'budget_exhausted' AND u.used >= h.credit_budget \
     OR u.scope = 'project_day' AND u.scope_id = $1 AND u.period = $6 \
     AND $4 = 'credits_exhausted' AND u.used >= u.credit_limit)) \
     ORDER BY h.bot_id, h.created_at, h.id"
);

const STOP_OPEN: &str = "UPDATE executions SET cancel_requested = $3 WHERE project_id = $1 \
    AND id IN (SELECT h.open_execution_id FROM heartbeats h WHERE h.project_id = $1 \
    AND ($2 IS NULL OR h.bot_id = $2) AND h.open_execution_id IS NOT NULL) \
    AND phase <> 'ended' AND cancel_requested IS NULL RETURNING id";

/// A project, or one agent or subscriber of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Within {
    pub(super) project: ProjectId,
    pub(super) bot: Option<BotId>,
    pub(super) member: Option<MemberId>,
}

impl Within {
    /// All of a project.
    pub(super) fn project(project: ProjectId) -> Self {
        Self {
            project,
            bot: None,
            member: None,
        }
    }

    /// An agent.
    pub(super) fn bot(project: ProjectId, bot: BotId) -> Self {
        Self {
            bot: Some(bot),
            ..Self::project(project)
        }
    }
}

/// `heartbeat` after the end of its pause: active, or paused for the next reason that holds.
pub(super) async fn resumed(
    tx: &mut Tx,
    heartbeat: &Heartbeat,
    schedule: &Schedule,
    now: Timestamp,
) -> Result<Heartbeat> {
    let after = heartbeat.clone().resumed_at(schedule, now).heartbeat;
    held(tx, after, now).await
}

/// `heartbeat`, paused if it is active in a paused project or of an agent that is switched off.
pub(super) async fn held(tx: &mut Tx, heartbeat: Heartbeat, now: Timestamp) -> Result<Heartbeat> {
    let statement = sql(HOLDS)
        .bind(heartbeat.project_id.0)
        .bind(heartbeat.bot_id.0);
    let Some(row) = tx.find(statement).await? else {
        return Ok(heartbeat);
    };
    let mut c = Cursor::new(&row);
    let (project_paused, switched_off): (bool, bool) = (c.take()?, c.take()?);
    let reason = match (project_paused, switched_off) {
        (true, _) => Reason::ProjectPaused,
        (_, true) => Reason::SwitchedOff,
        _ => return Ok(heartbeat),
    };
    Ok(paused_for(heartbeat, reason, now))
}

/// Another reason for standing still; due moments are the caller's.
fn paused_for(mut heartbeat: Heartbeat, reason: Reason, now: Timestamp) -> Heartbeat {
    if heartbeat.standing() != Standing::Off {
        heartbeat.paused = Some(Pause {
            reason,
            since: now,
            resumes_at: None,
        });
        heartbeat.claimable_at = None;
    }
    heartbeat
}

/// Pauses what is active; answers what that was.
pub(super) async fn pause_active(
    tx: &mut Tx,
    within: Within,
    reason: Reason,
    now: Timestamp,
) -> Result<Vec<HeartbeatId>> {
    let statement = sql(ACTIVE)
        .bind(within.project.0)
        .bind(within.bot.map(|bot| bot.0));
    let active = readable(&tx.rows(statement).await?);
    let mut paused = Vec::with_capacity(active.len());
    for heartbeat in active {
        pause_one(tx, &heartbeat, reason, now).await?;
        paused.push(heartbeat.id);
    }
    Ok(paused)
}

async fn pause_one(
    tx: &mut Tx,
    heartbeat: &Heartbeat,
    reason: Reason,
    now: Timestamp,
) -> Result<()> {
    let Ok(schedule) = tx.schedules.of(heartbeat) else {
        let after = paused_for(heartbeat.clone(), reason, now);
        return records::save_change(tx, heartbeat, &after, &[], now).await;
    };
    let missed = missed_reason(tx, heartbeat, now).await?;
    let changed = heartbeat
        .clone()
        .paused_at(&schedule, (reason, None), now, missed);
    records::save_change(tx, heartbeat, &changed.heartbeat, &changed.skipped, now).await
}

/// Why due moments up to `now` that nobody took were missed.
pub(super) async fn missed_reason(
    tx: &mut Tx,
    heartbeat: &Heartbeat,
    now: Timestamp,
) -> Result<Reason> {
    let Some(next) = heartbeat.next.filter(|next| next.at <= now) else {
        return Ok(Reason::Capacity);
    };
    let awake_since = nodes::awake_since(tx, now).await?;
    Ok(if next.at < awake_since {
        Reason::Downtime
    } else {
        Reason::Capacity
    })
}

/// Ends the pauses that have that reason; answers what is active again.
pub(super) async fn resume_paused(
    tx: &mut Tx,
    within: Within,
    reason: Reason,
    now: Timestamp,
) -> Result<Vec<HeartbeatId>> {
    let statement = sql(PAUSED)
        .bind(within.project.0)
        .bind(within.bot.map(|bot| bot.0))
        .bind(reason.as_str());
    let paused = readable(&tx.rows(statement).await?);
    let mut active = Vec::with_capacity(paused.len());
    for heartbeat in paused {
        if resume_one(tx, &heartbeat, now).await? {
            active.push(heartbeat.id);
        }
    }
    Ok(active)
}

/// Lets what a level paused go on, but for what its own level, or the project's day, still holds.
pub(super) async fn relieve(
    tx: &mut Tx,
    within: Within,
    scope: Scope,
    now: Timestamp,
) -> Result<()> {
    let statement = sql(RELIEVED)
        .bind(within.project.0)
        .bind(within.bot.map(|bot| bot.0))
        .bind(within.member.map(|member| member.0))
        .bind(scope.reason().as_str())
        .bind(i64::from(billing_period(now)))
        .bind(i64::from(utc_day(now)));
    for heartbeat in readable(&tx.rows(statement).await?) {
        resume_one(tx, &heartbeat, now).await?;
    }
    Ok(())
}

/// Whether it is active again.
async fn resume_one(tx: &mut Tx, heartbeat: &Heartbeat, now: Timestamp) -> Result<bool> {
    let Ok(schedule) = tx.schedules.of(heartbeat) else {
        let after = paused_for(heartbeat.clone(), Reason::Internal, now);
        records::save_change(tx, heartbeat, &after, &[], now).await?;
        return Ok(false);
    };
    let after = resumed(tx, heartbeat, &schedule, now).await?;
    records::save_change(tx, heartbeat, &after, &[], now).await?;
    Ok(after.standing() == Standing::Active)
}

/// Asks what runs to stop; answers what was asked now.
pub(super) async fn stop_open(
    tx: &mut Tx,
    within: Within,
    reason: Reason,
) -> Result<Vec<ExecutionId>> {
    let statement = sql(STOP_OPEN)
        .bind(within.project.0)
        .bind(within.bot.map(|bot| bot.0))
        .bind(reason.as_str());
    let rows = tx.rows(statement).await?;
    rows.iter()
        .map(|row| Ok(ExecutionId(Cursor::new(row).take()?)))
        .collect()
}

/// The oldest heartbeats of each agent up to the plan's cap stay, if they are not too frequent for
/// it; the others pause, and what the plan paused before and fits again resumes.
pub(super) async fn fit_plan(
    tx: &mut Tx,
    project: ProjectId,
    plan: &Plan,
    now: Timestamp,
) -> Result<()> {
    let all = readable(
        &tx.rows(sql(OF_REACH).bind(project.0).bind(None::<uuid::Uuid>))
            .await?,
    );
    let mut rank = (None, 0);
    for heartbeat in all {
        let place = if rank.0 == Some(heartbeat.bot_id) {
            rank.1 + 1
        } else {
            0
        };
        rank = (Some(heartbeat.bot_id), place);
        let fits = plan.heartbeats_per_agent.is_none_or(|cap| place < cap)
            && allowed(tx, &heartbeat, plan, now);
        let reason = heartbeat.paused.map(|pause| pause.reason);
        if fits && reason == Some(Reason::Plan) {
            resume_one(tx, &heartbeat, now).await?;
        } else if !fits && heartbeat.standing() == Standing::Active {
            pause_one(tx, &heartbeat, Reason::Plan, now).await?;
        } else if !fits && heartbeat.enabled && reason != Some(Reason::Plan) {
            let after = paused_for(heartbeat.clone(), Reason::Plan, now);
            records::save_change(tx, &heartbeat, &after, &[], now).await?;
        }
    }
    Ok(())
}

/// Whether the plan allows a heartbeat for what it is, whatever its place.
pub(super) fn allowed(tx: &Tx, heartbeat: &Heartbeat, plan: &Plan, now: Timestamp) -> bool {
    let is_local = heartbeat
        .settings
        .watch
        .as_ref()
        .is_some_and(|watch| watch.tool.is_local());
    let frequent = match tx.schedules.of(heartbeat) {
        Ok(schedule) => schedule.check_frequency(plan.minimum_minutes, now).is_err(),
        Err(_) => false,
    };
    !frequent && (plan.local_access || !is_local)
}

/// Heartbeats that can be read; the others are said in the log and left alone.
fn readable(found: &[PgRow]) -> Vec<Heartbeat> {
    let read = |row| match rows::heartbeat(&mut Cursor::new(row)) {
        Ok(heartbeat) => Some(heartbeat),
        Err(error) => {
            tracing::error!(%error, "a heartbeat cannot be read");
            None
        }
    };
    found.iter().filter_map(read).collect()
}
