//! What everybody in a world shares: dice, time, the gates, the log and what was found.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::clock::{ProcessClock, WorldTime};
use super::dice::Dice;
use super::faults::Faults;
use super::gate::Gate;
use super::ledger::Ledger;
use super::memory::Memory;
use super::trace::Trace;

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The checker that saw it.
    pub(crate) checker: &'static str,
    /// What it saw.
    pub(crate) what: String,
}

/// A stretch of true time in which a process, or any, could not do what it had to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Excuse {
    /// Which process; all of them where none is named.
    pub(crate) process: Option<usize>,
    /// Its start.
    pub(crate) from: i64,
    /// Its end.
    pub(crate) until: i64,
}

/// The shared state behind its lock.
#[derive(Debug)]
pub(crate) struct State {
    /// Chance.
    pub(crate) dice: Dice,
    /// How much goes wrong.
    pub(crate) faults: Faults,
    /// Whether gates stand open, because the scene is being set.
    pub(crate) open: bool,
    /// Until when the store answers nobody, in true time.
    pub(crate) outage_until: i64,
    /// When what takes long was no engine's fault.
    pub(crate) excuses: Vec<Excuse>,
    /// Gates at which somebody waits, by number.
    pub(crate) gates: BTreeMap<u64, Gate>,
    /// Number of the next gate; also a measure of progress.
    pub(crate) next_gate: u64,
    /// What happened.
    pub(crate) trace: Trace,
    /// What must not be.
    pub(crate) findings: Vec<Finding>,
    /// What people did to heartbeats, as the store confirmed it.
    pub(crate) ledger: Ledger,
    /// What the world outside saw.
    pub(crate) memory: Memory,
}

/// The shared state and the time.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    /// Time.
    pub(crate) time: Arc<WorldTime>,
    state: Arc<Mutex<State>>,
}

impl State {
    /// From now on, for so long, it is not the fault of that process, or of any.
    pub(crate) fn excuse(&mut self, process: Option<usize>, (from, lasts): (i64, i64)) {
        self.excuses.push(Excuse {
            process,
            from,
            until: from + lasts,
        });
    }

    /// How much of a stretch of true time a process may be blamed for.
    pub(crate) fn blamed(&self, process: usize, (from, until): (i64, i64)) -> i64 {
        let own = self
            .excuses
            .iter()
            .filter(|excuse| excuse.process.is_none_or(|of| of == process));
        let excused = own.map(|excuse| (excuse.until.min(until) - excuse.from.max(from)).max(0));
        until - from - excused.sum::<i64>()
    }
}

impl Stage {
    /// A stage for a world that begins at `begin`.
    pub(crate) fn new(dice: Dice, faults: Faults, begin: i64, keep_trace: bool) -> Self {
        let state = State {
            dice,
            faults,
            open: true,
            outage_until: i64::MIN,
            excuses: Vec::new(),
            gates: BTreeMap::new(),
            next_gate: 0,
            trace: Trace::new(keep_trace),
            findings: Vec::new(),
            ledger: Ledger::default(),
            memory: Memory::default(),
        };
        Self {
            time: Arc::new(WorldTime::new(begin)),
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// The state; never held across a wait.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a line of the history.
    pub(crate) fn say(&self, line: &str) {
        let real = self.time.real();
        self.lock().trace.line(real, line);
    }

    /// Writes down what must not be.
    pub(crate) fn find(&self, checker: &'static str, what: impl Into<String>) {
        let what = what.into();
        self.say(&format!("FOUND {checker}: {what}"));
        self.lock().findings.push(Finding { checker, what });
    }

    /// A clock for a process.
    pub(crate) fn clock(&self, off_by: i64) -> Arc<ProcessClock> {
        Arc::new(ProcessClock::new(&self.time, off_by))
    }
}
