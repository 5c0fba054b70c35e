//! Steps as rows and where a holder stands among them, whichever database keeps them.

use heartbeat_domain::claim::Hold;
use heartbeat_domain::execution::{Execution, Phase};
use heartbeat_domain::step::{Step, StepKind, StepState};
use jiff::Timestamp;
use serde_json::Value;

use crate::StoreError;
use crate::rows::{Cursor, HeldExecution};
use crate::verbs::Result;

/// A step and what only the store needs of it.
pub(crate) struct Kept {
    pub(crate) step: Step,
    pub(crate) max_tokens: u32,
    pub(crate) micro_input_bound: u64,
}

/// Reads a step from the cursor on.
pub(crate) fn kept(c: &mut Cursor<'_>) -> Result<Kept> {
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

/// Where a holder stands: its execution, and the step that it is at.
pub(crate) struct Place {
    pub(crate) execution: Execution,
    pub(crate) credit_budget: Option<u64>,
    pub(crate) kept: Option<Kept>,
}

impl Place {
    /// The execution and what is on record of a step of it.
    pub(crate) fn on_record(self, seq: u32) -> Result<(Execution, Kept)> {
        let missing = || StoreError::Conflict(format!("step {seq} was not begun"));
        Ok((self.execution, self.kept.ok_or_else(missing)?))
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

/// A step that begins.
pub(crate) fn begun(
    seq: u32,
    kind: StepKind,
    (name, intent): (String, Value),
    (hold, now): (&Hold, Timestamp),
) -> Step {
    Step {
        seq,
        attempt: 0,
        kind,
        state: StepState::Begun,
        name,
        intent,
        result: None,
        notes: Vec::new(),
        effect_id: None,
        tokens: 0,
        micro_reserved: 0,
        micro_charged: 0,
        fence: hold.fence,
        begun_at: now,
        ended_at: None,
    }
}

/// How a step ends.
pub(crate) struct Ends {
    pub(crate) state: StepState,
    pub(crate) result: Option<Value>,
    pub(crate) tokens: u64,
    pub(crate) micro: u64,
}
