//! Why heartbeats stand still, and what lets them go on: plans, budgets and the switches above them.

use heartbeat_domain::budget::Scope;
use heartbeat_domain::heartbeat::{Heartbeat, Standing, billing_period, utc_day};
use heartbeat_domain::ids::{BotId, MemberId, ProjectId};
use heartbeat_domain::plan::Plan;
use heartbeat_domain::reason::Reason;
use heartbeat_domain::schedule::Schedule;
use jiff::Timestamp;
use sqlx::postgres::PgRow;

use super::nodes;
use super::records;
use super::rows::{self, Cursor, heartbeat_columns};
use super::tx::{Tx, sql};
use crate::marking::{Above, paused_for};
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
    // One that was active before the switch was set and is not marked yet: what it passed over is to
    // be covered first, which is up to whoever marks it.
    if heartbeat.next.is_some_and(|next| next.at <= now) {
        return Ok(heartbeat);
    }
    let statement = sql(HOLDS)
        .bind(heartbeat.project_id.0)
        .bind(heartbeat.bot_id.0);
    let Some(row) = tx.find(statement).await? else {
        return Ok(heartbeat);
    };
    let mut c = Cursor::new(&row);
    let above = Above {
        project_paused: c.take()?,
        switched_off: c.take()?,
    };
    Ok(match above.reason() {
        Some(reason) => paused_for(heartbeat, reason, now),
        None => heartbeat,
    })
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
