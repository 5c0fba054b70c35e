//! The journal of an execution: what was asked of the world and what it answered.

use async_trait::async_trait;
use heartbeat_domain::budget::{Ask, Rates, Scope};
use heartbeat_domain::claim::Hold;
use heartbeat_domain::ids::{ExecutionId, ProjectId};
use heartbeat_domain::notice::NoticeDraft;
use heartbeat_domain::reason::Reason;
use heartbeat_domain::step::Step;
use jiff::Timestamp;
use serde_json::Value;

use super::{Channel, Result};

/// A model turn that is about to be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct TurnIntent {
    /// Place in the execution.
    pub seq: u32,
    /// Name of the model.
    pub model: String,
    /// What is kept of the request: what was added since the turn before.
    pub request: Value,
    /// Its worst case.
    pub ask: Ask,
    /// The model's rates.
    pub rates: Rates,
    /// The project's limit for a UTC day.
    pub daily_credit_limit: Option<u64>,
}

/// Whether an intent is durable and the call may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Make it, with this `max_tokens` at most.
    Go {
        /// Possibly lowered to fit the budget.
        max_tokens: u32,
    },
    /// Only other executions' reservations are in the way.
    Busy(Scope),
    /// It does not fit the budget.
    Exhausted(Scope),
    /// The execution was asked to stop.
    Cancelled(Reason),
}

/// A tool call that is about to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct CallIntent {
    /// Place in the execution.
    pub seq: u32,
    /// Name of the tool.
    pub tool: String,
    /// The call, as the model asked for it.
    pub call: Value,
    /// Stable id of its effect.
    pub effect_id: String,
}

/// The outcome of a turn.
#[derive(Clone, Debug, PartialEq)]
pub struct TurnRecord {
    /// Place in the execution.
    pub seq: u32,
    /// The answer, or what is known of the failure.
    pub result: Value,
    /// Whether it failed for good.
    pub failed: bool,
    /// Tokens used.
    pub tokens: u64,
    /// What they cost, in micro-credits; may exceed the reservation.
    pub micro: u64,
}

/// The journal. Every writing verb is fenced: `Fenced` unless `hold` is the current one and the
/// execution is open.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Writes step 0 down, or answers what is on record for it.
    async fn open_journal(&self, hold: &Hold, request: &Value, now: Timestamp) -> Result<Value>;

    /// Replays for a new holder: turns of former holders that were under way become `lost_turn`,
    /// their reservations settled at their input bound; everything on record is answered in order.
    /// Idempotent.
    async fn take_over(&self, hold: &Hold, now: Timestamp) -> Result<Vec<Step>>;

    /// Writes a turn's intent down and reserves its worst case on every level of budget, in one
    /// transaction; or refuses and writes nothing. Idempotent under (execution, seq, fence).
    async fn begin_turn(&self, hold: &Hold, intent: &TurnIntent, now: Timestamp) -> Result<Intent>;

    /// Writes a turn's outcome down and settles its reservation. A repeat changes nothing.
    async fn record_turn(&self, hold: &Hold, record: &TurnRecord, now: Timestamp) -> Result<()>;

    /// Writes down the calls of one turn together. Answers `Go` or `Cancelled`. Idempotent.
    async fn begin_calls(
        &self,
        hold: &Hold,
        calls: &[CallIntent],
        now: Timestamp,
    ) -> Result<Intent>;

    /// Writes a call's result down, and the notices that it makes, with a delivery for each of
    /// `channels`: exactly once, whatever is repeated.
    async fn record_call(
        &self,
        hold: &Hold,
        (seq, result): (u32, &Value),
        (notices, channels): (&[NoticeDraft], &[Channel]),
        now: Timestamp,
    ) -> Result<()>;

    /// Adds a line to a step's notes.
    async fn note_step(&self, hold: &Hold, seq: u32, note: &str) -> Result<()>;

    /// All steps of an execution, in order. Whoever reads them is not fenced.
    async fn steps(&self, project_id: ProjectId, id: ExecutionId) -> Result<Vec<Step>>;
}
