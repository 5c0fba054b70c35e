//! The closed list of reasons: why an execution was skipped, failed or was cancelled, and why a
//! heartbeat is paused. `docs/reference/reasons.md` says what to do about each.

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal),* $(,)?) => {
        /// Why something did not happen, or ended as it did.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Reason {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Reason {
            /// Every reason, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name, on the wire and in the database.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means and what to do, for the reference and for `heartbeat why`.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),*).trim_ascii(),)* }
            }
        }
    };
}

reasons! {
    /// An earlier execution of the same heartbeat was still running at that moment.
    PreviousRunActive = "previous_run_active",
    /// No node was running at that moment, and it was too old to be caught up with afterwards.
    Downtime = "downtime",
    /// All slots were taken until the moment was too old to start.
    Capacity = "capacity",
    /// By the time the fire could start, the active window had closed.
    WindowClosed = "window_closed",
    /// The heartbeat's `credit_budget`, or the `credit_limit` of its agent or subscriber, has no room for the worst case of the next call. It resumes when the billing period ends, or when the limit is raised.
    BudgetExhausted = "budget_exhausted",
    /// Other executions under way held the rest of a budget for longer than 30 s.
    BudgetBusy = "budget_busy",
    /// The project's credits have no room for the worst case of the next call. It resumes when the limit of the day or the credits of the plan's month come back, or when credit is added or the plan changes.
    CreditsExhausted = "credits_exhausted",
    /// The project's plan does not cover this heartbeat. An upgrade resumes it.
    Plan = "plan",
    /// The heartbeat switch of the agent is off, or its status is 0.
    SwitchedOff = "switched_off",
    /// The model's endpoint could not be reached and nothing was spent.
    ModelUnavailable = "model_unavailable",
    /// The model's endpoint answered with an error, or with something that is not an answer.
    ModelError = "model_error",
    /// The model's endpoint refused the key, or does not know the model.
    ModelDenied = "model_denied",
    /// The watch could not look.
    WatchFailed = "watch_failed",
    /// The execution took as many model turns as it may.
    TurnLimit = "turn_limit",
    /// The execution made as many tool calls as it may.
    ToolCallLimit = "tool_call_limit",
    /// The execution took as long as it may.
    TimeLimit = "time_limit",
    /// A call may or may not have happened; somebody has to look.
    OutcomeUnknown = "outcome_unknown",
    /// Too many errors in a row paused the heartbeat. Mend the cause, then enable it again.
    Breaker = "breaker",
    /// Somebody paused the project.
    ProjectPaused = "project_paused",
    /// A connection's credentials are no longer accepted.
    ConnectionExpired = "connection_expired",
    /// Somebody cancelled it.
    ByPerson = "by_person",
    /// The heartbeat was deleted.
    Deleted = "deleted",
    /// The heartbeat was not enabled.
    Off = "off",
    /// Something went wrong inside the engine; its log has the details.
    Internal = "internal",
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is not on the list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a reason")]
pub struct UnknownReason(pub String);

impl std::str::FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.as_str() == text)
            .ok_or_else(|| UnknownReason(text.to_owned()))
    }
}
