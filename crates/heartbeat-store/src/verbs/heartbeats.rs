//! What people do to heartbeats.

use async_trait::async_trait;
use heartbeat_domain::heartbeat::{Heartbeat, HeartbeatChange};
use heartbeat_domain::ids::{BotId, ExecutionId, HeartbeatId, MemberId, ProjectId};
use heartbeat_domain::plan::Plan;
use heartbeat_domain::reason::Reason;
use jiff::Timestamp;

use super::Result;

/// Names a heartbeat within its project and agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatKey {
    /// Project.
    pub project_id: ProjectId,
    /// Agent.
    pub bot_id: BotId,
    /// Heartbeat.
    pub id: HeartbeatId,
}

/// A configure request.
#[derive(Clone, Debug, PartialEq)]
pub struct Configure {
    /// Project.
    pub project_id: ProjectId,
    /// Agent.
    pub bot_id: BotId,
    /// The heartbeat to update, or the id of a new one.
    pub target: Target,
    /// What to change.
    pub change: HeartbeatChange,
    /// The project's plan; its cap and minimum are checked in the same transaction.
    pub plan: Plan,
}

/// What a configure request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A new heartbeat with this id; a repeat finds it and changes nothing.
    New(HeartbeatId),
    /// This heartbeat.
    Existing(HeartbeatId),
}

/// How far a stop, or its end, reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every project.
    All,
    /// One project.
    Project(ProjectId),
    /// One agent: its heartbeat switch.
    Bot(ProjectId, BotId),
}

/// What a stop stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stopped {
    /// Heartbeats that were active and no longer are.
    pub heartbeats: Vec<HeartbeatId>,
    /// Executions that were asked to end.
    pub executions: Vec<ExecutionId>,
}

/// Standing instructions. Another project's heartbeat is `NotFound`; the project comes before
/// everything else, then input (`Violation`), then switch, plan and cap (`Limit`).
///
/// Where a verb moves `next`, the due moments that it passes over are written down as one skipped
/// row in the same transaction, and a pause or its end in the list of pauses.
#[async_trait]
pub trait Heartbeats: Send + Sync {
    /// Creates or updates. `Limit` with code `HEARTBEAT_OFF`, `PLAN_WITHOUT_HEARTBEATS`,
    /// `PLAN_LIMIT_REACHED` or `LOCAL_ACCESS_OFF`.
    async fn configure(&self, ask: Configure, now: Timestamp) -> Result<Heartbeat>;

    /// A heartbeat, with the credits used in the billing period of `now`.
    async fn heartbeat(&self, key: HeartbeatKey, now: Timestamp) -> Result<Heartbeat>;

    /// All heartbeats of an agent, oldest first, all of them or one subscriber's.
    async fn heartbeats(
        &self,
        project_id: ProjectId,
        bot_id: BotId,
        member_id: Option<MemberId>,
        now: Timestamp,
    ) -> Result<Vec<Heartbeat>>;

    /// Enables. An enabled one keeps its grid; only its error count is reset. `Limit` as in
    /// [`Heartbeats::configure`].
    async fn enable(&self, key: HeartbeatKey, plan: &Plan, now: Timestamp) -> Result<Heartbeat>;

    /// Disables; an open execution runs to its end. Idempotent, and allowed whatever switch and
    /// plan say.
    async fn disable(&self, key: HeartbeatKey, now: Timestamp) -> Result<Heartbeat>;

    /// Deletes; an open execution is asked to stop with `deleted`, rows stay.
    async fn delete(&self, key: HeartbeatKey, now: Timestamp) -> Result<()>;

    /// Asks an open execution to stop at its next step. `NotFound` if there is none open.
    async fn cancel(
        &self,
        key: HeartbeatKey,
        reason: Reason,
        now: Timestamp,
    ) -> Result<ExecutionId>;

    /// Pauses everything within reach and asks what runs to stop. Idempotent: a repeat stops only
    /// what was not stopped yet.
    async fn pause(&self, reach: Reach, now: Timestamp) -> Result<Stopped>;

    /// Ends [`Heartbeats::pause`]: grids go on.
    async fn resume(&self, reach: Reach, now: Timestamp) -> Result<Vec<HeartbeatId>>;
}
