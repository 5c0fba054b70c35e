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

/// Heartbeats that one transaction marks at most, unless told otherwise: few enough that nobody else
/// waits for long.
pub const SETTLE_MOST: usize = 1_000;

/// Which heartbeats are to be marked as the switches above them say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettleAsk {
    /// Within this reach.
    pub reach: Reach,
    /// Where the last answer said that there is more.
    pub place: Option<Place>,
    /// At most so many.
    pub most: usize,
    /// Only below switches that were set until then.
    pub changed_until: Option<Timestamp>,
}

impl SettleAsk {
    /// Everything within reach, from the start.
    #[must_use]
    pub fn new(reach: Reach, most: usize) -> Self {
        Self {
            reach,
            place: None,
            most,
            changed_until: None,
        }
    }
}

/// How far the heartbeats below a switch are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The project.
    pub project_id: ProjectId,
    /// The agent, if the switch is its.
    pub bot_id: Option<BotId>,
    /// Which setting of the switch.
    pub change: i64,
    /// The last heartbeat that was looked at.
    pub after: HeartbeatId,
}

/// What a verb that marks many heartbeats did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Heartbeats that were active and no longer are.
    pub paused: Vec<HeartbeatId>,
    /// Heartbeats that are active again.
    pub resumed: Vec<HeartbeatId>,
    /// Executions that were asked to end.
    pub executions: Vec<ExecutionId>,
    /// Whether there may be more to mark; [`Heartbeats::settle`] goes on.
    pub more: bool,
    /// Where.
    pub place: Option<Place>,
}

impl Settled {
    /// Adds what was done after it.
    pub fn add(&mut self, next: Self) {
        self.paused.extend(next.paused);
        self.resumed.extend(next.resumed);
        self.executions.extend(next.executions);
        (self.more, self.place) = (next.more, next.place);
    }
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

    /// Sets the switches within reach so that nothing below them starts from then on, asks what runs
    /// to stop, and marks the first `most` heartbeats as paused; the others are marked by
    /// [`Heartbeats::settle`], or when they fall due. Due moments between the switch and a
    /// heartbeat's own pause are skipped for its reason. Idempotent: a repeat stops only what was
    /// not stopped yet.
    async fn pause(&self, reach: Reach, most: usize, now: Timestamp) -> Result<Settled>;

    /// Ends [`Heartbeats::pause`]: grids go on, those of the first `most` heartbeats at once.
    async fn resume(&self, reach: Reach, most: usize, now: Timestamp) -> Result<Settled>;

    /// Goes on marking heartbeats as the switches above them say now, whoever set those. Idempotent,
    /// and several may do it at once.
    async fn settle(&self, ask: SettleAsk, now: Timestamp) -> Result<Settled>;
}
