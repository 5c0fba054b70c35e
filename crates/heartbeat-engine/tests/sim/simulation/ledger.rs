//! What people and breakers did to heartbeats, as the store confirmed it: the grids that their due
//! moments lie on. Kept beside the store, so that its own columns can be held against it.

use std::collections::BTreeMap;

use heartbeat_domain::heartbeat::{Heartbeat, ScheduleFields};
use heartbeat_domain::ids::{BotId, HeartbeatId, ProjectId};
use heartbeat_domain::plan::Spending;
use heartbeat_domain::watch::{Baseline, Watch};
use heartbeat_store::verbs::HeartbeatKey;
use jiff::{SignedDuration, Timestamp};

/// A stretch of time on one grid of one schedule.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    /// The schedule.
    pub(crate) fields: ScheduleFields,
    /// When it started.
    pub(crate) since: Timestamp,
    /// When it ended, if it has.
    pub(crate) until: Option<Timestamp>,
}

/// One heartbeat.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its key.
    pub(crate) key: HeartbeatKey,
    /// Whether somebody wants it to run.
    pub(crate) enabled: bool,
    /// Whether it is gone.
    pub(crate) deleted: bool,
    /// Its schedule now.
    pub(crate) fields: ScheduleFields,
    /// All its grids.
    pub(crate) grids: Vec<Grid>,
    /// When its last run began that was not skipped.
    pub(crate) ran_at: Option<Timestamp>,
    /// Errors in a row.
    pub(crate) errors: u32,
    /// Errors in a row that open its breaker.
    pub(crate) errors_max: u32,
    /// Since when its breaker was last seen open.
    pub(crate) breaker_since: Option<Timestamp>,
    /// Its watch.
    pub(crate) watch: Option<Watch>,
    /// What its watch last told about.
    pub(crate) baseline: Option<Baseline>,
    /// The highest budget that it ever had; `None` is unlimited.
    pub(crate) budget_max: Option<u64>,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// Heartbeats.
    pub(crate) entries: BTreeMap<HeartbeatId, Entry>,
    /// Whose prompt that is, or was.
    pub(crate) prompts: BTreeMap<String, HeartbeatId>,
    /// The highest limits that a project ever had.
    pub(crate) spending_max: BTreeMap<ProjectId, Spending>,
}

impl Ledger {
    /// The store confirmed a configure, an enable or a disable.
    pub(crate) fn changed(&mut self, after: &Heartbeat, now: Timestamp) {
        self.prompts.insert(after.settings.prompt.clone(), after.id);
        let entry = self
            .entries
            .entry(after.id)
            .or_insert_with(|| Entry::new(after));
        entry.change(after, now);
    }

    /// The store confirmed an enable: errors are forgiven.
    pub(crate) fn enabled(&mut self, id: HeartbeatId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.errors = 0;
        }
    }

    /// The store confirmed that it is gone.
    pub(crate) fn deleted(&mut self, id: HeartbeatId, now: Timestamp) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.close(now);
            entry.enabled = false;
            entry.deleted = true;
        }
    }

    /// The store confirmed that an agent is gone with everything that is its.
    pub(crate) fn bot_deleted(&mut self, bot: BotId, now: Timestamp) {
        let its = self
            .entries
            .values()
            .filter(|entry| entry.key.bot_id == bot && !entry.deleted);
        let ids: Vec<_> = its.map(|entry| entry.key.id).collect();
        for id in ids {
            self.deleted(id, now);
        }
    }

    /// A project has those limits from now on.
    pub(crate) fn limited(&mut self, project: ProjectId, now: Spending) {
        let most = self.spending_max.entry(project).or_insert(now);
        most.daily = highest(most.daily, now.daily);
        most.monthly = highest(most.monthly, now.monthly);
    }
}

fn highest(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    Some(one?.max(other?))
}

impl Entry {
    fn new(after: &Heartbeat) -> Self {
        Self {
            key: HeartbeatKey {
                project_id: after.project_id,
                bot_id: after.bot_id,
                id: after.id,
            },
            enabled: false,
            deleted: false,
            fields: after.settings.schedule.clone(),
            grids: Vec::new(),
            ran_at: None,
            errors: 0,
            errors_max: after.settings.max_consecutive_errors,
            breaker_since: None,
            watch: after.settings.watch.clone(),
            baseline: None,
            budget_max: after.settings.credit_budget,
        }
    }

    fn change(&mut self, after: &Heartbeat, now: Timestamp) {
        let other_grid = self.fields != after.settings.schedule;
        let starts = after.enabled && (!self.enabled || other_grid);
        let since = if starts { self.not_yet_lived(now) } else { now };
        if self.enabled && (!after.enabled || other_grid) {
            self.close(since);
        }
        self.enabled = after.enabled;
        self.fields = after.settings.schedule.clone();
        self.errors_max = after.settings.max_consecutive_errors;
        self.budget_max = highest(self.budget_max, after.settings.credit_budget);
        if self.watch != after.settings.watch {
            self.watch.clone_from(&after.settings.watch);
            self.baseline = None;
        }
        if starts {
            self.grids.push(Grid {
                fields: self.fields.clone(),
                since,
                until: None,
            });
        }
    }

    /// Where the clock was turned back by an hour or less, a new grid begins after its last run.
    fn not_yet_lived(&self, now: Timestamp) -> Timestamp {
        let hour = SignedDuration::from_hours(1);
        let ran = self.ran_at.filter(|ran| *ran > now && *ran <= now + hour);
        ran.unwrap_or(now)
    }

    /// Its grid ended.
    pub(crate) fn close(&mut self, now: Timestamp) {
        if let Some(grid) = self.grids.last_mut()
            && grid.until.is_none()
        {
            grid.until = Some(now);
        }
    }
}
