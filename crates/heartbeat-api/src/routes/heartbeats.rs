//! Heartbeats: configure, read, enable, disable, delete.

use axum::Json;
use heartbeat_store::verbs::BotRef;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::call::{Call, heartbeat_key};
use crate::input::IdText;
use crate::openapi::{Answer, Refusals};
use crate::wire::heartbeats::{
    ConfigureRequest, HeartbeatObject, HeartbeatRequest, HeartbeatResponse, HeartbeatsRequest,
    HeartbeatsResponse, MessageResponse, change,
};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(configure))
        .routes(routes!(read_all))
        .routes(routes!(read))
        .routes(routes!(enable))
        .routes(routes!(disable))
        .routes(routes!(delete))
}

/// Creates a heartbeat, or updates the one that `uuid` names.
#[utoipa::path(
    post,
    path = "/v1/bot/heartbeat/configure",
    tag = "heartbeats",
    operation_id = "configure_heartbeat",
    request_body = ConfigureRequest,
    responses((status = 200, description = "The heartbeat", body = HeartbeatResponse), Refusals)
)]
async fn configure(call: Call) -> Answer<HeartbeatResponse> {
    let bot = call.bot().await?;
    let existing = match call.input.optional::<IdText>("uuid")? {
        Some(id) => Some(heartbeat_key(&bot, &id)?),
        None => None,
    };
    if let Some(key) = existing {
        call.control
            .store()
            .heartbeat(key, call.control.now())
            .await?;
    } else {
        call.no_member()?;
    }
    let change = change(&call.input)?;
    let (project_id, bot) = (bot.project_id, BotRef::Id(bot.id));
    let existing = existing.map(|key| key.id);
    let heartbeat = call
        .control
        .configure(project_id, bot, existing, change)
        .await?;
    let heartbeat = HeartbeatObject::of(heartbeat, call.control.now());
    Ok(Json(HeartbeatResponse { heartbeat }))
}

/// All heartbeats of an agent, oldest first.
#[utoipa::path(
    get,
    path = "/v1/bot/heartbeat/readall",
    tag = "heartbeats",
    operation_id = "read_heartbeats",
    params(HeartbeatsRequest),
    responses((status = 200, description = "The heartbeats", body = HeartbeatsResponse), Refusals)
)]
async fn read_all(call: Call) -> Answer<HeartbeatsResponse> {
    let bot = call.bot().await?;
    call.no_member()?;
    let now = call.control.now();
    let found = call
        .control
        .store()
        .heartbeats(bot.project_id, bot.id, None, now)
        .await?;
    let heartbeats = found
        .into_iter()
        .map(|heartbeat| HeartbeatObject::of(heartbeat, now));
    Ok(Json(HeartbeatsResponse {
        heartbeats: heartbeats.collect(),
    }))
}

/// One heartbeat.
#[utoipa::path(
    get,
    path = "/v1/bot/heartbeat/read",
    tag = "heartbeats",
    operation_id = "read_heartbeat",
    params(HeartbeatRequest),
    responses((status = 200, description = "The heartbeat", body = HeartbeatResponse), Refusals)
)]
async fn read(call: Call) -> Answer<HeartbeatResponse> {
    let (key, now) = (call.heartbeat().await?, call.control.now());
    let heartbeat = call.control.store().heartbeat(key, now).await?;
    Ok(Json(HeartbeatResponse {
        heartbeat: HeartbeatObject::of(heartbeat, now),
    }))
}

/// Makes a heartbeat active. An active one keeps its times; only its error count starts anew.
#[utoipa::path(
    post,
    path = "/v1/bot/heartbeat/enable",
    tag = "heartbeats",
    operation_id = "enable_heartbeat",
    request_body = HeartbeatRequest,
    responses((status = 200, description = "The heartbeat", body = HeartbeatResponse), Refusals)
)]
async fn enable(call: Call) -> Answer<HeartbeatResponse> {
    let heartbeat = call.control.enable(call.heartbeat().await?).await?;
    let heartbeat = HeartbeatObject::of(heartbeat, call.control.now());
    Ok(Json(HeartbeatResponse { heartbeat }))
}

/// Makes a heartbeat inactive, whatever switch and plan say. What runs comes to its end.
#[utoipa::path(
    post,
    path = "/v1/bot/heartbeat/disable",
    tag = "heartbeats",
    operation_id = "disable_heartbeat",
    request_body = HeartbeatRequest,
    responses((status = 200, description = "The heartbeat", body = HeartbeatResponse), Refusals)
)]
async fn disable(call: Call) -> Answer<HeartbeatResponse> {
    let heartbeat = call.control.disable(call.heartbeat().await?).await?;
    let heartbeat = HeartbeatObject::of(heartbeat, call.control.now());
    Ok(Json(HeartbeatResponse { heartbeat }))
}

/// Deletes a heartbeat; its log stays.
#[utoipa::path(
    delete,
    path = "/v1/bot/heartbeat/delete",
    tag = "heartbeats",
    operation_id = "delete_heartbeat",
    params(HeartbeatRequest),
    responses((status = 200, description = "Done", body = MessageResponse), Refusals)
)]
async fn delete(call: Call) -> Answer<MessageResponse> {
    call.control.delete(call.heartbeat().await?).await?;
    Ok(Json(MessageResponse {
        message: "Heartbeat deleted",
    }))
}
