//! What stands around every page of a signed-in visitor.

use askama::Template;
use axum::response::Html;
use heartbeat_store::verbs::{NoticeFilter, Page};

use crate::refusal::Refusal;
use crate::session::Session;
use crate::{Web, token};

/// A page, or why there is none.
pub(crate) type Answer = Result<Html<String>, Refusal>;

/// What stands around every page.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) title: String,
    /// The page's own path, for going back to it.
    pub(crate) path: String,
    pub(crate) project: String,
    pub(crate) project_paused: bool,
    pub(crate) is_operator: bool,
    pub(crate) token: String,
    pub(crate) unread: u64,
    pub(crate) model_line: String,
    pub(crate) demo: bool,
    /// The server's clock, by which the script tells how far moments are.
    pub(crate) now: i64,
}

impl Frame {
    pub(crate) async fn new(
        web: &Web,
        session: &Session,
        title: impl Into<String>,
        path: impl Into<String>,
    ) -> Result<Self, Refusal> {
        let filter = NoticeFilter {
            unread: true,
            ..NoticeFilter::default()
        };
        let one = Page { number: 1, size: 1 };
        let unread = web
            .control
            .store()
            .notices(session.project.id, &filter, one)
            .await?;
        Ok(Self {
            title: title.into(),
            path: path.into(),
            project: session.project.name.clone(),
            project_paused: session.project.paused_at.is_some(),
            is_operator: session.is_operator,
            token: token::of(&session.secret),
            unread: unread.total,
            model_line: web.settings.model_line.clone(),
            demo: web.settings.is_demo_model,
            now: web.control.now().as_millisecond(),
        })
    }
}

/// A template as a page.
pub(crate) fn page(template: &impl Template) -> Answer {
    Ok(Html(template.render()?))
}
