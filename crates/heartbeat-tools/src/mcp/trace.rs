//! What is known of one call while it is under way: whether any of it may have been sent, and what
//! went wrong.
//!
//! Invariant: a call counts as sent from the moment before its first byte may leave, and as not sent
//! again only when it is certain that none did.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::hands::{CallEnd, HandsError};
use crate::outgoing::OutgoingError;

/// Why a server gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Problem {
    /// As in [`HandsError`].
    pub(super) code: &'static str,
    /// For the model and for people.
    pub(super) message: String,
    /// Whether it is certain that the server did not act on the request.
    pub(super) is_certain: bool,
}

impl Problem {
    /// A problem that leaves open whether the server acted.
    pub(super) fn open(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            is_certain: false,
        }
    }

    /// A problem that shuts out that the server acted.
    pub(super) fn certain(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            is_certain: true,
            ..Self::open(code, message)
        }
    }
}

impl From<OutgoingError> for Problem {
    fn from(error: OutgoingError) -> Self {
        let code = match &error {
            OutgoingError::AddressRefused { .. } | OutgoingError::HostNotListed { .. } => {
                "ADDRESS_REFUSED"
            }
            OutgoingError::BadUrl(_) => "TOOL_SERVER_URL",
            _ => "TOOL_SERVER_UNREACHABLE",
        };
        Self {
            code,
            is_certain: error.nothing_was_sent(),
            message: error.to_string(),
        }
    }
}

impl From<HandsError> for Problem {
    fn from(error: HandsError) -> Self {
        Self::certain(error.code, error.message)
    }
}

impl From<Problem> for HandsError {
    fn from(problem: Problem) -> Self {
        Self {
            code: problem.code,
            message: problem.message,
        }
    }
}

/// Shared between a call and what carries it.
#[derive(Debug, Default)]
pub(super) struct Trace {
    may_have_been_sent: AtomicBool,
    problem: Mutex<Option<Problem>>,
}

impl Trace {
    /// The next thing that happens may send a byte.
    pub(super) fn sending(&self) {
        self.may_have_been_sent.store(true, Ordering::SeqCst);
    }

    /// Keeps the first problem: what follows from it says less.
    pub(super) fn failed(&self, problem: Problem) {
        let mut kept = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get_or_insert(problem);
    }

    /// Takes the problem out.
    pub(super) fn problem(&self) -> Option<Problem> {
        self.problem
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// How a call ends that got no answer, in the words of its own problem if it has one.
    pub(super) fn end(&self, otherwise: impl Into<String>) -> CallEnd {
        let problem = self.problem();
        let is_certain = problem.as_ref().is_some_and(|problem| problem.is_certain)
            || !self.may_have_been_sent.load(Ordering::SeqCst);
        let message = problem.map_or_else(|| otherwise.into(), |problem| problem.message);
        match is_certain {
            true => CallEnd::NotMade { message },
            false => CallEnd::Unknown { message },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_of_which_nothing_was_sent_was_not_made() {
        let trace = Trace::default();
        assert!(matches!(trace.end("gone"), CallEnd::NotMade { .. }));
    }

    #[test]
    fn a_call_that_may_have_been_sent_is_unknown_unless_its_problem_is_certain() {
        let trace = Trace::default();
        trace.sending();
        trace.failed(Problem::open("TOOL_SERVER_UNREACHABLE", "it broke"));
        trace.failed(Problem::certain("TOOL_SERVER_UNREACHABLE", "said later"));
        let end = trace.end("gone");
        assert_eq!(
            end,
            CallEnd::Unknown {
                message: "it broke".into()
            }
        );

        let trace = Trace::default();
        trace.sending();
        trace.failed(Problem::certain("ADDRESS_REFUSED", "no connection"));
        assert!(matches!(trace.end("gone"), CallEnd::NotMade { .. }));
    }
}
