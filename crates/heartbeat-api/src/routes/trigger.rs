//! Carrying out a heartbeat now, and stopping what is under way.

use axum::Json;
use heartbeat_engine::control::TRIGGER_WAIT_DEFAULT;
use jiff::SignedDuration;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::call::Call;
use crate::input::Input;
use crate::openapi::{Answer, Refusals};
use crate::page::within;
use crate::problem::Problem;
use crate::wire::executions::{CancelResponse, RunResponse, TriggerRequest};
use crate::wire::heartbeats::HeartbeatRequest;

/// Longest that an answer is waited for, in seconds.
const WAIT_MAX: u32 = 600;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(trigger))
        .routes(routes!(cancel))
}

/// Carries out a heartbeat now, also a disabled one, and answers when it has ended. A run that
/// fails is an answer like any other: 200 with `result.status` `error`.
#[utoipa::path(
    post,
    path = "/v1/bot/heartbeat/trigger",
    tag = "heartbeats",
    operation_id = "trigger_heartbeat",
    request_body = TriggerRequest,
    responses((status = 200, description = "What became of it", body = RunResponse), Refusals)
)]
async fn trigger(call: Call) -> Answer<RunResponse> {
    let key = call.heartbeat().await?;
    call.control
        .store()
        .heartbeat(key, call.control.now())
        .await?;
    let wait = wait(&call.input)?;
    let execution = call.control.trigger(key, wait).await?;
    Ok(Json(RunResponse {
        result: execution.into(),
    }))
}

fn wait(input: &Input) -> Result<SignedDuration, Problem> {
    let default = u32::try_from(TRIGGER_WAIT_DEFAULT.as_secs()).unwrap_or(WAIT_MAX);
    let seconds = within(input, "wait_seconds", default, (0, WAIT_MAX))?;
    Ok(SignedDuration::from_secs(seconds.into()))
}

/// Stops the execution that is under way, within five seconds.
#[utoipa::path(
    post,
    path = "/v1/bot/heartbeat/cancel",
    tag = "heartbeats",
    operation_id = "cancel_execution",
    request_body = HeartbeatRequest,
    responses((status = 200, description = "What stops", body = CancelResponse), Refusals)
)]
async fn cancel(call: Call) -> Answer<CancelResponse> {
    let execution_id = call.control.cancel(call.heartbeat().await?).await?;
    Ok(Json(CancelResponse {
        execution_id: execution_id.to_string(),
    }))
}
