//! Messages to people.

use axum::Json;
use heartbeat_domain::ids::NoticeId;
use heartbeat_store::verbs::NoticeFilter;
use heartbeat_store::{StoreError, Thing};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::call::Call;
use crate::input::IdText;
use crate::openapi::{Answer, Refusals};
use crate::page::{self, Pagination};
use crate::wire::notifications::{
    AckRequest, NotificationResponse, NotificationsRequest, NotificationsResponse,
};

const PER_PAGE: u32 = 20;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(read_all))
        .routes(routes!(ack))
}

/// A page of a project's messages, newest first.
#[utoipa::path(
    get,
    path = "/v1/bot/notification/readall",
    tag = "notifications",
    operation_id = "read_notifications",
    params(NotificationsRequest),
    responses((status = 200, description = "The messages", body = NotificationsResponse), Refusals)
)]
async fn read_all(call: Call) -> Answer<NotificationsResponse> {
    let project_id = call.project().await?;
    let bot = call.optional_bot(project_id).await?;
    call.no_member()?;
    let filter = NoticeFilter {
        bot_id: bot.map(|bot| bot.id),
        member_id: None,
        heartbeat_id: call.optional_heartbeat()?,
        unread: call.input.optional("unread")?.unwrap_or(false),
    };
    let page = page::asked(&call.input, PER_PAGE)?;
    let found = call
        .control
        .store()
        .notices(project_id, &filter, page)
        .await?;
    Ok(Json(NotificationsResponse {
        total: found.total,
        notifications: found.rows.into_iter().map(Into::into).collect(),
        pagination: Pagination::of(page, found.total),
    }))
}

/// Marks a message as read.
#[utoipa::path(
    post,
    path = "/v1/bot/notification/ack",
    tag = "notifications",
    operation_id = "acknowledge_notification",
    request_body = AckRequest,
    responses((status = 200, description = "The message", body = NotificationResponse), Refusals)
)]
async fn ack(call: Call) -> Answer<NotificationResponse> {
    let project_id = call.project().await?;
    let IdText(text) = call.input.required("notification_id")?;
    let id: NoticeId = text
        .parse()
        .map_err(|_| StoreError::NotFound(Thing::Notice))?;
    let now = call.control.now();
    let notice = call
        .control
        .store()
        .acknowledge(project_id, id, now)
        .await?;
    Ok(Json(NotificationResponse {
        notification: notice.into(),
    }))
}
