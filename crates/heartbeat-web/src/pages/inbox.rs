//! The inbox: what agents and the engine had to tell, unread messages first.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Redirect;
use heartbeat_domain::ids::NoticeId;
use heartbeat_store::verbs::NoticeFilter;
use serde::Deserialize;

use super::paging::{self, Paging};
use crate::Web;
use crate::frame::{Answer, Frame, page};
use crate::reading::Roster;
use crate::refusal::Refusal;
use crate::session::{Deed, Session};
use crate::views::NoticeView;

const PER_PAGE: u32 = 25;

#[derive(Template)]
#[template(path = "inbox.html")]
struct InboxPage {
    frame: Frame,
    unread: Vec<NoticeView>,
    rows: Vec<NoticeView>,
    paging: Paging,
}

/// Which page is asked for.
#[derive(Deserialize)]
pub(crate) struct InboxQuery {
    page: Option<String>,
}

/// The page. On the first one all that is unread and fits stands before the rest.
pub(crate) async fn show(
    State(web): State<Web>,
    session: Session,
    Query(query): Query<InboxQuery>,
) -> Answer {
    let control = &web.control;
    let (project_id, now) = (session.project.id, control.now());
    let roster = Roster::of_project(control, project_id, now).await?;
    let page_asked = paging::asked(query.page.as_deref(), PER_PAGE);
    let view = |notice| NoticeView::new(notice, roster.of_heartbeat(notice.heartbeat_id), now);
    let any = NoticeFilter::default();
    let listed = control
        .store()
        .notices(project_id, &any, page_asked)
        .await?;
    let mut rows: Vec<NoticeView> = listed.rows.iter().map(view).collect();
    let mut unread = Vec::new();
    if page_asked.number == 1 {
        let only = NoticeFilter {
            unread: true,
            ..any
        };
        let waiting = control
            .store()
            .notices(project_id, &only, page_asked)
            .await?;
        unread = waiting.rows.iter().map(view).collect();
        rows.retain(|row| unread.iter().all(|one: &NoticeView| one.id != row.id));
    }
    page(&InboxPage {
        frame: Frame::new(&web, &session, "Inbox", "/inbox").await?,
        unread,
        rows,
        paging: Paging::new(page_asked, listed.total, "/inbox?page="),
    })
}

/// Marks a message as read.
pub(crate) async fn acknowledge(
    State(web): State<Web>,
    Path(id): Path<String>,
    deed: Deed,
) -> Result<Redirect, Refusal> {
    let id: NoticeId = id.parse().map_err(|_| Refusal::not_found("notification"))?;
    let project_id = deed.session.project.id;
    let now = web.control.now();
    web.control.store().acknowledge(project_id, id, now).await?;
    Ok(Redirect::to(&deed.back))
}
