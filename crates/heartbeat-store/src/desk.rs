//! The rows that several endings read and change, settled one after another, whichever database
//! keeps them.

use std::collections::{BTreeMap, HashMap};

use heartbeat_domain::budget::{Held, Level};
use heartbeat_domain::claim::Hold;
use heartbeat_domain::execution::{Ending, Execution, Phase};
use heartbeat_domain::heartbeat::Heartbeat;
use heartbeat_domain::ids::ExecutionId;
use heartbeat_domain::reason::Reason;
use heartbeat_domain::settlement::{Owner, Settlement, settle};
use jiff::Timestamp;

use crate::StoreError;
use crate::counting::Rollups;
use crate::entries::{self, Standstill};
use crate::error::Thing;
use crate::purses::{Move, Purse, Purses};
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

    /// The purses of executions that hold or used something, or that a budget refused.
    pub(crate) fn purses_to_load(&self, asks: &[&FinishAsk]) -> Vec<Purse> {
        let executions = asks.iter().filter_map(|ask| {
            let held = self.executions.get(&ask.hold.execution_id)?;
            let execution = &held.execution;
            let used = execution.held != Held::default() || execution.tokens_used > 0;
            (used || is_refused(&ask.ending)).then_some(execution)
        });
        executions.map(Purse::of).collect()
    }

    /// The levels that an ending is settled against; none where it drew nothing and no budget
    /// refused it.
    pub(crate) fn levels(&self, execution: &Execution, ending: &Ending) -> Vec<Level> {
        if execution.held.spent == 0 && !is_refused(ending) {
            return Vec::new();
        }
        self.purses.levels(&Purse::of(execution), None)
    }

    /// Turns what an execution held into what it drew.
    pub(crate) fn charge(&mut self, execution: &Execution, credits: u64) {
        let moves = Move {
            used: credits,
            held: -int(execution.held.credits()),
            tokens: execution.tokens_used,
        };
        self.purses.draw(&Purse::of(execution), moves);
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

/// Whether a budget had no room for it.
fn is_refused(ending: &Ending) -> bool {
    matches!(
        ending.outcome.reason(),
        Some(Reason::BudgetExhausted | Reason::CreditsExhausted)
    )
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
