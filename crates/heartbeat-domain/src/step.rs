//! One model turn or tool call within an execution, as it is journaled.

use jiff::Timestamp;
use serde_json::Value;

use crate::execution::names;

names! {
    /// What a step is.
    StepKind {
        /// Step 0: the first request, with which a resume or a replay starts.
        Request = "request",
        /// A turn of the model.
        Turn = "turn",
        /// A call of a tool.
        Call = "call",
    }
}

names! {
    /// Where a step is in its life.
    StepState {
        /// Written down; the call may be under way.
        Begun = "begun",
        /// Its result is on record.
        Done = "done",
        /// It failed for good; the reason is on record.
        Failed = "failed",
        /// A turn that was under way when its node died; it is asked again as the next attempt.
        Lost = "lost_turn",
        /// A call that was under way when its node died and may not be repeated.
        Unknown = "outcome_unknown",
    }
}

/// One model turn or tool call.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Place in the execution; the session counts, so a replay gives the same numbers.
    pub seq: u32,
    /// 0, and one more for each death that a turn was lost to.
    pub attempt: u32,
    /// What it is.
    pub kind: StepKind,
    /// Where it is in its life.
    pub state: StepState,
    /// Name of the tool, or of the model.
    pub name: String,
    /// What was asked: a request or the arguments of a call.
    pub intent: Value,
    /// What was answered.
    pub result: Option<Value>,
    /// Waits and further attempts, in words.
    pub notes: Vec<String>,
    /// Stable id of a call's effect.
    pub effect_id: Option<String>,
    /// Tokens of a turn.
    pub tokens: u64,
    /// Micro-credits reserved while it is under way.
    pub micro_reserved: u64,
    /// Micro-credits that it cost.
    pub micro_charged: u64,
    /// Fence of the holder that began it.
    pub fence: i64,
    /// When it was written down.
    pub begun_at: Timestamp,
    /// When its result was written down.
    pub ended_at: Option<Timestamp>,
}
