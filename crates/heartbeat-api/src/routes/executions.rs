//! The log: executions of an agent, and one of them with its steps.

use axum::Json;
use heartbeat_domain::execution::{Execution, Phase, Status};
use heartbeat_domain::ids::ExecutionId;
use heartbeat_domain::step::Decision;
use heartbeat_domain::violation::Violation;
use heartbeat_store::verbs::{LogFilter, LogState, ReviewAsk};
use heartbeat_store::{StoreError, Thing};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::call::Call;
use crate::input::{IdText, Input};
use crate::openapi::{Answer, Refusals};
use crate::page::{self, Pagination};
use crate::problem::Problem;
use crate::wire::executions::{
    LogRequest, LogResponse, LogsRequest, LogsResponse, ReviewRequest, ReviewResponse,
};

const PER_PAGE: u32 = 20;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(logs))
        .routes(routes!(log))
        .routes(routes!(review))
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
        needs_review: call.input.optional("needs_review")?,
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
    let execution = execution(&call).await?;
    let (project_id, id) = (execution.project_id, execution.id);
    let steps = call.control.store().steps(project_id, id).await?;
    let steps = steps.into_iter().map(Into::into).collect();
    Ok(Json(LogResponse {
        log: execution.into(),
        steps,
    }))
}

/// The execution that a request names, if it is the agent's.
async fn execution(call: &Call) -> Result<Execution, Problem> {
    let bot = call.bot().await?;
    let IdText(text) = call.input.required("execution_id")?;
    let unknown = || StoreError::NotFound(Thing::Execution);
    let id: ExecutionId = text.parse().map_err(|_| unknown())?;
    let execution = call.control.store().execution(bot.project_id, id).await?;
    if execution.bot_id != bot.id {
        return Err(unknown().into());
    }
    Ok(execution)
}

/// Says whether a call whose outcome is unknown happened.
#[utoipa::path(
    post,
    path = "/v1/bot/heartbeat/review",
    tag = "executions",
    operation_id = "review_call",
    request_body = ReviewRequest,
    responses((status = 200, description = "The call", body = ReviewResponse), Refusals)
)]
async fn review(call: Call) -> Answer<ReviewResponse> {
    let execution = execution(&call).await?;
    let word: String = call.input.required("outcome")?;
    let decision = Decision::find(&word)
        .ok_or_else(|| Violation::input("outcome", "must be done or not_done"))?;
    let ask = ReviewAsk {
        execution_id: execution.id,
        seq: call.input.required("step")?,
        decision,
        by: call.who(),
    };
    let (store, project_id) = (call.control.store(), execution.project_id);
    let step = store.review(project_id, &ask, call.control.now()).await?;
    let after = store.execution(project_id, execution.id).await?;
    Ok(Json(ReviewResponse {
        step: step.into(),
        needs_review: after.needs_review,
    }))
}
