//! Subscribers. There are none yet, and the list is an honest empty one.

use axum::Json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::call::Call;
use crate::openapi::{Answer, Refusals};
use crate::page::{self, Pagination};
use crate::wire::bots::PageRequest;
use crate::wire::subscribers::SubscribersResponse;

const PER_PAGE: u32 = 10;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(read_all))
}

/// A page of a project's subscribers.
#[utoipa::path(
    get,
    path = "/v1/bot/subscriber/readall",
    tag = "subscribers",
    operation_id = "read_subscribers",
    params(PageRequest),
    responses((status = 200, description = "The subscribers", body = SubscribersResponse), Refusals)
)]
async fn read_all(call: Call) -> Answer<SubscribersResponse> {
    call.project().await?;
    let page = page::asked(&call.input, PER_PAGE)?;
    Ok(Json(SubscribersResponse {
        subscribers: Vec::new(),
        pagination: Pagination::of(page, 0),
    }))
}
