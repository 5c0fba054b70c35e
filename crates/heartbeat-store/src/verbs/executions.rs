//! Reading the record.

use async_trait::async_trait;
use heartbeat_domain::execution::{Execution, ExecutionType, Phase, Status};
use heartbeat_domain::heartbeat::Pause;
use heartbeat_domain::ids::{BotId, ExecutionId, HeartbeatId, MemberId, ProjectId};
use jiff::Timestamp;

use super::{Listed, Page, Result};

/// Which executions to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Of one agent.
    pub bot_id: Option<BotId>,
    /// Of one heartbeat.
    pub heartbeat_id: Option<HeartbeatId>,
    /// Of one subscriber.
    pub member_id: Option<MemberId>,
    /// That ended so, or are in that phase; ended ones where absent.
    pub state: Option<LogState>,
    /// Of one kind.
    pub kind: Option<ExecutionType>,
    /// Due at or after.
    pub from: Option<Timestamp>,
    /// Due before.
    pub to: Option<Timestamp>,
    /// Whether a person has to look at it.
    pub needs_review: Option<bool>,
}

/// What a filter by `status` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogState {
    /// Ended so.
    Ended(Status),
    /// Open, in that phase.
    Open(Phase),
}

/// A pause of a heartbeat, with its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PauseRecord {
    /// Why and since when.
    pub pause: Pause,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// An execution that ended, as a later one is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastRun {
    /// The moment it was due.
    pub due_at: Timestamp,
    /// How it ended.
    pub status: Status,
    /// What it was asked.
    pub prompt: String,
    /// What it answered.
    pub response: String,
    /// What went wrong.
    pub error_message: Option<String>,
}

/// Earlier executions of a heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PastRuns {
    /// Those that succeeded with a response, oldest first.
    pub thread: Vec<PastRun>,
    /// The newest that ended and was not skipped.
    pub last: Option<PastRun>,
}

/// From when on somebody still keeps what the history has; nothing where somebody keeps it for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryKept {
    /// Steps of executions.
    pub steps_from: Option<Timestamp>,
    /// Executions.
    pub rows_from: Option<Timestamp>,
}

/// What [`Executions::tend_history`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tended {
    /// This database does not divide the history; rows are deleted one by one.
    Undivided,
    /// Nothing was to be done.
    Done,
    /// A part was made, of this name.
    Made(String),
    /// A part was dropped with all that was in it, of this name.
    Dropped(String),
}

/// Executions, for those who read.
#[async_trait]
pub trait Executions: Send + Sync {
    /// An execution.
    async fn execution(&self, project_id: ProjectId, id: ExecutionId) -> Result<Execution>;

    /// A page of executions, newest first by the time at which their rows were written.
    async fn logs(
        &self,
        project_id: ProjectId,
        filter: &LogFilter,
        page: Page,
    ) -> Result<Listed<Execution>>;

    /// What a session of a heartbeat is told of its earlier ones: the newest `most` of the thread
    /// from `from` (inclusive) up to `before` (exclusive), and the last run, whenever that was.
    async fn past_runs(
        &self,
        project_id: ProjectId,
        heartbeat_id: HeartbeatId,
        (from, before): (Timestamp, Timestamp),
        most: u32,
    ) -> Result<PastRuns>;

    /// Pauses of a heartbeat that touch the time from `from` to `to`, oldest first; being off counts
    /// as one with reason `off`.
    async fn pauses(
        &self,
        project_id: ProjectId,
        heartbeat_id: HeartbeatId,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Vec<PauseRecord>>;

    /// Deletes steps and rows that are older than the limits, at most `most` of each; answers how
    /// many went. Open executions stay, and the steps of those that wait for a person's word stay
    /// as long as their rows.
    async fn prune(
        &self,
        project_id: ProjectId,
        (steps_before, rows_before): (Option<Timestamp>, Option<Timestamp>),
        most: u32,
    ) -> Result<u64>;

    /// Where the history is divided into months: makes one that is missing, from the present one to
    /// three ahead, or one of which there are rows; or drops one that ended a day before anybody still
    /// keeps of it and of which nothing is open or, of steps, waits for a person's word. One at a time:
    /// the caller comes again until there is nothing to be done. Idempotent: what is there is not made
    /// again.
    ///
    /// `Unavailable` where others are at work on the table for too long; nothing has happened then.
    async fn tend_history(&self, _kept: HistoryKept, _now: Timestamp) -> Result<Tended> {
        Ok(Tended::Undivided)
    }
}
