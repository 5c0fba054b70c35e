//! Counts.

use axum::Json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::call::Call;
use crate::openapi::{Answer, Refusals};
use crate::page::within;
use crate::wire::stats::{StatsRequest, StatsResponse};

const DAYS: u32 = 30;
const DAYS_MAX: u32 = 366;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(stats))
}

/// Counts of an agent's executions over the last days, today included.
#[utoipa::path(
    get,
    path = "/v1/bot/heartbeat/stats",
    tag = "executions",
    operation_id = "read_stats",
    params(StatsRequest),
    responses((status = 200, description = "The counts", body = StatsResponse), Refusals)
)]
async fn stats(call: Call) -> Answer<StatsResponse> {
    let bot = call.bot().await?;
    let days = within(&call.input, "days", DAYS, (1, DAYS_MAX))?;
    let now = call.control.now();
    let summary = call
        .control
        .store()
        .stats(bot.project_id, bot.id, days, now)
        .await?;
    Ok(Json(StatsResponse {
        stats: summary.into(),
    }))
}
