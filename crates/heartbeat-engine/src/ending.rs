//! From how a session or a watch ended to the outcome that goes on record.

use heartbeat_agent::{Ended, Halt, ModelError};
use heartbeat_domain::budget::Scope;
use heartbeat_domain::execution::{BreakerEffect, Ending, Outcome};
use heartbeat_domain::ids::ProjectId;
use heartbeat_domain::reason::Reason;

use crate::incidents::Incidents;

/// Why an execution is not finished by this holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Another node took over; nothing more may be written.
    Fenced,
    /// The store is unavailable; the execution is given back once it is not.
    GiveBack,
}

/// What the journal knows beyond the session's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Circumstance {
    /// Whether any turn of this execution cost anything, a lost one included.
    pub(crate) spent: bool,
    /// The level of budget that refused.
    pub(crate) scope: Option<Scope>,
    /// Why it was asked to stop.
    pub(crate) cancelled: Option<Reason>,
}

/// Whose model it was.
#[derive(Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub(crate) incidents: &'a Incidents,
    pub(crate) project_id: ProjectId,
    pub(crate) provider: &'a str,
}

/// The outcome of a session.
pub(crate) fn of_session(
    ended: Ended,
    circumstance: Circumstance,
    whose: Whose<'_>,
) -> Result<Ending, Stop> {
    Ok(match ended {
        Ended::Replied { text, quiet } => Ending {
            response: if text.trim().is_empty() {
                quiet.unwrap_or_default()
            } else {
                text
            },
            notices: whose
                .incidents
                .answered(whose.project_id, whose.provider)
                .into_iter()
                .collect(),
            ..Ending::plain(Outcome::Success)
        },
        Ended::ModelUnavailable { message, spent } => {
            unavailable(message, spent || circumstance.spent, whose)
        }
        Ended::ModelDenied(error) => denied(&error, whose),
        Ended::Failed { code, message } => {
            failed(code.parse().unwrap_or(Reason::Internal), message)
        }
        Ended::Halted(Halt::Fenced) => return Err(Stop::Fenced),
        Ended::Halted(Halt::Unavailable(_)) => return Err(Stop::GiveBack),
        Ended::Halted(Halt::Cancelled) => Ending::plain(Outcome::Cancelled {
            reason: circumstance.cancelled.unwrap_or(Reason::ByPerson),
        }),
        Ended::Halted(Halt::Budget { reason, message }) => {
            over_budget(reason, message, circumstance)
        }
    })
}

/// An error that the breaker counts.
pub(crate) fn failed(reason: Reason, message: impl Into<String>) -> Ending {
    Ending::plain(Outcome::Error {
        reason,
        message: message.into(),
        breaker: BreakerEffect::Counts,
    })
}

fn unavailable(message: String, spent: bool, whose: Whose<'_>) -> Ending {
    if spent {
        return failed(Reason::ModelError, message);
    }
    let notice = whose
        .incidents
        .unavailable(whose.project_id, whose.provider, &message);
    Ending {
        notices: notice.into_iter().collect(),
        ..Ending::plain(Outcome::Skipped {
            reason: Reason::ModelUnavailable,
        })
    }
}

/// The key and the endpoint are the operator's, so no heartbeat's breaker moves.
fn denied(error: &ModelError, whose: Whose<'_>) -> Ending {
    let notice = whose
        .incidents
        .denied(whose.project_id, whose.provider, &error.message);
    let outcome = Outcome::Error {
        reason: Reason::ModelDenied,
        message: error.message.clone(),
        breaker: BreakerEffect::Ignored,
    };
    Ending {
        notices: vec![notice],
        ..Ending::plain(outcome)
    }
}

/// Nothing spent: it did not run. Something spent: it was stopped on its way.
fn over_budget(
    stop: heartbeat_agent::BudgetStop,
    message: String,
    circumstance: Circumstance,
) -> Ending {
    let scope = circumstance.scope.unwrap_or(Scope::Heartbeat);
    let reason = match stop {
        heartbeat_agent::BudgetStop::Busy => Reason::BudgetBusy,
        heartbeat_agent::BudgetStop::Exhausted => scope.reason(),
    };
    let outcome = match circumstance.spent {
        false => Outcome::Skipped { reason },
        true => Outcome::Error {
            reason,
            message,
            breaker: BreakerEffect::Ignored,
        },
    };
    Ending {
        level: Some(scope),
        ..Ending::plain(outcome)
    }
}
