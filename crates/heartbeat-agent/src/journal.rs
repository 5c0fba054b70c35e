//! What a session writes down before it acts, and what it finds there when it goes on.
//!
//! Invariant: nothing that costs or has an effect starts before its intent is durable under the
//! current fence, and what is on record is used instead of being done again.

use async_trait::async_trait;
use heartbeat_domain::conversation::{ToolCall, ToolOutput, Turn, TurnRequest};

use crate::model::ModelError;
use crate::tool::Made;

/// Number of a step: 0 is the assembled first request, then every turn and call has the next.
///
/// The session assigns them, so a replay gives the same numbers.
pub type StepSeq = u32;

/// Whether a step is on record.
#[derive(Clone, Debug, PartialEq)]
pub enum Begun<T> {
    /// Its result is on record: use it.
    Recorded(T),
    /// The intent is durable under the current fence: make the call now.
    Go,
    /// A former holder may have made it; it may be repeated, and that intent is durable.
    Again,
}

/// Whether a model turn is on record.
#[derive(Clone, Debug, PartialEq)]
pub enum BegunTurn {
    /// Its answer is on record: use it.
    Recorded(Turn),
    /// It is on record that it failed for good: the session ends as it would have ended then.
    Failed(ModelError),
    /// Intent and reservation are durable: ask, for at most so many output tokens.
    Go {
        /// What the budget allows; at most what the request asked for.
        max_tokens: u32,
    },
}

/// Why a session may not go on.
#[derive(Clone, Debug, PartialEq)]
pub enum Halt {
    /// Another holder took over; nothing more may be written or done.
    Fenced,
    /// Somebody stopped the execution.
    Cancelled,
    /// A budget does not allow the next turn.
    Budget {
        /// Whether it will free up by itself.
        reason: BudgetStop,
        /// Which limit, how much is left, when it resets.
        message: String,
    },
    /// The journal itself cannot be reached.
    Unavailable(String),
}

/// How a budget is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetStop {
    /// It is used up.
    Exhausted,
    /// Others' reservations fill it for now.
    Busy,
}

/// The record of one execution, as far as a session needs it.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Step 0: returns the recorded first request if there is one, else records this one.
    async fn open(&self, request: TurnRequest) -> Result<TurnRequest, Halt>;

    /// Durable intent and reservation of one model turn.
    ///
    /// Called before every attempt at the turn, with the same request: a repeat under the same
    /// fence answers as the first did, or halts when the fence has moved or somebody said stop.
    async fn begin_turn(&self, seq: StepSeq, request: &TurnRequest) -> Result<BegunTurn, Halt>;

    /// Keeps the answer of a turn and settles its reservation.
    async fn record_turn(&self, seq: StepSeq, turn: &Turn) -> Result<(), Halt>;

    /// The turn failed for good: settles its reservation and keeps the reason on record.
    async fn record_failure(&self, seq: StepSeq, failure: &ModelError) -> Result<(), Halt>;

    /// The turn is given up because the execution is to stop: nobody will read its answer, and it
    /// costs what a turn costs that was lost.
    async fn lose_turn(&self, seq: StepSeq) -> Result<(), Halt>;

    /// Durable intent of all calls of one turn, written together; answers in the same order.
    ///
    /// A call of a former holder that is on record as under way is begun again only where that is
    /// safe; where it is not, its result is that its outcome is unknown. Neither is answered before
    /// that former call can no longer be under way.
    ///
    /// Call number `n` of the turn is step `first + n`.
    async fn begin_calls(
        &self,
        first: StepSeq,
        calls: &[ToolCall],
    ) -> Result<Vec<Begun<ToolOutput>>, Halt>;

    /// Keeps what became of one call, its messages to people with it.
    async fn record_call(&self, seq: StepSeq, made: &Made) -> Result<(), Halt>;

    /// Resolves once the execution was asked to stop, at once if it was before; waits for ever where
    /// nobody does. What waits for something outside waits for this beside it.
    async fn stopped(&self);

    /// A wait or an attempt worth keeping in the step's record. Best effort.
    async fn note(&self, seq: StepSeq, note: &str);

    /// Text as it streams in, for the live view. Must not block.
    fn delta(&self, seq: StepSeq, text: &str);
}
