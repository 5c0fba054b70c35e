//! A node's exclusive right to carry out a fire.

use jiff::{SignedDuration, Timestamp};

use crate::bot::{Bot, Project};
use crate::execution::Execution;
use crate::heartbeat::{Heartbeat, Skipped};
use crate::ids::{ExecutionId, NodeId, ProjectId};

/// How long a node's lease lasts after a renewal.
pub const LEASE: SignedDuration = SignedDuration::from_secs(10);

/// How often a node renews its lease.
pub const RENEW_EVERY: SignedDuration = SignedDuration::from_secs(3);

/// What proves a right at every write: project, execution, node and fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hold {
    /// The project; first in every key.
    pub project_id: ProjectId,
    /// The execution.
    pub execution_id: ExecutionId,
    /// When it was due: which part of the history has its row.
    pub due_at: Timestamp,
    /// The holder.
    pub node_id: NodeId,
    /// Compared at every write; a later holder has a higher one.
    pub fence: i64,
}

/// A fire that a node has taken, with everything that admission needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The right.
    pub hold: Hold,
    /// The execution's row.
    pub execution: Execution,
    /// The heartbeat as it is; absent once deleted.
    pub heartbeat: Option<Heartbeat>,
    /// Its agent.
    pub bot: Bot,
    /// Its project.
    pub project: Project,
    /// Due moments before this fire's that nobody took.
    pub missed: Option<Skipped>,
    /// Whether a former holder had begun; then the journal is replayed.
    pub taken_over: bool,
}

/// One incarnation of a running process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Id of the incarnation.
    pub id: NodeId,
    /// Name for people: host and process.
    pub name: String,
    /// Version of the program that it runs.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// Since when it has been awake without a break longer than its lease.
    pub awake_since: Timestamp,
    /// When its right to act ends.
    pub lease_until: Timestamp,
    /// When another node found it dead, or it stopped.
    pub ended_at: Option<Timestamp>,
    /// What it last said of itself.
    pub work: NodeWork,
}

/// What a node says of itself with each renewal of its lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeWork {
    /// How many executions it carries out at once at most.
    pub slots: u32,
    /// How many of those are taken.
    pub busy: u32,
    /// Whether it takes nothing new, because it was told to stop.
    pub is_draining: bool,
    /// How far it had to move its own clock to show what the database's shows; absent where the
    /// database is a file of the same machine.
    pub clock_offset: Option<SignedDuration>,
}

/// One renewal of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The incarnation.
    pub node_id: NodeId,
    /// Since when it has been awake without a break.
    pub awake_since: Timestamp,
    /// What it says of itself.
    pub work: NodeWork,
}

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// Its lease is in force.
    Live,
    /// The same, and it takes nothing new.
    Draining,
    /// Its lease has passed and nobody has taken over yet.
    Silent,
    /// It stopped, or another node found it dead.
    Ended,
}

impl Liveness {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Draining => "draining",
            Self::Silent => "silent",
            Self::Ended => "ended",
        }
    }
}

impl Node {
    /// When it last renewed its lease, or took it.
    #[must_use]
    pub fn renewed_at(&self) -> Timestamp {
        self.lease_until - LEASE
    }

    /// How it is.
    #[must_use]
    pub fn liveness(&self, now: Timestamp) -> Liveness {
        match self.ended_at {
            Some(_) => Liveness::Ended,
            None if !self.is_live(now) => Liveness::Silent,
            None if self.work.is_draining => Liveness::Draining,
            None => Liveness::Live,
        }
    }

    /// Whether its lease is in force. One that ends further ahead than a lease can is a clock's
    /// mistake, and dead.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended_at.is_none()
            && self.lease_until > now
            && self.lease_until.duration_since(now) <= LEASE + LEASE
    }
}
