//! One model turn or tool call within an execution, as it is journaled.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::conversation::ToolOutput;
use crate::execution::names;
use crate::tool::Repeat;

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
        /// A call that was sent, or may have been, and whose answer nobody knows; it is not made
        /// again.
        Unknown = "outcome_unknown",
    }
}

names! {
    /// A person's word on a call whose outcome is unknown.
    Decision {
        /// It happened.
        Done = "done",
        /// It did not happen.
        NotDone = "not_done",
    }
}

/// A person's word on a call, with who gave it and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// The word.
    pub decision: Decision,
    /// Who: a key's or a session's name, never a secret.
    pub by: String,
    /// When.
    pub at: Timestamp,
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
    /// What may be done about a call whose answer was lost, as it was decided before the call.
    pub repeat: Option<Repeat>,
    /// Longest time from a call's first byte to its end.
    pub within: Option<SignedDuration>,
    /// Until when a former holder's call may still be under way: the end of its lease, as far as
    /// its successor knows it, and the call's own longest time after it.
    pub settles_at: Option<Timestamp>,
    /// When a holder sent the call of which it found out afterwards that it had been fenced.
    pub late_sent_at: Option<Timestamp>,
    /// A person's word on a call whose outcome is unknown.
    pub review: Option<Review>,
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

impl Step {
    /// What was answered, as people are shown it: without the form in which a provider wants a turn
    /// back, which only the provider can read.
    #[must_use]
    pub fn shown_result(&self) -> Option<Value> {
        let mut result = self.result.clone()?;
        if let Some(turn) = result
            .as_object_mut()
            .filter(|_| self.kind == StepKind::Turn)
        {
            turn.remove("echo");
        }
        Some(result)
    }

    /// Whether a person has to look at it.
    #[must_use]
    pub fn needs_review(&self) -> bool {
        self.state == StepState::Unknown && self.review.is_none()
    }
}

/// What the model is told of a call whose outcome nobody knows: what was sent and when, why nothing
/// is known, and what to do.
#[must_use]
pub fn outcome_unknown(
    (tool, effect_id): (&str, Option<&str>),
    begun_at: Timestamp,
    why: &str,
) -> ToolOutput {
    let effect = effect_id.map_or_else(String::new, |id| format!(" with the effect id {id}"));
    ToolOutput::error(format!(
        "outcome_unknown: {tool} was called at {begun_at:.0}{effect} and the arguments above, and \
         its outcome is unknown: {why}. It may have happened. Verify before you repeat it."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_outcome_says_what_was_sent_when_and_to_verify() {
        let at: Timestamp = "2026-11-22T09:00:00.123Z".parse().unwrap();
        let output = outcome_unknown(("mail__send", Some("e.4")), at, "its node died");
        assert!(output.is_error);
        for part in [
            "mail__send",
            "2026-11-22T09:00:00Z",
            "e.4",
            "its node died",
            "Verify before",
        ] {
            assert!(output.text.contains(part), "{part}: {}", output.text);
        }
    }
}
