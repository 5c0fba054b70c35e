//! The rows that several endings read and change, settled one after another, whichever database
//! keeps them.

use std::collections::{BTreeMap, HashMap};

use heartbeat_domain::budget::{Held, Level};
use heartbeat_domain::claim::Hold;
use heartbeat_domain::execution::{Ending, Execution, Phase};
use heartbeat_domain::heartbeat::Heartbeat;
use heartbeat_domain::ids::ExecutionId;
use heartbeat_domain::settlement::{Owner, Settlement, settle};
use jiff::Timestamp;

use crate::StoreError;
use crate::counting::Rollups;
use crate::entries::{self, Standstill};
use crate::error::Thing;
use crate::purses::{Limits, Purse, Purses};
use crate::rows::{self, Cursor, HeldExecution, int};
use crate::schedules::Schedules;
use crate::turns::Key;
use crate::verbs::{Channel, Result};

/// What [`crate::verbs::Fires::finish`] was asked.
#[derive(Clone, Debug)]
pub(crate) struct FinishAsk {
    pub(crate) hold: Hold,
    pub(crate) ending: Ending,
    pub(crate) channels: Vec<Channel>,
    pub(crate) now: Timestamp,
}

/// The rows that several endings read and change.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) executions: HashMap<ExecutionId, HeldExecution>,
    pub(crate) heartbeats: HashMap<Key, Heartbeat>,
    /// Heartbeats that cannot be read, with what is wrong.
    pub(crate) unreadable: HashMap<ExecutionId, StoreError>,
    pub(crate) ended: HashMap<ExecutionId, Settlement>,
    pub(crate) changed: Vec<Key>,
    pub(crate) rollups: Rollups,
    pub(crate) standstills: Vec<Standstill>,
    pub(crate) purses: Purses,
}

impl Desk {
    /// Puts a row of an execution, whether it has a heartbeat, and that on the desk.
    pub(crate) fn put(&mut self, c: &mut Cursor<'_>) -> Result<()> {
        let held = rows::held_execution(c)?;
        let id = held.execution.id;
        self.executions.insert(id, held);
        if !c.take::<bool>()? {
            return Ok(());
        }
        match rows::heartbeat(c) {
            Ok(heartbeat) => {
                self.heartbeats
                    .insert((heartbeat.project_id, heartbeat.id), heartbeat);
            }
            Err(error) => {
                self.unreadable.insert(id, error);
            }
        }
        Ok(())
    }

    /// The purses of executions that hold something.
    pub(crate) fn purses_to_load(&self) -> Vec<Purse> {
        let executions = self.executions.values().map(|held| &held.execution);
        let holding = executions.filter(|execution| execution.held != Held::default());
        holding.map(Purse::of).collect()
    }

    /// The levels that an ending is settled against; none where it drew nothing.
    pub(crate) fn levels(&self, execution: &Execution) -> Vec<Level> {
        if execution.held.spent == 0 {
            return Vec::new();
        }
        let heartbeat = self.heartbeat_of(execution);
        let limits = Limits {
            heartbeat: heartbeat.and_then(|heartbeat| heartbeat.settings.credit_budget),
            day: None,
        };
        self.purses.levels(&Purse::of(execution), limits).to_vec()
    }

    /// Turns what an execution held into what it drew.
    pub(crate) fn charge(&mut self, execution: &Execution, credits: u64) {
        let held = execution.held.credits();
        if held > 0 {
            self.purses.draw(&Purse::of(execution), credits, -int(held));
        }
    }

    /// Keeps what an ending came to, for a repeat of it.
    pub(crate) fn keep(&mut self, hold: &Hold, settlement: &Settlement) {
        let held = self
            .executions
            .get_mut(&hold.execution_id)
            .expect("`check` found it");
        held.ended_by = Some(hold.node_id);
        held.execution = settlement.execution.clone();
        self.ended.insert(hold.execution_id, settlement.clone());
    }

    /// Heartbeats that changed, in the order of their keys.
    pub(crate) fn changed(&self) -> Vec<Heartbeat> {
        let changed: BTreeMap<Key, ()> = self.changed.iter().map(|key| (*key, ())).collect();
        changed
            .keys()
            .filter_map(|key| self.heartbeats.get(key).cloned())
            .collect()
    }

    /// The heartbeat of an execution, as it is after what was settled before.
    pub(crate) fn heartbeat_of(&self, execution: &Execution) -> Option<&Heartbeat> {
        let id = execution.heartbeat_id?;
        self.heartbeats.get(&(execution.project_id, id))
    }

    /// Keeps a changed heartbeat.
    pub(crate) fn replace(&mut self, after: Heartbeat, now: Timestamp) {
        let key = (after.project_id, after.id);
        if let Some(before) = self.heartbeats.get(&key) {
            self.standstills
                .extend(Standstill::between(before, &after, now));
        }
        self.changed.push(key);
        self.heartbeats.insert(key, after);
    }
}

/// Settles; a heartbeat whose schedule has become unreadable pauses.
pub(crate) fn settle_on(
    schedules: &Schedules,
    heartbeat: Option<&Heartbeat>,
    execution: &Execution,
    (ask, levels): (&FinishAsk, &[Level]),
    now: Timestamp,
) -> Settlement {
    let ending = ask.ending.clone();
    let Some(heartbeat) = heartbeat else {
        return settle(execution, None, ending, now);
    };
    match schedules.of(heartbeat) {
        Ok(schedule) => {
            let owner = Owner {
                heartbeat,
                schedule: &schedule,
                levels,
            };
            settle(execution, Some(owner), ending, now)
        }
        Err(error) => {
            tracing::error!(heartbeat.id = %heartbeat.id, %error, "a heartbeat had to pause");
            let mut settlement = settle(execution, None, ending, now);
            settlement.heartbeat = Some(entries::broken(heartbeat, now));
            settlement
        }
    }
}

/// Whether the hold stands; the first answer if this is a repeat.
pub(crate) fn check(desk: &Desk, ask: &FinishAsk) -> Result<Option<Settlement>> {
    let hold = &ask.hold;
    let held = desk.executions.get(&hold.execution_id);
    let held = held
        .filter(|held| held.execution.project_id == hold.project_id)
        .ok_or(StoreError::NotFound(Thing::Execution))?;
    if held.execution.fence != hold.fence {
        return Err(StoreError::Fenced);
    }
    if held.ended_by == Some(hold.node_id) {
        let again = desk.ended.get(&hold.execution_id).cloned();
        return Ok(Some(
            again.unwrap_or_else(|| equivalent(desk, &held.execution)),
        ));
    }
    if held.holder != Some(hold.node_id) || held.execution.phase != Phase::Running {
        return Err(StoreError::Fenced);
    }
    match desk.unreadable.get(&hold.execution_id) {
        Some(error) => Err(error.clone()),
        None => Ok(None),
    }
}

fn equivalent(desk: &Desk, execution: &Execution) -> Settlement {
    let key = execution.heartbeat_id.map(|id| (execution.project_id, id));
    Settlement {
        execution: execution.clone(),
        heartbeat: key.and_then(|key| desk.heartbeats.get(&key).cloned()),
        skipped: Vec::new(),
        notices: Vec::new(),
    }
}
