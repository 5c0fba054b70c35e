//! Many heartbeats at once: the switch above them is set, what runs is asked to stop, and then they
//! are marked, so many in one transaction. A claim refuses what is not marked yet.
//!
//! Differs: PostgreSQL locks what it decides on, projects and agents before heartbeats.

use heartbeat_domain::ids::{BotId, ExecutionId, ProjectId};
use heartbeat_domain::reason::Reason;
use jiff::Timestamp;
use uuid::Uuid;

use super::rows::{Cursor, heartbeat_columns, ms};
use super::tx::{Tx, sql};
use super::{access, bots, nodes, records};
use crate::marking::{Below, Moments, Switch, Within};
use crate::verbs::{BotRef, Reach, Result, SETTLE_MOST, SettleAsk, Settled};

/// Switches that one transaction looks at.
const SWITCHES_MAX: usize = 64;

const PAUSE: &str = "UPDATE projects SET paused_at = $2, \
    unsettled = MAX($2, COALESCE(unsettled, 0) + 1) \
    WHERE paused_at IS NULL AND ($1 IS NULL OR id = $1)";

const RESUME: &str = "UPDATE projects SET paused_at = NULL, \
    unsettled = MAX($2, COALESCE(unsettled, 0) + 1) \
    WHERE paused_at IS NOT NULL AND ($1 IS NULL OR id = $1)";

const SWITCH: &str = "UPDATE bots SET heartbeat = $3, updated_at = $4 \
    WHERE project_id = $1 AND id = $2 AND heartbeat <> $3";

const UNSETTLE: &str = "UPDATE bots SET unsettled = MAX($3, COALESCE(unsettled, 0) + 1) \
    WHERE project_id = $1 AND id = $2";

const UNSETTLED: &str = "SELECT p.id, NULL, p.unsettled FROM projects p \
    WHERE p.unsettled <= $3 AND ($1 IS NULL OR p.id = $1) AND $2 IS NULL \
    UNION ALL SELECT b.project_id, b.id, b.unsettled FROM bots b \
    WHERE b.unsettled <= $3 AND ($1 IS NULL OR b.project_id = $1) \
    AND ($2 IS NULL OR b.id = $2) ORDER BY 3, 1 LIMIT $4";

const MISMARKED: &str = concat!(
    "SELECT ",
    heartbeat_columns!(),
    ", p.paused_at IS NOT NULL, NOT (b.status AND b.heartbeat) FROM heartbeats h \
     JOIN projects p ON p.id = h.project_id \
     JOIN bots b ON b.project_id = h.project_id AND b.id = h.bot_id \
     WHERE h.project_id = $1 AND ($2 IS NULL OR h.bot_id = $2) AND h.id > $3 \
     AND (h.enabled AND h.paused_reason IS NULL \
     AND (p.paused_at IS NOT NULL OR NOT (b.status AND b.heartbeat)) \
     OR h.paused_reason = 'project_paused' AND p.paused_at IS NULL \
     OR h.paused_reason = 'switched_off' AND b.status AND b.heartbeat) \
     ORDER BY h.id LIMIT $4"
);

const STOP: &str = "UPDATE executions SET cancel_requested = $3, \
    claimable_at = CASE WHEN claimable_at IS NULL THEN NULL ELSE MIN(claimable_at, $4) END \
    WHERE cancel_requested IS NULL AND phase <> 'ended' AND (project_id, id) IN (\
    SELECT project_id, id FROM executions INDEXED BY executions_held WHERE holder IS NOT NULL \
    AND ($1 IS NULL OR project_id = $1) AND ($2 IS NULL OR bot_id = $2) \
    UNION ALL SELECT project_id, id FROM executions INDEXED BY executions_claimable \
    WHERE claimable_at IS NOT NULL \
    AND ($1 IS NULL OR project_id = $1) AND ($2 IS NULL OR bot_id = $2)) RETURNING id";

const PROJECT_SETTLED: &str = "UPDATE projects SET unsettled = NULL WHERE id = $1 AND unsettled = $3 \
    AND $2 IS NULL";

const BOT_SETTLED: &str = "UPDATE bots SET unsettled = NULL WHERE project_id = $1 AND id = $2 \
    AND unsettled = $3";

/// [`crate::verbs::Heartbeats::pause`].
pub(super) async fn pause(
    tx: &mut Tx,
    reach: Reach,
    most: usize,
    now: Timestamp,
) -> Result<Settled> {
    let (project, bot) = reached(tx, reach).await?;
    let reason = match (project, bot) {
        (Some(project), Some(bot)) => {
            switch(tx, (project, bot), false, now).await?;
            Reason::SwitchedOff
        }
        _ => {
            let statement = sql(PAUSE).bind(project.map(|id| id.0)).bind(ms(now));
            tx.write(statement).await?;
            Reason::ProjectPaused
        }
    };
    let mut settled = settle(tx, SettleAsk::new(reach, most), now).await?;
    let stopped = stop(tx, (project, bot), reason, now).await?;
    settled.executions.extend(stopped);
    Ok(settled)
}

/// [`crate::verbs::Heartbeats::resume`].
pub(super) async fn resume(
    tx: &mut Tx,
    reach: Reach,
    most: usize,
    now: Timestamp,
) -> Result<Settled> {
    let (project, bot) = reached(tx, reach).await?;
    match (project, bot) {
        (Some(project), Some(bot)) => switch(tx, (project, bot), true, now).await?,
        _ => {
            let statement = sql(RESUME).bind(project.map(|id| id.0)).bind(ms(now));
            tx.write(statement).await?;
        }
    }
    settle(tx, SettleAsk::new(reach, most), now).await
}

async fn reached(tx: &mut Tx, reach: Reach) -> Result<(Option<ProjectId>, Option<BotId>)> {
    match reach {
        Reach::All => Ok((None, None)),
        Reach::Project(id) => {
            access::find(tx.conn(), id).await?;
            Ok((Some(id), None))
        }
        Reach::Bot(project, bot) => {
            bots::find(tx.conn(), project, BotRef::Id(bot)).await?;
            Ok((Some(project), Some(bot)))
        }
    }
}

/// Sets the heartbeat switch of an agent.
async fn switch(
    tx: &mut Tx,
    (project, bot): (ProjectId, BotId),
    on: bool,
    now: Timestamp,
) -> Result<()> {
    let statement = sql(SWITCH).bind(project.0).bind(bot.0);
    let changed = tx.write(statement.bind(on).bind(ms(now))).await?;
    if changed > 0 {
        unsettle(tx, (project, bot), now).await?;
    }
    Ok(())
}

async fn unsettle(tx: &mut Tx, (project, bot): (ProjectId, BotId), now: Timestamp) -> Result<()> {
    let statement = sql(UNSETTLE).bind(project.0).bind(bot.0).bind(ms(now));
    tx.write(statement).await?;
    Ok(())
}

/// What follows from an agent that was switched on or off.
pub(super) async fn switched(tx: &mut Tx, within: Within, on: bool, now: Timestamp) -> Result<()> {
    let Some(bot) = within.bot else {
        return Ok(());
    };
    unsettle(tx, (within.project, bot), now).await?;
    let reach = Reach::Bot(within.project, bot);
    settle(tx, SettleAsk::new(reach, SETTLE_MOST), now).await?;
    if !on {
        let whose = (Some(within.project), Some(bot));
        stop(tx, whose, Reason::SwitchedOff, now).await?;
    }
    Ok(())
}

/// Asks what runs to stop; answers what was asked now.
async fn stop(
    tx: &mut Tx,
    (project, bot): (Option<ProjectId>, Option<BotId>),
    reason: Reason,
    now: Timestamp,
) -> Result<Vec<ExecutionId>> {
    let statement = sql(STOP)
        .bind(project.map(|id| id.0))
        .bind(bot.map(|id| id.0))
        .bind(reason.as_str())
        .bind(ms(now));
    let rows = tx.write_rows(statement).await?;
    rows.iter()
        .map(|row| Ok(ExecutionId(Cursor::new(row).take()?)))
        .collect()
}

/// [`crate::verbs::Heartbeats::settle`].
pub(super) async fn settle(tx: &mut Tx, ask: SettleAsk, now: Timestamp) -> Result<Settled> {
    let mut settled = Settled::default();
    let switches = unsettled(tx, &ask).await?;
    settled.more = switches.len() >= SWITCHES_MAX;
    let mut left = ask.most.max(1);
    for switch in &switches {
        if left == 0 {
            settled.more = true;
            break;
        }
        let place = ask.place.filter(|place| switch.is_at(place));
        let after = place.map_or(Uuid::nil(), |place| place.after.0);
        left -= settle_one(tx, switch, (after, left), &mut settled, now).await?;
    }
    Ok(settled)
}

async fn unsettled(tx: &mut Tx, ask: &SettleAsk) -> Result<Vec<Switch>> {
    let (project, bot) = match ask.reach {
        Reach::All => (None, None),
        Reach::Project(project) => (Some(project.0), None),
        Reach::Bot(project, bot) => (Some(project.0), Some(bot.0)),
    };
    let statement = sql(UNSETTLED)
        .bind(project)
        .bind(bot)
        .bind(ask.changed_until.map_or(i64::MAX, ms))
        .bind(i64::try_from(SWITCHES_MAX).unwrap_or(i64::MAX));
    let rows = tx.rows(statement).await?;
    let switches = rows.iter().map(|row| Switch::read(&mut Cursor::new(row)));
    switches.collect()
}

/// Marks up to so many heartbeats below a switch; answers how many it looked at.
async fn settle_one(
    tx: &mut Tx,
    switch: &Switch,
    (after, most): (Uuid, usize),
    settled: &mut Settled,
    now: Timestamp,
) -> Result<usize> {
    let (project, bot) = (switch.project, switch.bot);
    let statement = sql(MISMARKED)
        .bind(project.0)
        .bind(bot.map(|bot| bot.0))
        .bind(after)
        .bind(i64::try_from(most).unwrap_or(i64::MAX));
    let found = tx.rows(statement).await?;
    let moments = Moments {
        awake_since: nodes::awake_since(tx, now).await?,
        changed_at: Timestamp::from_millisecond(switch.change).unwrap_or(now),
        now,
    };
    let mut below = Below::default();
    for row in &found {
        below.take(&mut Cursor::new(row), switch, &tx.schedules, moments)?;
    }
    settled.count(&below.marked);
    records::save_marked(tx, &below.marked, now).await?;
    if let Some(reason) = below.stands_still {
        // What was claimed while the switch was being set.
        let late = stop(tx, (Some(project), bot), reason, now).await?;
        settled.executions.extend(late);
    }
    if below.seen < most {
        let statement = match bot {
            Some(_) => sql(BOT_SETTLED),
            None => sql(PROJECT_SETTLED),
        };
        let statement = statement.bind(project.0).bind(bot.map(|bot| bot.0));
        tx.write(statement.bind(switch.change)).await?;
    } else if let Some(last) = below.last {
        settled.more = true;
        settled.place = Some(switch.place_after(last));
    }
    Ok(below.seen)
}
