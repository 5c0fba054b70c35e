//! A message in the inbox. Its text is plain text, whatever it looks like.

use heartbeat_domain::notice::Priority;
use heartbeat_store::verbs::Notice;
use jiff::Timestamp;

use super::link::Link;
use super::{DEMO_LABEL, Moment, Whose, without_label};

/// A message as pages show it.
#[derive(Clone, Debug)]
pub(crate) struct NoticeView {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) message: String,
    pub(crate) urgent: bool,
    pub(crate) unread: bool,
    pub(crate) failed: bool,
    pub(crate) link: Option<Link>,
    pub(crate) from: Option<String>,
    pub(crate) execution: Option<String>,
    pub(crate) at: Moment,
    pub(crate) demo: bool,
}

impl NoticeView {
    pub(crate) fn new(notice: &Notice, whose: Option<&Whose>, now: Timestamp) -> Self {
        let zone = whose.map_or(jiff::tz::TimeZone::UTC, |whose| whose.zone.clone());
        Self {
            id: notice.id.to_string(),
            title: without_label(&notice.title).to_owned(),
            message: without_label(&notice.message).to_owned(),
            urgent: notice.priority == Priority::Urgent,
            unread: notice.status != "read",
            failed: notice.status == "failed",
            link: notice.action_url.as_deref().and_then(Link::parse),
            from: whose.map(|whose| whose.name.clone()),
            execution: notice.execution_id.map(|id| format!("/executions/{id}")),
            at: Moment::new(notice.created_at, &zone, now),
            demo: notice.title.starts_with(DEMO_LABEL) || notice.message.starts_with(DEMO_LABEL),
        }
    }
}
