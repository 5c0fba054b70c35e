//! Why heartbeats stand still, and what lets them go on: plans, budgets and the switches above them.

use std::collections::HashMap;

use heartbeat_domain::budget::Scope;
use heartbeat_domain::heartbeat::{Heartbeat, billing_period, utc_day};
use heartbeat_domain::ids::{BotId, ProjectId};
use heartbeat_domain::plan::Plan;
use heartbeat_domain::reason::Reason;
use heartbeat_domain::schedule::Schedule;
use jiff::Timestamp;

use super::nodes;
use super::records;
use super::rows::{Cursor, heartbeat_columns};
use super::tx::{Tx, sql};
use crate::marking::{Above, Moments, Within, fit_all, paused_for, readable};
use crate::verbs::Result;

const HOLDS: &str = "SELECT p.paused_at IS NOT NULL, NOT (b.status AND b.heartbeat) \
    FROM projects p JOIN bots b ON b.project_id = p.id WHERE p.id = $1 AND b.id = $2 \
    FOR SHARE OF p, b";

const ABOVE: &str = "SELECT b.id, p.paused_at IS NOT NULL, NOT (b.status AND b.heartbeat) \
    FROM projects p JOIN bots b ON b.project_id = p.id WHERE p.id = $1 \
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
    Ok(match Above::read(&mut Cursor::new(&row))?.reason() {
        Some(reason) => paused_for(heartbeat, reason, now),
        None => heartbeat,
    })
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
    for heartbeat in readable(tx.rows(statement).await?.iter().map(Cursor::new)) {
        resume_one(tx, &heartbeat, now).await?;
    }
    Ok(())
}

async fn resume_one(tx: &mut Tx, heartbeat: &Heartbeat, now: Timestamp) -> Result<()> {
    let after = match tx.schedules.of(heartbeat) {
        Ok(schedule) => resumed(tx, heartbeat, &schedule, now).await?,
        Err(_) => paused_for(heartbeat.clone(), Reason::Internal, now),
    };
    records::save_change(tx, heartbeat, &after, &[], now).await
}

/// Lets the heartbeats of a project stand as its plan says.
pub(super) async fn fit_plan(
    tx: &mut Tx,
    project: ProjectId,
    plan: &Plan,
    now: Timestamp,
) -> Result<()> {
    let above = above(tx, project).await?;
    let statement = sql(OF_REACH).bind(project.0).bind(None::<uuid::Uuid>);
    let all = readable(tx.rows(statement).await?.iter().map(Cursor::new));
    let moments = Moments {
        awake_since: nodes::awake_since(tx, now).await?,
        changed_at: now,
        now,
    };
    let marked = fit_all(&tx.schedules, all, (plan, &above), moments);
    records::save_marked(tx, &marked, now).await
}

/// The switches above the heartbeats of a project, by agent.
async fn above(tx: &mut Tx, project: ProjectId) -> Result<HashMap<BotId, Above>> {
    let rows = tx.rows(sql(ABOVE).bind(project.0)).await?;
    let above = rows.iter().map(|row| {
        let mut c = Cursor::new(row);
        Ok((BotId(c.take()?), Above::read(&mut c)?))
    });
    above.collect()
}
