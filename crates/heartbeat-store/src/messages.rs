//! Messages to people as rows, whichever database keeps them.

use heartbeat_domain::execution::Execution;
use heartbeat_domain::ids::{BotId, ExecutionId, HeartbeatId, MemberId, NoticeId, ProjectId};
use heartbeat_domain::notice::Priority;

use crate::rows::Cursor;
use crate::verbs::{Channel, Notice, Result};

/// Columns of a message under the alias `n`.
macro_rules! notice_columns {
    () => {
        "n.id, n.project_id, n.bot_id, n.member_id, n.heartbeat_id, n.execution_id, n.title, \
         n.message, n.priority, n.action_url, n.topic, n.state, n.created_at, n.read_at, \
         n.failed_at"
    };
}

pub(crate) use notice_columns;

/// What a message comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) project_id: ProjectId,
    pub(crate) bot_id: Option<BotId>,
    pub(crate) member_id: Option<MemberId>,
    pub(crate) heartbeat_id: Option<HeartbeatId>,
    pub(crate) execution_id: Option<ExecutionId>,
}

impl Origin {
    /// From an execution.
    pub(crate) fn of_execution(execution: &Execution) -> Self {
        Self {
            project_id: execution.project_id,
            bot_id: Some(execution.bot_id),
            member_id: execution.member_id,
            heartbeat_id: execution.heartbeat_id,
            execution_id: Some(execution.id),
        }
    }

    /// From the engine itself.
    pub(crate) fn of_project(project_id: ProjectId) -> Self {
        Self {
            project_id,
            bot_id: None,
            member_id: None,
            heartbeat_id: None,
            execution_id: None,
        }
    }
}

/// Reads [`notice_columns`] from the cursor on.
pub(crate) fn notice(c: &mut Cursor<'_>) -> Result<Notice> {
    let mut notice = Notice {
        id: NoticeId(c.take()?),
        project_id: ProjectId(c.take()?),
        bot_id: c.find_id(BotId)?,
        member_id: c.find_id(MemberId)?,
        heartbeat_id: c.find_id(HeartbeatId)?,
        execution_id: c.find_id(ExecutionId)?,
        title: c.take()?,
        message: c.take()?,
        priority: c.name(priority)?,
        action_url: c.take()?,
        topic: c.take()?,
        state: c.take()?,
        status: "unread",
        created_at: c.time()?,
    };
    let (read_at, failed_at) = (c.find_time()?, c.find_time()?);
    notice.status = match (read_at, failed_at) {
        (Some(_), _) => "read",
        (None, Some(_)) => "failed",
        (None, None) => "unread",
    };
    Ok(notice)
}

fn priority(text: &str) -> Option<Priority> {
    [Priority::Low, Priority::Normal, Priority::Urgent]
        .into_iter()
        .find(|one| one.as_str() == text)
}

/// A channel by its stable name.
pub(crate) fn channel(text: &str) -> Option<Channel> {
    [Channel::Webhook]
        .into_iter()
        .find(|one| one.as_str() == text)
}
