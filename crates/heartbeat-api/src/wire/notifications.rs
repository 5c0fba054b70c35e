//! Messages to people.

use heartbeat_store::verbs::Notice;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::instant;
use crate::page::Pagination;

/// Which messages to list.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct NotificationsRequest {
    /// The project.
    pub project_id: String,
    /// Only those of this agent, by UUID or row number.
    pub bot_id: Option<String>,
    /// Only those of this heartbeat; it may be deleted.
    pub heartbeat_id: Option<String>,
    /// Only those for this subscriber.
    pub member_id: Option<String>,
    /// Only those that nobody has read.
    pub unread: Option<bool>,
    /// 1 and up.
    pub page: Option<u32>,
    /// 1 to 100; 20 where left out.
    pub per_page: Option<u32>,
}

/// A message.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Notification)]
pub struct NotificationObject {
    /// What `ack` takes.
    pub uuid: String,
    /// One line.
    pub title: String,
    /// The message.
    pub message: String,
    /// `low`, `normal` or `urgent`.
    pub priority: &'static str,
    /// Where to act.
    pub action_url: Option<String>,
    /// What it is about.
    pub topic: Option<String>,
    /// State of the topic.
    pub state: Option<String>,
    /// The heartbeat that it came from; it may be deleted.
    pub heartbeat_id: Option<String>,
    /// The execution that it came from.
    pub execution_id: Option<String>,
    /// `unread`, `read` or, if a channel gave up on it, `failed`.
    pub status: &'static str,
    /// When it was recorded.
    pub created_at: String,
}

impl From<Notice> for NotificationObject {
    fn from(notice: Notice) -> Self {
        Self {
            uuid: notice.id.to_string(),
            title: notice.title,
            message: notice.message,
            priority: notice.priority.as_str(),
            action_url: notice.action_url,
            topic: notice.topic,
            state: notice.state,
            heartbeat_id: notice.heartbeat_id.map(|id| id.to_string()),
            execution_id: notice.execution_id.map(|id| id.to_string()),
            status: notice.status,
            created_at: instant(notice.created_at),
        }
    }
}

/// A page of messages, newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NotificationsResponse {
    /// Messages on all pages.
    pub total: u64,
    /// The messages of this page.
    pub notifications: Vec<NotificationObject>,
    /// Where this page stands.
    pub pagination: Pagination,
}

/// Marks a message as read.
#[derive(Clone, Debug, ToSchema)]
pub struct AckRequest {
    /// The project.
    pub project_id: String,
    /// `uuid` of the message.
    pub notification_id: String,
}

/// One message.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NotificationResponse {
    /// The message.
    pub notification: NotificationObject,
}
