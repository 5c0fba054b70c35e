//! What happens, for those who look on: the live view and whoever follows a log.
//!
//! | kind | when |
//! |---|---|
//! | `started` | an execution was claimed |
//! | `delta` | a model's text streams in |
//! | `step` | a step's result is on record |
//! | `ended` | an execution ended |
//! | `notice` | a message was recorded |
//!
//! Events are a courtesy: they may be lost, and the store is the truth.

use heartbeat_domain::ids::{ExecutionId, HeartbeatId, ProjectId};
use tokio::sync::broadcast;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whose.
    pub project_id: ProjectId,
    /// Of which heartbeat.
    pub heartbeat_id: Option<HeartbeatId>,
    /// In which execution.
    pub execution_id: Option<ExecutionId>,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// An execution was claimed.
    Started,
    /// A model's text streams in.
    Delta {
        /// The step.
        seq: u32,
        /// The text since the last delta.
        text: String,
    },
    /// A step's result is on record.
    Step {
        /// The step.
        seq: u32,
    },
    /// An execution ended.
    Ended {
        /// Its status.
        status: &'static str,
    },
    /// A message was recorded.
    Notice,
}

impl EventKind {
    /// The stable name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Delta { .. } => "delta",
            Self::Step { .. } => "step",
            Self::Ended { .. } => "ended",
            Self::Notice => "notice",
        }
    }
}

/// Where events are announced.
#[derive(Clone, Debug)]
pub struct Live(broadcast::Sender<Event>);

impl Default for Live {
    fn default() -> Self {
        Self(broadcast::Sender::new(1_024))
    }
}

impl Live {
    /// Announces to whoever looks on; nobody may.
    pub fn announce(&self, event: Event) {
        let _nobody_looks_on = self.0.send(event);
    }

    /// Looks on from now.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}
