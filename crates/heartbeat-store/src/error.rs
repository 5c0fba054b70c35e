//! What a verb answers when it does not do what it was asked for.

use heartbeat_domain::violation::Violation;
use jiff::Timestamp;

/// Why a verb did nothing. Unless a variant says otherwise, nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such thing, or it is another project's.
    #[error("{0} not found")]
    NotFound(Thing),
    /// It is there already, or in a state that does not allow this.
    #[error("{0}")]
    Conflict(String),
    /// The right to write was lost: another node took over, or the execution ended otherwise.
    #[error("another node holds this execution, or it has ended")]
    Fenced,
    /// The input breaks a rule.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// A plan or a switch does not allow it.
    #[error("{}", .0.message)]
    Limit(Limit),
    /// The database cannot be reached, is locked, full or read-only. Whether the write happened is
    /// unknown; repeating it with the same key is safe.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// A stored value does not make sense; a person has to look.
    #[error("the database holds something unexpected: {0}")]
    Corrupt(String),
}

/// What was not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A project.
    Project,
    /// An agent.
    Bot,
    /// A subscriber.
    Member,
    /// A heartbeat.
    Heartbeat,
    /// An execution.
    Execution,
    /// A step of an execution.
    Step,
    /// A message.
    Notice,
    /// A node.
    Node,
    /// A tool server.
    ToolServer,
}

impl std::fmt::Display for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Project => "Project",
            Self::Bot => "Bot",
            Self::Member => "Member",
            Self::Heartbeat => "Heartbeat",
            Self::Execution => "Execution",
            Self::Step => "Step",
            Self::Notice => "Notification",
            Self::Node => "Node",
            Self::ToolServer => "Tool",
        })
    }
}

/// A refusal that explains itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Stable code, such as `PLAN_LIMIT_REACHED`.
    pub code: &'static str,
    /// Which limit, how much is left, when it resets, what to do.
    pub message: String,
    /// The limit.
    pub limit: Option<u64>,
    /// How much of it is used.
    pub used: Option<u64>,
    /// When it resets.
    pub resets_at: Option<Timestamp>,
}
