//! The journal of an execution: what was asked of the world and what it answered.

use async_trait::async_trait;
use heartbeat_domain::budget::{Ask, Rates, Scope};
use heartbeat_domain::claim::Hold;
use heartbeat_domain::ids::{ExecutionId, ProjectId};
use heartbeat_domain::notice::NoticeDraft;
use heartbeat_domain::plan::Spending;
use heartbeat_domain::reason::Reason;
use heartbeat_domain::step::{Decision, Step};
use heartbeat_domain::tool::Repeat;
use jiff::{SignedDuration, Timestamp};
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
    /// What the project's plan lets it spend.
    pub spending: Spending,
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
    /// What may be done about it if its answer is lost.
    pub repeat: Repeat,
    /// Longest time from its first byte to its end.
    pub within: SignedDuration,
}

/// The outcome of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRecord {
    /// Place in the execution.
    pub seq: u32,
    /// What the model is told.
    pub result: Value,
    /// Whether it was sent and no answer is known.
    pub unknown: bool,
}

/// A person's word on a call whose outcome is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewAsk {
    /// The execution.
    pub execution_id: ExecutionId,
    /// Place in the execution.
    pub seq: u32,
    /// The word.
    pub decision: Decision,
    /// Who gives it.
    pub by: String,
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
    /// How people are told if it does.
    pub channels: Vec<Channel>,
}

/// The journal. Every writing verb is fenced: `Fenced` unless `hold` is the current one and the
/// execution is open. Two are not, and say so: [`Journal::late_send`] and [`Journal::review`].
#[async_trait]
pub trait Journal: Send + Sync {
    /// Writes step 0 down, or answers what is on record for it.
    async fn open_journal(&self, hold: &Hold, request: &Value, now: Timestamp) -> Result<Value>;

    /// Replays for a new holder: turns of former holders that were under way become `lost_turn`,
    /// their reservations settled at their input bound; everything on record is answered in order.
    ///
    /// Calls of former holders that were under way get `settles_at`, `now` and the call's `within`,
    /// unless they have it already: a former lease has ended by `now`, so none of their bytes is
    /// on its way after that. Those that may never be repeated become `outcome_unknown`, with the
    /// words for the model as their result, and the execution `needs_review`, in the same
    /// transaction; the others stay `begun`. Idempotent.
    async fn take_over(&self, hold: &Hold, now: Timestamp) -> Result<Vec<Step>>;

    /// Writes a turn's intent down and reserves its worst case on every level of budget, in one
    /// transaction; or refuses and writes nothing. `max_tokens` is lowered as far as 256 before it
    /// refuses; `Busy` only if the holds of others are in the way. Idempotent under (execution, seq,
    /// fence).
    async fn begin_turn(&self, hold: &Hold, intent: &TurnIntent, now: Timestamp) -> Result<Intent>;

    /// Writes a turn's outcome down and settles its reservation. What it cost beyond that is charged
    /// in full, and told in the same transaction. A repeat changes nothing.
    async fn record_turn(&self, hold: &Hold, record: &TurnRecord, now: Timestamp) -> Result<()>;

    /// Gives up a turn that is under way because its execution is to stop: it becomes `lost_turn`,
    /// settled at its input bound, as one whose node died. A turn that has ended, or that this hold
    /// did not begin, stays as it is. A repeat changes nothing.
    async fn lose_turn(&self, hold: &Hold, seq: u32, now: Timestamp) -> Result<()>;

    /// Writes down the calls of one turn together. Answers `Go` or `Cancelled`. Idempotent under
    /// (execution, seq, fence).
    ///
    /// A call of a former holder that is still `begun` becomes this holder's: it keeps its effect
    /// id, class and arguments, its `settles_at` goes and a line in its notes says that it is made
    /// again. `Conflict` if it may never be repeated. Calls that have ended stay as they are.
    async fn begin_calls(
        &self,
        hold: &Hold,
        calls: &[CallIntent],
        now: Timestamp,
    ) -> Result<Intent>;

    /// Writes a call's result down, and the notices that it makes, with a delivery for each of
    /// `channels`: exactly once, whatever is repeated. One whose outcome is unknown becomes
    /// `outcome_unknown` and the execution `needs_review`, in the same transaction.
    async fn record_call(
        &self,
        hold: &Hold,
        record: &CallRecord,
        (notices, channels): (&[NoticeDraft], &[Channel]),
        now: Timestamp,
    ) -> Result<()>;

    /// Adds a line to a step's notes.
    async fn note_step(&self, hold: &Hold, seq: u32, note: &str) -> Result<()>;

    /// Writes down that `hold`, which found out afterwards that it had been fenced, sent a call at
    /// `sent_at`: the one thing that a late holder may write. Not fenced, but `Fenced` for a hold
    /// that is later than the current one. The first such fact of a step stays.
    ///
    /// A person's `not_done` on that call no longer stands then: it goes into the step's notes and
    /// the execution is `needs_review` again. `Conflict` if the step was not begun.
    async fn late_send(&self, hold: &Hold, seq: u32, sent_at: Timestamp) -> Result<()>;

    /// Writes down a person's word on a call that is `outcome_unknown`, and takes `needs_review`
    /// from its execution once no call of it waits for one. Not fenced: the execution may be open
    /// or have ended. Answers the step.
    ///
    /// The same word again changes nothing, whoever gives it; another word replaces it.
    /// `NotFound` where there is no such execution or step, `Conflict` if the call's outcome is
    /// known.
    async fn review(&self, project_id: ProjectId, ask: &ReviewAsk, now: Timestamp) -> Result<Step>;

    /// All steps of an execution, in order. Whoever reads them is not fenced.
    async fn steps(&self, project_id: ProjectId, id: ExecutionId) -> Result<Vec<Step>>;
}
