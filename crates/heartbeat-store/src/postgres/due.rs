//! Which heartbeats to take when not all can be: oldest first within a project, round robin
//! between projects.

use heartbeat_domain::ids::{HeartbeatId, ProjectId};
use jiff::Timestamp;
use uuid::Uuid;

use super::rows::{Cursor, ms};
use super::tx::{Tx, sql};
use crate::turns::{Key, Turn, in_turn};
use crate::verbs::Result;

/// The oldest, each with its turn within its project. Nothing is locked yet: which of them are taken
/// is not known before they are ranked.
const OLDEST: &str = "WITH due AS (SELECT project_id, id, claimable_at FROM heartbeats \
    WHERE claimable_at <= $1 ORDER BY claimable_at LIMIT $2) \
    SELECT project_id, id, claimable_at, ROW_NUMBER() OVER \
    (PARTITION BY project_id ORDER BY claimable_at, id) AS turn, COUNT(*) OVER () \
    FROM due ORDER BY turn, claimable_at, id";

/// Projects with something due, from one on: a step of the index for each project, not for each
/// heartbeat.
const PROJECTS: &str = "WITH RECURSIVE p(project_id, number) AS (\
    SELECT (SELECT h.project_id FROM heartbeats h WHERE h.claimable_at IS NOT NULL \
    AND h.project_id > $1 ORDER BY h.project_id LIMIT 1), 1 \
    UNION ALL \
    SELECT (SELECT h.project_id FROM heartbeats h WHERE h.claimable_at IS NOT NULL \
    AND h.project_id > p.project_id ORDER BY h.project_id LIMIT 1), p.number + 1 \
    FROM p WHERE p.project_id IS NOT NULL AND p.number < $2) \
    SELECT p.project_id, (SELECT MIN(h.claimable_at) FROM heartbeats h \
    WHERE h.claimable_at IS NOT NULL AND h.project_id = p.project_id) <= $3 \
    FROM p WHERE p.project_id IS NOT NULL";

/// The oldest few of each of those projects, in one statement.
const OF_PROJECTS: &str = "WITH RECURSIVE p(project_id, number) AS (\
    SELECT (SELECT h.project_id FROM heartbeats h WHERE h.claimable_at IS NOT NULL \
    AND h.project_id > $1 ORDER BY h.project_id LIMIT 1), 1 \
    UNION ALL \
    SELECT (SELECT h.project_id FROM heartbeats h WHERE h.claimable_at IS NOT NULL \
    AND h.project_id > p.project_id ORDER BY h.project_id LIMIT 1), p.number + 1 \
    FROM p WHERE p.project_id IS NOT NULL AND p.number < $2) \
    SELECT i.project_id, i.id, i.claimable_at FROM p CROSS JOIN LATERAL \
    (SELECT h.project_id, h.id, h.claimable_at FROM heartbeats h \
    WHERE h.project_id = p.project_id AND h.claimable_at <= $3 \
    ORDER BY h.claimable_at, h.id LIMIT $4) AS i";

/// How many projects a look visits when there is a backlog.
const PROJECTS_MAX: i64 = 128;

/// Keys of due heartbeats in the order in which they are to be taken; more than `want`, since other
/// nodes take some of them.
pub(super) async fn candidates(tx: &mut Tx, want: usize, now: Timestamp) -> Result<Vec<Key>> {
    let most = i64::try_from(want).unwrap_or(i64::MAX);
    let looked_at = most.saturating_mul(4).max(64);
    let statement = sql(OLDEST).bind(ms(now)).bind(looked_at);
    let mut turns = Vec::new();
    let mut seen = 0;
    for row in &tx.rows(statement).await? {
        let mut c = Cursor::new(row);
        let key = (ProjectId(c.take()?), HeartbeatId(c.take()?));
        let (at, turn) = (c.take()?, c.take()?);
        seen = c.take()?;
        turns.push((turn, at, key));
    }
    if seen >= looked_at {
        turns.extend(backlog(tx, want, now).await?);
    }
    Ok(in_turn(turns, usize::MAX))
}

/// What is due of the next projects, so that one with a long backlog does not keep the others
/// waiting. Their turns are counted later.
async fn backlog(tx: &mut Tx, want: usize, now: Timestamp) -> Result<Vec<Turn>> {
    let from = tx.round();
    let projects = next_projects(tx, now).await?;
    let share = (want / projects.max(1)).max(1);
    let statement = sql(OF_PROJECTS)
        .bind(from)
        .bind(PROJECTS_MAX)
        .bind(ms(now))
        .bind(i64::try_from(share).unwrap_or(i64::MAX));
    let rows = tx.rows(statement).await?;
    let turns = rows.iter().map(|row| {
        let mut c = Cursor::new(row);
        let key = (ProjectId(c.take()?), HeartbeatId(c.take()?));
        Ok((0, c.take()?, key))
    });
    turns.collect()
}

/// How many of the next projects have something due; the next look starts after them.
async fn next_projects(tx: &mut Tx, now: Timestamp) -> Result<usize> {
    let statement = sql(PROJECTS)
        .bind(tx.round())
        .bind(PROJECTS_MAX)
        .bind(ms(now));
    let rows = tx.rows(statement).await?;
    let mut projects = 0;
    let mut last = Uuid::nil();
    for row in &rows {
        let mut c = Cursor::new(row);
        last = c.take()?;
        projects += usize::from(c.take::<bool>()?);
    }
    let is_whole = i64::try_from(rows.len()).is_ok_and(|visited| visited >= PROJECTS_MAX);
    tx.go_on_from(if is_whole { last } else { Uuid::nil() });
    Ok(projects)
}
