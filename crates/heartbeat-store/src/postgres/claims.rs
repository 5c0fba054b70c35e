//! Claiming: open executions without a holder first, then heartbeats that are due.
//!
//! A look reads at most a few times what is wanted, however much is due: a backlog of one project
//! is stepped over project by project, from where the last look ended.

use std::collections::{HashMap, HashSet};

use heartbeat_domain::claim::Claim;
use heartbeat_domain::heartbeat::{Heartbeat, OpenRun, Standing};
use heartbeat_domain::ids::{BotId, ExecutionId, HeartbeatId, NodeId, ProjectId};
use heartbeat_domain::schedule::Schedule;
use jiff::Timestamp;

use super::batch::Batch;
use super::due;
use super::nodes;
use super::records;
use super::rows::{
    self, Cursor, bot_columns, execution_columns, heartbeat_columns, ms, project_columns,
};
use super::standing;
use super::tx::{Tx, sql};
use crate::claiming::{Fire, Owners, fire, missed_before};
use crate::entries;
use crate::marking::{Moments, mark};
use crate::turns::Key;
use crate::verbs::{ClaimAsk, Result};

/// Values of the locked versions: another node may have had and released one since this
/// statement began.
const UNHELD: &str = concat!(
    "WITH free AS (SELECT ",
    execution_columns!(),
    " FROM executions e WHERE e.claimable_at <= $1 ORDER BY e.claimable_at LIMIT $2 \
     FOR UPDATE SKIP LOCKED), \
     ranked AS (SELECT free.*, ROW_NUMBER() OVER \
     (PARTITION BY project_id ORDER BY claimable_at, id) AS turn FROM free) \
     SELECT * FROM ranked ORDER BY turn, claimable_at, id LIMIT $3"
);

static TAKE: Batch = Batch::new(
    "WITH v(project_id, id, due_at, holder, started_at) AS (VALUES",
    5,
    ") UPDATE executions SET holder = v.holder, fence = fence + 1, claimable_at = NULL, \
     started_at = COALESCE(executions.started_at, v.started_at) \
     FROM v WHERE executions.project_id = v.project_id AND executions.id = v.id \
     AND executions.due_at = v.due_at",
);

static HEARTBEATS: Batch = Batch::new(
    "WITH v(project_id, id) AS (VALUES",
    2,
    concat!(
        ") SELECT ",
        heartbeat_columns!(),
        " FROM v JOIN heartbeats h ON h.project_id = v.project_id AND h.id = v.id"
    ),
);

/// Those of them that are still to be claimed, for this transaction alone.
static CLAIMABLE: Batch = Batch::new(
    "WITH v(project_id, id) AS (VALUES",
    2,
    concat!(
        ") SELECT ",
        heartbeat_columns!(),
        " FROM v JOIN heartbeats h ON h.project_id = v.project_id AND h.id = v.id \
         WHERE h.claimable_at IS NOT NULL FOR UPDATE OF h SKIP LOCKED"
    ),
);

static BOTS: Batch = Batch::new(
    "WITH v(project_id, id) AS (VALUES",
    2,
    concat!(
        ") SELECT ",
        bot_columns!(),
        " FROM v JOIN bots b ON b.project_id = v.project_id AND b.id = v.id"
    ),
);

static PROJECTS: Batch = Batch::new(
    "WITH v(id) AS (VALUES",
    1,
    concat!(
        ") SELECT ",
        project_columns!(),
        " FROM v JOIN projects p ON p.id = v.id"
    ),
);

static OPENED: Batch = Batch::new(
    "WITH v(project_id, id, execution_id, due_at) AS (VALUES",
    4,
    ") UPDATE heartbeats SET open_execution_id = v.execution_id, open_due_at = v.due_at, \
     claimable_at = NULL FROM v \
     WHERE heartbeats.project_id = v.project_id AND heartbeats.id = v.id",
);

const SET_ASIDE: &str = "UPDATE heartbeats SET claimable_at = NULL, paused_reason = 'internal', \
    paused_since = $3, resumes_at = NULL WHERE project_id = $1 AND id = $2";

const EXISTS: &str = "SELECT 1 FROM executions WHERE project_id = $1 AND id = $2 AND due_at = $3";

const HELD: &str = "SELECT project_id, id, fence FROM executions WHERE holder = $1";

/// What of the claims of a node still stands: all of them, unless it was found dead since.
pub(super) async fn still_held(
    tx: &mut Tx,
    mut claims: Vec<Claim>,
    (node_id, now): (NodeId, Timestamp),
) -> Result<Vec<Claim>> {
    nodes::stay(tx, node_id, now).await?;
    let mut held: HashSet<(ProjectId, ExecutionId, i64)> = HashSet::new();
    for row in &tx.rows(sql(HELD).bind(node_id.0)).await? {
        let mut c = Cursor::new(row);
        held.insert((ProjectId(c.take()?), ExecutionId(c.take()?), c.take()?));
    }
    claims.retain(|claim| {
        let hold = &claim.hold;
        held.contains(&(hold.project_id, hold.execution_id, hold.fence))
    });
    Ok(claims)
}

pub(super) async fn claim_due(tx: &mut Tx, ask: ClaimAsk, now: Timestamp) -> Result<Vec<Claim>> {
    nodes::stay(tx, ask.node_id, now).await?;
    let live = nodes::bury(tx, now).await?;
    let awake_since = live
        .iter()
        .map(|node| node.awake_since)
        .min()
        .unwrap_or(now);
    let mut claims = take_unheld(tx, ask, now).await?;
    let want = ask.want.saturating_sub(claims.len());
    if want > 0 {
        let mut candidates = &due::candidates(tx, want, now).await?[..];
        let mut due = Vec::with_capacity(want);
        // Other nodes have seen the same candidates: those that they lock are stepped over, and no
        // more are locked than are taken.
        while due.len() < want && !candidates.is_empty() {
            let (keys, rest) = candidates.split_at((want - due.len()).min(candidates.len()));
            due.extend(fires(tx, keys, awake_since, now).await?);
            candidates = rest;
        }
        claims.extend(open_fires(tx, due, (ask.node_id, awake_since), now).await?);
    }
    Ok(claims)
}

/// Open executions that nobody holds: of dead nodes, released ones, triggers.
async fn take_unheld(tx: &mut Tx, ask: ClaimAsk, now: Timestamp) -> Result<Vec<Claim>> {
    let want = i64::try_from(ask.want).unwrap_or(i64::MAX);
    let statement = sql(UNHELD)
        .bind(ms(now))
        .bind(want.saturating_mul(4))
        .bind(want);
    let rows = tx.rows(statement).await?;
    let mut free = Vec::with_capacity(rows.len());
    for row in &rows {
        free.push(rows::execution(&mut Cursor::new(row))?);
    }
    if free.is_empty() {
        return Ok(Vec::new());
    }
    TAKE.write(tx, &free, |statement, row| {
        statement
            .bind(row.project_id.0)
            .bind(row.id.0)
            .bind(ms(row.due_at))
            .bind(ask.node_id.0)
            .bind(ms(now))
    })
    .await?;
    let keys: Vec<Key> = free
        .iter()
        .filter_map(|row| Some((row.project_id, row.heartbeat_id?)))
        .collect();
    let heartbeats = heartbeats(tx, &HEARTBEATS, &keys, now).await?;
    let mut found: HashMap<Key, Heartbeat> = heartbeats
        .into_iter()
        .map(|h| ((h.project_id, h.id), h))
        .collect();
    let owners = owners(tx, free.iter().map(|row| (row.project_id, row.bot_id))).await?;
    let mut claims = Vec::with_capacity(free.len());
    for mut execution in free {
        execution.fence += 1;
        execution.claimable_at = None;
        execution.started_at.get_or_insert(now);
        let key = execution.heartbeat_id.map(|id| (execution.project_id, id));
        let heartbeat = key.and_then(|key| found.remove(&key));
        let missed = missed_before(&tx.schedules, heartbeat.as_ref(), &execution);
        claims.push(owners.claim(execution, heartbeat, ask.node_id, missed)?);
    }
    Ok(claims)
}

/// Heartbeats of those keys. One that cannot be read is set aside and said in the log.
async fn heartbeats(
    tx: &mut Tx,
    which: &'static Batch,
    keys: &[Key],
    now: Timestamp,
) -> Result<Vec<Heartbeat>> {
    let found = which
        .rows(tx, keys, |statement, (project, id)| {
            statement.bind(project.0).bind(id.0)
        })
        .await?;
    let mut heartbeats = Vec::with_capacity(found.len());
    for row in &found {
        match rows::heartbeat(&mut Cursor::new(row)) {
            Ok(heartbeat) => heartbeats.push(heartbeat),
            Err(error) => {
                let mut c = Cursor::new(row);
                let (id, project) = (HeartbeatId(c.take()?), ProjectId(c.take()?));
                tracing::error!(heartbeat.id = %id, %error, "a heartbeat had to be set aside");
                set_aside(tx, (project, id), now).await?;
            }
        }
    }
    Ok(heartbeats)
}

async fn set_aside(tx: &mut Tx, (project, id): Key, now: Timestamp) -> Result<()> {
    tx.write(sql(SET_ASIDE).bind(project.0).bind(id.0).bind(ms(now)))
        .await?;
    records::set_aside(tx, (project, id), now).await
}

/// The fires of those heartbeats, in their order; whatever else is claimable among them is put
/// right.
async fn fires(
    tx: &mut Tx,
    keys: &[Key],
    awake_since: Timestamp,
    now: Timestamp,
) -> Result<Vec<Fire>> {
    let places: HashMap<Key, usize> = keys.iter().copied().zip(0..).collect();
    let mut due = heartbeats(tx, &CLAIMABLE, keys, now).await?;
    due.retain(|heartbeat| heartbeat.claimable_at.is_some_and(|at| at <= now));
    due.sort_by_key(|heartbeat| places.get(&(heartbeat.project_id, heartbeat.id)).copied());
    let mut fires = Vec::with_capacity(due.len());
    for heartbeat in due {
        let schedule = match tx.schedules.of(&heartbeat) {
            Ok(schedule) => schedule,
            Err(error) => {
                tracing::error!(heartbeat.id = %heartbeat.id, %error, "a heartbeat had to pause");
                let after = entries::broken(&heartbeat, now);
                records::save_change(tx, &heartbeat, &after, &[], now).await?;
                continue;
            }
        };
        match fire(&tx.ids, (&heartbeat, &schedule), awake_since, now) {
            Some(fire) => fires.push(fire),
            None => put_right(tx, &heartbeat, &schedule, now).await?,
        }
    }
    Ok(fires)
}

/// A pause that has ended, or a heartbeat that is claimable before its time.
async fn put_right(
    tx: &mut Tx,
    heartbeat: &Heartbeat,
    schedule: &Schedule,
    now: Timestamp,
) -> Result<()> {
    let mut after = heartbeat.clone();
    match heartbeat.standing() {
        Standing::Paused(pause) if pause.resumes_at.is_some_and(|at| at <= now) => {
            after = standing::resumed(tx, heartbeat, schedule, now).await?;
        }
        Standing::Active => {
            after.claimable_at = heartbeat.next.map(|next| next.at + heartbeat.spread());
        }
        _ => after.claimable_at = None,
    }
    records::save_change(tx, heartbeat, &after, &[], now).await
}

/// Writes the rows of fresh fires and marks their heartbeats.
async fn open_fires(
    tx: &mut Tx,
    fires: Vec<Fire>,
    (node, awake_since): (NodeId, Timestamp),
    now: Timestamp,
) -> Result<Vec<Claim>> {
    let bots = fires
        .iter()
        .map(|fire| (fire.heartbeat.project_id, fire.heartbeat.bot_id));
    let owners = owners(tx, bots).await?;
    let fires = unless_stopped(tx, (fires, &owners), awake_since, now).await?;
    let rows: Vec<_> = fires
        .iter()
        .map(|fire| (&fire.execution, Some(node)))
        .collect();
    let written = records::insert(tx, &rows).await?;
    let fires = if usize::try_from(written).is_ok_and(|written| written == fires.len()) {
        fires
    } else {
        without_doubles(tx, fires, now).await?
    };
    OPENED
        .write(tx, &fires, |statement, fire| {
            statement
                .bind(fire.heartbeat.project_id.0)
                .bind(fire.heartbeat.id.0)
                .bind(fire.execution.id.0)
                .bind(ms(fire.execution.due_at))
        })
        .await?;
    let claims = fires.into_iter().map(
        |Fire {
             mut heartbeat,
             execution,
             missed,
         }| {
            heartbeat.open = Some(OpenRun::new(execution.id, execution.due_at));
            heartbeat.claimable_at = None;
            owners.claim(execution, Some(heartbeat), node, missed)
        },
    );
    claims.collect()
}

/// Fires that no switch above them stops. A heartbeat below one that was set and that is not marked
/// yet is marked here, so that it is not looked at again.
async fn unless_stopped(
    tx: &mut Tx,
    (fires, owners): (Vec<Fire>, &Owners),
    awake_since: Timestamp,
    now: Timestamp,
) -> Result<Vec<Fire>> {
    let mut free = Vec::with_capacity(fires.len());
    let mut marked = Vec::new();
    for fire in fires {
        let (above, changed_at) = owners.above(&fire.heartbeat, now);
        if above.reason().is_none() {
            free.push(fire);
            continue;
        }
        let moments = Moments {
            awake_since,
            changed_at,
            now,
        };
        marked.extend(mark(&tx.schedules, fire.heartbeat, above, moments));
    }
    records::save_marked(tx, &marked, now).await?;
    Ok(free)
}

/// A due time that has its row already never fires again: the heartbeat moves past it. That takes
/// a clock that ran backwards while somebody changed the schedule.
async fn without_doubles(tx: &mut Tx, fires: Vec<Fire>, now: Timestamp) -> Result<Vec<Fire>> {
    let mut fresh = Vec::with_capacity(fires.len());
    for fire in fires {
        let row = &fire.execution;
        if tx
            .find(
                sql(EXISTS)
                    .bind(row.project_id.0)
                    .bind(row.id.0)
                    .bind(ms(row.due_at)),
            )
            .await?
            .is_some()
        {
            fresh.push(fire);
            continue;
        }
        tracing::warn!(heartbeat.id = %fire.heartbeat.id, fire.due_at = %row.due_at, "this moment has its row already");
        let schedule = tx.schedules.of(&fire.heartbeat)?;
        let mut after = fire.heartbeat.clone();
        after.next = after
            .next
            .and_then(|next| schedule.advance(&next, now).next);
        after.claimable_at = after.next.map(|next| next.at + after.spread());
        records::save_change(tx, &fire.heartbeat, &after, fire.missed.as_slice(), now).await?;
    }
    Ok(fresh)
}

async fn owners(tx: &mut Tx, bots: impl Iterator<Item = (ProjectId, BotId)>) -> Result<Owners> {
    let bots: Vec<_> = bots.collect::<HashSet<_>>().into_iter().collect();
    let projects: Vec<_> = bots
        .iter()
        .map(|(project, _)| *project)
        .collect::<HashSet<_>>()
        .into_iter()
        .collect();
    let bots = BOTS
        .rows(tx, &bots, |statement, (project, bot)| {
            statement.bind(project.0).bind(bot.0)
        })
        .await?;
    let projects = PROJECTS
        .rows(tx, &projects, |statement, project| {
            statement.bind(project.0)
        })
        .await?;
    let mut owners = Owners::default();
    for row in &bots {
        let bot = rows::bot(row)?;
        owners.bots.insert((bot.project_id, bot.id), bot);
    }
    for row in &projects {
        let project = rows::project(row)?;
        owners.projects.insert(project.id, project);
    }
    Ok(owners)
}
