//! Messages to people, and their way through the channels.

use async_trait::async_trait;
use heartbeat_domain::ids::{
    BotId, DeliveryId, ExecutionId, HeartbeatId, MemberId, NoticeId, ProjectId,
};
use heartbeat_domain::notice::{NoticeDraft, Priority};
use jiff::Timestamp;

use super::{Listed, Page, Result};

/// How a message travels beside the in-app inbox, in which every message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// A signed POST to the operator's webhook.
    Webhook,
}

impl Channel {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
        }
    }
}

/// A message on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Id.
    pub id: NoticeId,
    /// Project.
    pub project_id: ProjectId,
    /// Agent.
    pub bot_id: Option<BotId>,
    /// Subscriber that it is for.
    pub member_id: Option<MemberId>,
    /// Heartbeat that it came from.
    pub heartbeat_id: Option<HeartbeatId>,
    /// Execution that it came from.
    pub execution_id: Option<ExecutionId>,
    /// One line.
    pub title: String,
    /// The message.
    pub message: String,
    /// How pressing it is.
    pub priority: Priority,
    /// Where to act.
    pub action_url: Option<String>,
    /// What it is about.
    pub topic: Option<String>,
    /// State of the topic.
    pub state: Option<String>,
    /// `unread`, `read` or, if a channel gave up on it, `failed`.
    pub status: &'static str,
    /// When it was recorded.
    pub created_at: Timestamp,
}

/// A message on its way through a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Stable across attempts; what a receiver recognises a repeat by.
    pub id: DeliveryId,
    /// The channel.
    pub channel: Channel,
    /// The message.
    pub notice: Notice,
    /// Attempts that failed so far.
    pub attempts: u32,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The channel took it.
    Delivered,
    /// It did not; try again then.
    Again {
        /// When.
        at: Timestamp,
        /// Why it did not.
        error: String,
    },
    /// It did not, and there will be no further attempt; visible in the inbox.
    Failed {
        /// Why.
        error: String,
    },
}

/// Which messages to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoticeFilter {
    /// Of one agent.
    pub bot_id: Option<BotId>,
    /// For one subscriber.
    pub member_id: Option<MemberId>,
    /// Of one heartbeat.
    pub heartbeat_id: Option<HeartbeatId>,
    /// Only unread ones.
    pub unread: bool,
}

/// Messages and deliveries.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Records an incident of the engine outside any execution, with a delivery for each of
    /// `channels`. The same state of the same topic is silence: answers whether it was recorded.
    async fn tell(
        &self,
        project_id: ProjectId,
        notice: &NoticeDraft,
        channels: &[Channel],
        now: Timestamp,
    ) -> Result<bool>;

    /// Takes up to `want` deliveries that are due at `now`; each comes back at `hold_until` unless
    /// its attempt is recorded before. Where the answer of the commit is lost, the store itself asks
    /// again under a key of this call and gives the first answer, as far as it still stands.
    async fn due_deliveries(
        &self,
        want: usize,
        hold_until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Delivery>>;

    /// Records what became of an attempt. Idempotent under the delivery's id and attempt number.
    async fn record_attempt(
        &self,
        delivery: &Delivery,
        attempt: &Attempt,
        now: Timestamp,
    ) -> Result<()>;

    /// When the next delivery is due.
    async fn next_delivery_at(&self) -> Result<Option<Timestamp>>;

    /// A page of a project's messages, newest first.
    async fn notices(
        &self,
        project_id: ProjectId,
        filter: &NoticeFilter,
        page: Page,
    ) -> Result<Listed<Notice>>;

    /// Marks a message as read. Idempotent.
    async fn acknowledge(
        &self,
        project_id: ProjectId,
        id: NoticeId,
        now: Timestamp,
    ) -> Result<Notice>;
}
