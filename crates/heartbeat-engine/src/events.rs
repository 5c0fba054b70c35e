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
use tokio::sync::broadcast::error::RecvError;

use crate::neighbours::Neighbours;

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

/// What whoever looks on sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Something happened.
    Event(Event),
    /// Something may have happened unseen: the record tells.
    Missed,
}

/// What goes to all who look on.
#[derive(Clone, Debug)]
enum News {
    Happened(Event),
    /// Something of this project, or of any, may have happened unseen.
    Missed(Option<ProjectId>),
}

/// Where events are announced: to whoever looks on here, and to nodes on which somebody does.
#[derive(Clone, Debug)]
pub struct Live {
    news: broadcast::Sender<News>,
    neighbours: Neighbours,
}

impl Default for Live {
    fn default() -> Self {
        Self::among(Neighbours::default())
    }
}

impl Live {
    /// With what happens on other nodes.
    #[must_use]
    pub fn among(neighbours: Neighbours) -> Self {
        Self {
            news: broadcast::Sender::new(1_024),
            neighbours,
        }
    }

    /// The other nodes.
    #[must_use]
    pub fn neighbours(&self) -> &Neighbours {
        &self.neighbours
    }

    /// Announces to whoever looks on; nobody may.
    pub fn announce(&self, event: Event) {
        self.neighbours.tell(&event);
        self.overhear(event);
    }

    /// Passes on what another node announced.
    pub(crate) fn overhear(&self, event: Event) {
        let _nobody_looks_on = self.news.send(News::Happened(event));
    }

    /// Says to those who look at a project, or at any, that they may have missed something.
    pub(crate) fn miss(&self, project: Option<ProjectId>) {
        let _nobody_looks_on = self.news.send(News::Missed(project));
    }

    /// Looks at a project from now on.
    #[must_use]
    pub fn look_at(&self, project_id: ProjectId) -> Onlooker {
        // First, so that nothing of what the others tell then is missed.
        let news = self.news.subscribe();
        self.neighbours.begin_watch(project_id);
        Onlooker {
            project_id: Some(project_id),
            news,
            neighbours: self.neighbours.clone(),
        }
    }

    /// Looks at what happens in this process from now on, whichever project's it is.
    #[must_use]
    pub fn look_at_all(&self) -> Onlooker {
        Onlooker {
            project_id: None,
            news: self.news.subscribe(),
            neighbours: self.neighbours.clone(),
        }
    }
}

/// Somebody who looks at a project, or at all.
#[derive(Debug)]
pub struct Onlooker {
    project_id: Option<ProjectId>,
    news: broadcast::Receiver<News>,
    neighbours: Neighbours,
}

impl Onlooker {
    /// What is seen next; nothing more once nobody announces.
    pub async fn next(&mut self) -> Option<Seen> {
        loop {
            match self.news.recv().await {
                Ok(News::Happened(event)) if self.sees(event.project_id) => {
                    return Some(Seen::Event(event));
                }
                Ok(News::Missed(project)) if project.is_none_or(|id| self.sees(id)) => {
                    return Some(Seen::Missed);
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return Some(Seen::Missed),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn sees(&self, project: ProjectId) -> bool {
        self.project_id.is_none_or(|watched| watched == project)
    }
}

impl Drop for Onlooker {
    fn drop(&mut self) {
        if let Some(project) = self.project_id {
            self.neighbours.end_watch(project);
        }
    }
}
