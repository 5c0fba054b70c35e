//! How far executions have come: the rows that journal verbs read and change when they are decided
//! one after another in memory and written together, whichever database keeps them.
//!
//! A verb checks before it changes anything, so one that is refused leaves nothing behind.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use heartbeat_domain::budget::{Held, Level};
use heartbeat_domain::claim::Hold;
use heartbeat_domain::execution::{Execution, Phase};
use heartbeat_domain::ids::{ExecutionId, ProjectId};
use heartbeat_domain::notice::NoticeDraft;
use heartbeat_domain::plan::Spending;
use heartbeat_domain::step::{Decision, Review, Step, StepKind, StepState};
use heartbeat_domain::tool::Repeat;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::StoreError;
use crate::error::Thing;
use crate::messages::Origin;
use crate::purses::{Move, Purse, Purses};
use crate::rows::{self, Cursor, HeldExecution, int};
use crate::verbs::{Channel, Result};

/// Columns of a step under the alias `s`.
macro_rules! step_columns {
    () => {
        "s.seq, s.attempt, s.kind, s.state, s.name, s.intent, s.result, s.notes, s.effect_id, \
         s.repeat, s.within_ms, s.settles_at, s.late_sent_at, s.decision, s.decided_by, \
         s.decided_at, s.tokens, s.micro_reserved, s.micro_charged, s.fence, s.begun_at, \
         s.ended_at, s.max_tokens, s.micro_input_bound"
    };
}

pub(crate) use step_columns;

/// Whose step a verb is about, and which.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About {
    pub(crate) hold: Hold,
    pub(crate) seq: u32,
    /// Whether it reserves or settles.
    pub(crate) draws: bool,
}

/// An execution that verbs are about.
struct Place {
    held: HeldExecution,
}

/// A step of an execution, and which attempt at it.
type StepKey = (ExecutionId, u32, u32);

/// A step of an execution, as it is to be written.
pub(crate) type StepRow<'k> = (ProjectId, ExecutionId, &'k Kept);

/// Messages that a call makes.
pub(crate) type Told = (Origin, Vec<NoticeDraft>, Vec<Channel>, Timestamp);

/// The rows that journal verbs read and change.
#[derive(Default)]
pub(crate) struct Progress {
    places: HashMap<ExecutionId, Place>,
    /// Latest attempts.
    latest: HashMap<(ExecutionId, u32), Kept>,
    pub(crate) purses: Purses,
    /// Former attempts that ended while a new one began.
    former: BTreeMap<StepKey, Kept>,
    fresh: BTreeSet<StepKey>,
    ended: BTreeSet<StepKey>,
    /// Steps whose fence, notes or place in the effect ledger changed.
    changed: BTreeSet<StepKey>,
    /// Executions of which it changed whether a person has to look at them.
    marked: BTreeMap<ExecutionId, bool>,
    spent: BTreeSet<ExecutionId>,
    pub(crate) told: Vec<Told>,
}

impl Progress {
    /// Puts a row of an execution, whether it has the step, and that on the desk.
    pub(crate) fn put(&mut self, c: &mut Cursor<'_>) -> Result<()> {
        let held = rows::held_execution(c)?;
        let id = held.execution.id;
        if c.take::<bool>()? {
            let kept = read(c)?;
            self.latest.insert((id, kept.step.seq), kept);
        }
        self.places.insert(id, Place { held });
        Ok(())
    }

    /// The purses of those verbs that draw.
    pub(crate) fn purses_of(&self, abouts: &[About]) -> Vec<Purse> {
        let drawing = abouts.iter().filter(|about| about.draws);
        let places = drawing.filter_map(|about| self.places.get(&about.hold.execution_id));
        places
            .map(|place| Purse::of(&place.held.execution))
            .collect()
    }

    /// Puts further steps of an execution on the desk.
    pub(crate) fn lay_out(&mut self, id: ExecutionId, steps: &[Kept]) {
        for kept in steps {
            self.latest.insert((id, kept.step.seq), kept.clone());
        }
    }

    /// The execution, if the hold on it stands.
    pub(crate) fn execution(&self, hold: &Hold) -> Result<Execution> {
        let place = self.places.get(&hold.execution_id);
        let place = place.filter(|place| place.held.execution.project_id == hold.project_id);
        let place = place.ok_or(StoreError::NotFound(Thing::Execution))?;
        standing(place.held.clone(), hold)
    }

    /// The execution, whoever asks.
    pub(crate) fn known(&self, hold: &Hold) -> Result<&Execution> {
        let place = self.places.get(&hold.execution_id);
        let execution = place.map(|place| &place.held.execution);
        execution
            .filter(|execution| execution.project_id == hold.project_id)
            .ok_or(StoreError::NotFound(Thing::Execution))
    }

    /// The latest attempt at a step, if it was begun.
    pub(crate) fn find_step(&self, hold: &Hold, seq: u32) -> Option<&Kept> {
        self.latest.get(&(hold.execution_id, seq))
    }

    /// The latest attempt at a step.
    pub(crate) fn step(&self, hold: &Hold, seq: u32) -> Result<&Kept> {
        let missing = || StoreError::Conflict(format!("step {seq} was not begun"));
        self.find_step(hold, seq).ok_or_else(missing)
    }

    /// The levels that an execution draws on, with the project's limits as they are told.
    pub(crate) fn levels(&self, execution: &Execution, told: Spending) -> Vec<Level> {
        self.purses.levels(&Purse::of(execution), Some(told))
    }

    /// Keeps the project's limits, for those who settle.
    pub(crate) fn remember(&mut self, execution: &Execution, told: Spending) {
        self.purses.remember(&Purse::of(execution), told);
    }

    /// Adds a step, or a further attempt at one.
    pub(crate) fn begin(&mut self, hold: &Hold, kept: Kept) {
        let at = (hold.execution_id, kept.step.seq);
        self.fresh.insert((at.0, at.1, kept.step.attempt));
        if let Some(former) = self.latest.insert(at, kept) {
            self.former
                .insert((at.0, at.1, former.step.attempt), former);
        }
    }

    /// Changes a step that was begun so that it has ended.
    pub(crate) fn end(&mut self, hold: &Hold, seq: u32, change: impl FnOnce(&mut Kept)) {
        if let Some(kept) = self.latest.get_mut(&(hold.execution_id, seq)) {
            change(kept);
            self.ended
                .insert((hold.execution_id, seq, kept.step.attempt));
        }
    }

    /// Changes a step's fence, notes or place in the effect ledger.
    pub(crate) fn change(&mut self, hold: &Hold, seq: u32, change: impl FnOnce(&mut Kept)) {
        if let Some(kept) = self.latest.get_mut(&(hold.execution_id, seq)) {
            change(kept);
            self.changed
                .insert((hold.execution_id, seq, kept.step.attempt));
        }
    }

    /// Looks, among all steps that are on the desk, whether a person has to look at the execution.
    pub(crate) fn mark(&mut self, hold: &Hold) {
        let mut latest = self.latest.iter();
        let needs_review =
            latest.any(|((id, _), kept)| *id == hold.execution_id && kept.step.needs_review());
        self.marked.insert(hold.execution_id, needs_review);
    }

    /// Changes what an execution has spent and reserved, and draws what that changes of budgets.
    pub(crate) fn spend(&mut self, hold: &Hold, after: Held, tokens: u64) {
        let Some(place) = self.places.get_mut(&hold.execution_id) else {
            return;
        };
        let execution = &mut place.held.execution;
        let more = int(after.credits()) - int(execution.held.credits());
        execution.held = after;
        execution.tokens_used = execution.tokens_used.saturating_add(tokens);
        let moves = Move {
            held: more,
            ..Move::default()
        };
        self.purses.draw(&Purse::of(execution), moves);
        self.spent.insert(hold.execution_id);
    }

    /// Adds messages.
    pub(crate) fn tell(
        &mut self,
        execution: &Execution,
        (notices, channels): (&[NoticeDraft], &[Channel]),
        now: Timestamp,
    ) {
        if !notices.is_empty() {
            let origin = Origin::of_execution(execution);
            self.told
                .push((origin, notices.to_vec(), channels.to_vec(), now));
        }
    }

    fn row(&self, &(id, seq, attempt): &StepKey) -> Option<StepRow<'_>> {
        let latest = self.latest.get(&(id, seq));
        let latest = latest.filter(|kept| kept.step.attempt == attempt);
        let kept = latest.or_else(|| self.former.get(&(id, seq, attempt)))?;
        let project_id = self.places.get(&id)?.held.execution.project_id;
        Some((project_id, id, kept))
    }

    /// Steps that are new.
    pub(crate) fn fresh(&self) -> Vec<StepRow<'_>> {
        self.fresh.iter().filter_map(|key| self.row(key)).collect()
    }

    /// Steps that were begun before and have ended.
    pub(crate) fn ended(&self) -> Vec<StepRow<'_>> {
        let ended = self.ended.difference(&self.fresh);
        ended.filter_map(|key| self.row(key)).collect()
    }

    /// Steps of which more changed than their end.
    pub(crate) fn changed(&self) -> Vec<StepRow<'_>> {
        let changed = self.changed.difference(&self.fresh);
        changed.filter_map(|key| self.row(key)).collect()
    }

    /// Executions of which it changed whether a person has to look at them.
    pub(crate) fn marked(&self) -> Vec<(&Execution, bool)> {
        let marked = self.marked.iter().filter_map(|(id, needs_review)| {
            let place = self.places.get(id)?;
            Some((&place.held.execution, *needs_review))
        });
        marked.collect()
    }

    /// Executions that spent or reserved.
    pub(crate) fn spent(&self) -> Vec<&Execution> {
        let spent = self.spent.iter().filter_map(|id| self.places.get(id));
        spent.map(|place| &place.held.execution).collect()
    }
}

/// The execution if `hold` is its current hold.
pub(crate) fn standing(held: HeldExecution, hold: &Hold) -> Result<Execution> {
    let stands = held.holder == Some(hold.node_id)
        && held.execution.fence == hold.fence
        && held.execution.phase == Phase::Running;
    if stands {
        Ok(held.execution)
    } else {
        Err(StoreError::Fenced)
    }
}

/// A step and what only the store needs of it.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) step: Step,
    /// What a turn was allowed.
    pub(crate) max_tokens: u32,
    /// What a turn costs if its answer is lost.
    pub(crate) micro_input_bound: u64,
}

impl Kept {
    /// A first attempt that is about to be made.
    pub(crate) fn begun(
        seq: u32,
        kind: StepKind,
        (name, intent): (String, Value),
        (hold, now): (&Hold, Timestamp),
    ) -> Self {
        let step = Step {
            seq,
            attempt: 0,
            kind,
            state: StepState::Begun,
            name,
            intent,
            result: None,
            notes: Vec::new(),
            effect_id: None,
            repeat: None,
            within: None,
            settles_at: None,
            late_sent_at: None,
            review: None,
            tokens: 0,
            micro_reserved: 0,
            micro_charged: 0,
            fence: hold.fence,
            begun_at: now,
            ended_at: None,
        };
        Self {
            step,
            max_tokens: 0,
            micro_input_bound: 0,
        }
    }

    /// Ends it; what it had reserved is free.
    pub(crate) fn end(&mut self, state: StepState, result: Option<Value>, now: Timestamp) {
        self.step.state = state;
        self.step.result = result;
        self.step.micro_reserved = 0;
        self.step.ended_at = Some(now);
    }

    /// Whether a holder before `hold` left it under way.
    pub(crate) fn was_left_by_one_before(&self, hold: &Hold) -> bool {
        self.step.state == StepState::Begun && self.step.fence < hold.fence
    }
}

/// Reads [`step_columns`] from the cursor on.
pub(crate) fn read(c: &mut Cursor<'_>) -> Result<Kept> {
    let step = Step {
        seq: c.small()?,
        attempt: c.small()?,
        kind: c.name(StepKind::find)?,
        state: c.name(StepState::find)?,
        name: c.take()?,
        intent: c.find_json()?.unwrap_or(Value::Null),
        result: c.find_json()?,
        notes: c.find_json()?.unwrap_or_default(),
        effect_id: c.take()?,
        repeat: c.find_name(Repeat::find)?,
        within: c.take::<Option<i64>>()?.map(SignedDuration::from_millis),
        settles_at: c.find_time()?,
        late_sent_at: c.find_time()?,
        review: reviewed(c)?,
        tokens: c.count()?,
        micro_reserved: c.count()?,
        micro_charged: c.count()?,
        fence: c.take()?,
        begun_at: c.time()?,
        ended_at: c.find_time()?,
    };
    Ok(Kept {
        step,
        max_tokens: c.small()?,
        micro_input_bound: c.count()?,
    })
}

fn reviewed(c: &mut Cursor<'_>) -> Result<Option<Review>> {
    let decision = c.find_name(Decision::find)?;
    let (by, at) = (c.take::<Option<String>>()?, c.find_time()?);
    Ok(decision
        .zip(by)
        .zip(at)
        .map(|((decision, by), at)| Review { decision, by, at }))
}
