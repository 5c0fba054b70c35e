//! The record of carrying out one fire.

use jiff::Timestamp;

use crate::budget::Held;
use crate::ids::{BotId, ExecutionId, HeartbeatId, MemberId, ProjectId};
use crate::reason::Reason;

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize,
            serde::Deserialize,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name, on the wire and in the database.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The one with that stable name.
            #[must_use]
            pub fn find(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text)
            }
        }
    };
}
pub(crate) use names;

names! {
    /// What kind of autonomous run it is.
    ExecutionType {
        /// A heartbeat's fire.
        Heartbeat = "heartbeat",
        /// A task that an agent scheduled for itself.
        ScheduledTask = "scheduled_task",
        /// A message from another agent.
        AgentMessage = "agent_message",
    }
}

names! {
    /// What caused a fire.
    Trigger {
        /// Its schedule.
        Schedule = "schedule",
        /// A person.
        Manual = "manual",
        /// Its schedule, while no node was running.
        CatchUp = "catch_up",
        /// A message from another agent.
        Message = "message",
    }
}

names! {
    /// How an execution ended.
    Status {
        /// It was carried out.
        Success = "success",
        /// It failed.
        Error = "error",
        /// It was not carried out.
        Skipped = "skipped",
        /// It was stopped.
        Cancelled = "cancelled",
    }
}

names! {
    /// Where an execution is in its life; how it ended is its [`Status`].
    Phase {
        /// A node has it, or is to take it.
        Running = "running",
        /// It is parked until something answers.
        Waiting = "waiting",
        /// It has ended.
        Ended = "ended",
    }
}

/// The record of carrying out one fire, or of not doing so.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// Id.
    pub id: ExecutionId,
    /// Its project.
    pub project_id: ProjectId,
    /// Its agent.
    pub bot_id: BotId,
    /// Its heartbeat; the heartbeat itself may be gone.
    pub heartbeat_id: Option<HeartbeatId>,
    /// Its subscriber.
    pub member_id: Option<MemberId>,
    /// What kind of run.
    pub kind: ExecutionType,
    /// What caused it.
    pub trigger: Trigger,
    /// A value of the schedule, or the moment of a trigger.
    pub due_at: Timestamp,
    /// Where it is in its life.
    pub phase: Phase,
    /// How it ended.
    pub status: Option<Status>,
    /// Why it was not carried out, failed or was stopped.
    pub reason: Option<Reason>,
    /// The instruction as it was when the fire was claimed.
    pub prompt: String,
    /// What the agent said in the end.
    pub response: String,
    /// What went wrong, in words.
    pub error_message: Option<String>,
    /// Tokens of all turns.
    pub tokens_used: u64,
    /// Micro-credits spent and reserved while it is open.
    pub held: Held,
    /// Whole credits drawn in the end.
    pub credits_charged: u64,
    /// First moment that this row covers, where it covers several.
    pub first_due_at: Option<Timestamp>,
    /// Last moment that this row covers, where it covers several.
    pub last_due_at: Option<Timestamp>,
    /// How many moments this row covers, where it covers several.
    pub missed_count: Option<u64>,
    /// Why moments before its own were missed.
    pub missed_reason: Reason,
    /// Whether a person has to look at a call whose outcome is unknown.
    pub needs_review: bool,
    /// Why it is to stop at the next step.
    pub cancel_requested: Option<Reason>,
    /// The number that shuts out late holders.
    pub fence: i64,
    /// When a node may take it, while no node has it.
    pub claimable_at: Option<Timestamp>,
    /// When its row was written.
    pub created_at: Timestamp,
    /// When its first holder began to carry it out.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl Execution {
    /// How long after its due time it started, in milliseconds; 0 for a trigger that was given a
    /// moment just ahead.
    #[must_use]
    pub fn late_ms(&self) -> Option<i64> {
        self.started_at.map(|at| {
            at.as_millisecond()
                .saturating_sub(self.due_at.as_millisecond())
                .max(0)
        })
    }

    /// How long it took, in milliseconds; 0 where two nodes' clocks say less than nothing.
    #[must_use]
    pub fn duration_ms(&self) -> i64 {
        match (self.started_at, self.finished_at) {
            (Some(from), Some(to)) => to
                .as_millisecond()
                .saturating_sub(from.as_millisecond())
                .max(0),
            _ => 0,
        }
    }
}

/// How a holder says that an execution ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was carried out.
    Success,
    /// It failed.
    Error {
        /// Why.
        reason: Reason,
        /// In words, without values of secrets.
        message: String,
        /// What the breaker makes of it.
        breaker: BreakerEffect,
    },
    /// It was not carried out, and nothing was spent.
    Skipped {
        /// Why.
        reason: Reason,
    },
    /// It was stopped.
    Cancelled {
        /// Why.
        reason: Reason,
    },
}

/// What the breaker makes of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerEffect {
    /// One more in a row.
    Counts,
    /// Not the heartbeat's fault.
    Ignored,
    /// It cannot get better by itself.
    OpensAtOnce,
}

impl Outcome {
    /// The status that goes on record.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Success => Status::Success,
            Self::Error { .. } => Status::Error,
            Self::Skipped { .. } => Status::Skipped,
            Self::Cancelled { .. } => Status::Cancelled,
        }
    }

    /// The reason that goes on record.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Success => None,
            Self::Error { reason, .. } | Self::Skipped { reason } | Self::Cancelled { reason } => {
                Some(*reason)
            }
        }
    }
}

/// What a holder hands over at the end of an execution.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// How it ended.
    pub outcome: Outcome,
    /// What the agent said in the end.
    pub response: String,
    /// The watch's baseline from now on; written only with a success.
    pub baseline: Option<crate::watch::Baseline>,
    /// Messages to people that are written in the same transaction.
    pub notices: Vec<crate::notice::NoticeDraft>,
    /// The level of budget that refused, where one did.
    pub level: Option<crate::budget::Scope>,
}

impl Ending {
    /// An ending with that outcome and nothing to say.
    #[must_use]
    pub fn plain(outcome: Outcome) -> Self {
        Self {
            outcome,
            response: String::new(),
            baseline: None,
            notices: Vec::new(),
            level: None,
        }
    }
}
