//! Agents.

use axum::Json;
use heartbeat_store::verbs::BotRef;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::call::Call;
use crate::openapi::{Answer, Refusals};
use crate::page::{self, Pagination};
use crate::wire::bots::{
    BotRequest, BotResponse, BotUpdated, BotsResponse, CreateBotRequest, DoneResponse, PageRequest,
    UpdateBotRequest, change,
};

const PER_PAGE: u32 = 10;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(create))
        .routes(routes!(read))
        .routes(routes!(read_all))
        .routes(routes!(update))
        .routes(routes!(delete))
}

/// Creates an agent.
#[utoipa::path(
    post,
    path = "/v1/bot/create",
    tag = "bots",
    operation_id = "create_bot",
    request_body = CreateBotRequest,
    responses((status = 200, description = "The agent", body = BotResponse), Refusals)
)]
async fn create(call: Call) -> Answer<BotResponse> {
    let project_id = call.project().await?;
    let bot = call
        .control
        .create_bot(project_id, change(&call.input)?)
        .await?;
    Ok(Json(BotResponse { bot: bot.into() }))
}

/// One agent.
#[utoipa::path(
    get,
    path = "/v1/bot/read",
    tag = "bots",
    operation_id = "read_bot",
    params(BotRequest),
    responses((status = 200, description = "The agent", body = BotResponse), Refusals)
)]
async fn read(call: Call) -> Answer<BotResponse> {
    Ok(Json(BotResponse {
        bot: call.bot().await?.into(),
    }))
}

/// A page of a project's agents, oldest first.
#[utoipa::path(
    get,
    path = "/v1/bot/readall",
    tag = "bots",
    operation_id = "read_bots",
    params(PageRequest),
    responses((status = 200, description = "The agents", body = BotsResponse), Refusals)
)]
async fn read_all(call: Call) -> Answer<BotsResponse> {
    let project_id = call.project().await?;
    let page = page::asked(&call.input, PER_PAGE)?;
    let found = call.control.store().bots(project_id, page).await?;
    Ok(Json(BotsResponse {
        bots: found.rows.into_iter().map(Into::into).collect(),
        pagination: Pagination::of(page, found.total),
    }))
}

/// Changes an agent; the answer has only what the request named.
#[utoipa::path(
    put,
    path = "/v1/bot/update",
    tag = "bots",
    operation_id = "update_bot",
    request_body = UpdateBotRequest,
    responses((status = 200, description = "What changed", body = BotUpdated), Refusals)
)]
async fn update(call: Call) -> Answer<BotUpdated> {
    let bot = call.bot().await?;
    let change = change(&call.input)?;
    let updated = call
        .control
        .update_bot(bot.project_id, BotRef::Id(bot.id), change.clone())
        .await?;
    Ok(Json(BotUpdated::of(updated, &change)))
}

/// Deletes an agent with its heartbeats; their log stays.
#[utoipa::path(
    delete,
    path = "/v1/bot/delete",
    tag = "bots",
    operation_id = "delete_bot",
    params(BotRequest),
    responses((status = 200, description = "Done", body = DoneResponse), Refusals)
)]
async fn delete(call: Call) -> Answer<DoneResponse> {
    let bot = call.bot().await?;
    call.control
        .delete_bot(bot.project_id, BotRef::Id(bot.id))
        .await?;
    Ok(Json(DoneResponse {
        success: true,
        message: "Bot deleted",
    }))
}
