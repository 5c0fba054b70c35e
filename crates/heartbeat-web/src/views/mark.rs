//! A status as a word with a class; the words are those of the log and the API.

use askama::Template;
use askama::filters::HtmlSafe;
use heartbeat_domain::claim::Liveness;
use heartbeat_domain::execution::{Execution, Phase, Status};

/// A status as pages show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Template)]
#[template(path = "parts/mark.html")]
pub(crate) struct Mark {
    /// `success`, `error`, `skipped`, `cancelled`, `running`, `waiting`, `active`, `paused`, `off`,
    /// `live`, `draining`, `silent`, `ended`.
    pub(crate) word: &'static str,
}

/// The word is one of ours.
impl HtmlSafe for Mark {}

impl Mark {
    /// Where an execution is, or how it ended.
    pub(crate) fn of(execution: &Execution) -> Self {
        let word = match (execution.phase, execution.status) {
            (Phase::Ended, Some(status)) => status.as_str(),
            (phase, _) => phase.as_str(),
        };
        Self { word }
    }

    /// How a node is.
    pub(crate) fn of_node(liveness: Liveness) -> Self {
        Self {
            word: liveness.as_str(),
        }
    }

    /// How a heartbeat's last fire ended.
    pub(crate) fn of_status(text: &str) -> Option<Self> {
        Status::find(text).map(|status| Self {
            word: status.as_str(),
        })
    }
}
