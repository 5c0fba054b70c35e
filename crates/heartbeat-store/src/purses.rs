//! Levels of budget that verbs which are written together draw on, whichever database keeps them.
//!
//! The period of an execution is that of its start, so it does not change while it runs. The levels
//! are read once, drawn on in memory, and written once each, by a transaction that nobody else can
//! come between.

use std::collections::{BTreeMap, BTreeSet};

use heartbeat_domain::budget::{Level, Scope};
use heartbeat_domain::execution::Execution;
use heartbeat_domain::heartbeat::{billing_period, utc_day};
use heartbeat_domain::ids::{HeartbeatId, ProjectId};
use jiff::Timestamp;
use uuid::Uuid;

use crate::rows::Cursor;
use crate::verbs::Result;

/// One level of one period: project, scope, what within it, period.
pub(crate) type LevelKey = (Uuid, Scope, Uuid, i64);

/// The budgets that an execution draws on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purse {
    project_id: ProjectId,
    heartbeat: Uuid,
    month: i64,
    day: i64,
}

impl Purse {
    /// Of a heartbeat's execution that started then.
    pub(crate) fn new(
        project_id: ProjectId,
        heartbeat: Option<HeartbeatId>,
        started_at: Timestamp,
    ) -> Self {
        Self {
            project_id,
            heartbeat: heartbeat.map_or(Uuid::nil(), |id| id.0),
            month: i64::from(billing_period(started_at)),
            day: i64::from(utc_day(started_at)),
        }
    }

    /// Of an execution.
    pub(crate) fn of(execution: &Execution) -> Self {
        let started_at = execution.started_at.unwrap_or(execution.created_at);
        Self::new(execution.project_id, execution.heartbeat_id, started_at)
    }

    /// Its levels, from the narrowest.
    fn keys(&self) -> [LevelKey; 2] {
        let project = self.project_id.0;
        [
            (project, Scope::Heartbeat, self.heartbeat, self.month),
            (project, Scope::ProjectDay, project, self.day),
        ]
    }
}

/// Limits that whoever draws brings along, because they stand elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// `credit_budget` of the heartbeat.
    pub(crate) heartbeat: Option<u64>,
    /// The project's limit for the day where it is told; otherwise as it was last seen.
    pub(crate) day: Option<Option<u64>>,
}

/// One level as it is kept.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LevelRow {
    pub(crate) limit: Option<u64>,
    pub(crate) used: u64,
    pub(crate) held: u64,
}

/// Levels that are read once and drawn on in memory until they are written.
#[derive(Debug, Default)]
pub(crate) struct Purses {
    levels: BTreeMap<LevelKey, LevelRow>,
    drawn: BTreeSet<LevelKey>,
}

impl Purses {
    /// Those purses, empty; what is kept of [`Purses::keys`] is to be put in.
    pub(crate) fn of(purses: &[Purse]) -> Self {
        let empty = purses.iter().flat_map(Purse::keys);
        Self {
            levels: empty.map(|key| (key, LevelRow::default())).collect(),
            drawn: BTreeSet::new(),
        }
    }

    /// Whose rows are to be read, each once, in the order of the table's key.
    pub(crate) fn keys(&self) -> Vec<LevelKey> {
        self.levels.keys().copied().collect()
    }

    /// Puts a row in: key, limit, used, held.
    pub(crate) fn put(&mut self, c: &mut Cursor<'_>) -> Result<()> {
        let (project, scope) = (c.take()?, c.name(Scope::find)?);
        let key = (project, scope, c.take()?, c.take()?);
        let row = LevelRow {
            limit: c.find_count()?,
            used: c.count()?,
            held: c.count()?,
        };
        self.levels.insert(key, row);
        Ok(())
    }

    /// What the levels of a purse have drawn and hold, from the narrowest.
    pub(crate) fn levels(&self, purse: &Purse, limits: Limits) -> [Level; 2] {
        purse.keys().map(|key| {
            let kept = self.levels.get(&key).copied().unwrap_or_default();
            let limit = match key.1 {
                Scope::Heartbeat => limits.heartbeat,
                Scope::ProjectDay => limits.day.unwrap_or(kept.limit),
            };
            Level {
                scope: key.1,
                limit,
                used: kept.used,
                held: kept.held,
            }
        })
    }

    /// Adds to what all levels of a purse have drawn and hold.
    pub(crate) fn draw(&mut self, purse: &Purse, used: u64, held: i64) {
        if used == 0 && held == 0 {
            return;
        }
        for key in purse.keys() {
            let kept = self.levels.entry(key).or_default();
            kept.used = kept.used.saturating_add(used);
            kept.held = kept.held.saturating_add_signed(held);
            self.drawn.insert(key);
        }
    }

    /// Keeps the limit of the day, for those who settle without knowing the plan.
    pub(crate) fn remember(&mut self, purse: &Purse, day_limit: Option<u64>) {
        let [_, day] = purse.keys();
        let kept = self.levels.entry(day).or_default();
        if kept.limit != day_limit {
            kept.limit = day_limit;
            self.drawn.insert(day);
        }
    }

    /// What was drawn on, as it is to be kept.
    pub(crate) fn drawn(&self) -> Vec<(LevelKey, LevelRow)> {
        let drawn = self.drawn.iter();
        drawn
            .filter_map(|key| Some((*key, *self.levels.get(key)?)))
            .collect()
    }
}
