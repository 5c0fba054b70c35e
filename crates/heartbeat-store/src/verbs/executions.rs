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

    /// Executions of a heartbeat that succeeded with a response, due from `from` (inclusive) up to
    /// `before` (exclusive), oldest first, the newest `most`.
    async fn thread(
        &self,
        project_id: ProjectId,
        heartbeat_id: HeartbeatId,
        (from, before): (Timestamp, Timestamp),
        most: u32,
    ) -> Result<Vec<Execution>>;

    /// The newest execution of a heartbeat that ended and was not skipped.
    async fn last_run(
        &self,
        project_id: ProjectId,
        heartbeat_id: HeartbeatId,
    ) -> Result<Option<Execution>>;

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
}
