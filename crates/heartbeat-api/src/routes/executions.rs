//! The log: executions of an agent, and one of them with its steps.

use axum::Json;
use heartbeat_domain::execution::{Phase, Status};
use heartbeat_domain::ids::ExecutionId;
use heartbeat_domain::violation::Violation;
use heartbeat_store::verbs::{LogFilter, LogState};
use heartbeat_store::{StoreError, Thing};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::call::Call;
use crate::input::{IdText, Input};
use crate::openapi::{Answer, Refusals};
use crate::page::{self, Pagination};
use crate::wire::executions::{LogRequest, LogResponse, LogsRequest, LogsResponse};

const PER_PAGE: u32 = 20;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(logs))
        .routes(routes!(log))
}

/// A page of an agent's executions, newest first.
#[utoipa::path(
    get,
    path = "/v1/bot/heartbeat/logs",
    tag = "executions",
    operation_id = "read_logs",
    params(LogsRequest),
    responses((status = 200, description = "The executions", body = LogsResponse), Refusals)
)]
async fn logs(call: Call) -> Answer<LogsResponse> {
    let bot = call.bot().await?;
    call.no_member()?;
    let filter = LogFilter {
        bot_id: Some(bot.id),
        heartbeat_id: call.optional_heartbeat()?,
        state: state(&call.input)?,
        ..LogFilter::default()
    };
    let page = page::asked(&call.input, PER_PAGE)?;
    let found = call
        .control
        .store()
        .logs(bot.project_id, &filter, page)
        .await?;
    Ok(Json(LogsResponse {
        total: found.total,
        logs: found.rows.into_iter().map(Into::into).collect(),
        pagination: Pagination::of(page, found.total),
    }))
}

fn state(input: &Input) -> Result<Option<LogState>, Violation> {
    let Some(text) = input.optional::<String>("status")? else {
        return Ok(None);
    };
    let state = match text.as_str() {
        "running" => Some(LogState::Open(Phase::Running)),
        "waiting" => Some(LogState::Open(Phase::Waiting)),
        ended => Status::find(ended).map(LogState::Ended),
    };
    let expected = "must be success, error, skipped, cancelled, running or waiting";
    state
        .map(Some)
        .ok_or_else(|| Violation::input("status", expected))
}

/// One execution with its steps.
#[utoipa::path(
    get,
    path = "/v1/bot/heartbeat/log",
    tag = "executions",
    operation_id = "read_log",
    params(LogRequest),
    responses((status = 200, description = "The execution", body = LogResponse), Refusals)
)]
async fn log(call: Call) -> Answer<LogResponse> {
    let bot = call.bot().await?;
    let IdText(text) = call.input.required("execution_id")?;
    let unknown = || StoreError::NotFound(Thing::Execution);
    let id: ExecutionId = text.parse().map_err(|_| unknown())?;
    let execution = call.control.store().execution(bot.project_id, id).await?;
    if execution.bot_id != bot.id {
        return Err(unknown().into());
    }
    let steps = call.control.store().steps(bot.project_id, id).await?;
    let steps = steps.into_iter().map(Into::into).collect();
    Ok(Json(LogResponse {
        log: execution.into(),
        steps,
    }))
}
