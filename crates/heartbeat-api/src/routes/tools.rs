//! Tool servers of an agent, and what may be called of them.

use axum::Json;
use axum::extract::Path;
use heartbeat_store::Thing;
use heartbeat_store::verbs::ToolServerKey;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::call::Call;
use crate::openapi::{Answer, Refusals};
use crate::page::{self, Pagination};
use crate::problem::Problem;
use crate::wire::bots::DoneResponse;
use crate::wire::tool_requests::{
    self, ConfigureToolsRequest, CreateToolRequest, ToggleToolRequest, UpdateToolRequest,
};
use crate::wire::tools::{
    TestConnectionResponse, ToolDone, ToolListResponse, ToolPageRequest, ToolResponse, ToolScope,
};

const PER_PAGE: u32 = 10;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(list, create))
        .routes(routes!(read, update, delete))
        .routes(routes!(configure))
        .routes(routes!(refresh))
        .routes(routes!(toggle))
        .routes(routes!(test))
}

/// The tool server that the path names, of the agent that the request names.
async fn named(call: &Call, id: &str) -> Result<ToolServerKey, Problem> {
    let bot = call.bot().await?;
    let id = id.parse().map_err(|_| Thing::ToolServer)?;
    Ok(ToolServerKey {
        project_id: bot.project_id,
        bot_id: bot.id,
        id,
    })
}

/// A page of an agent's tool servers, oldest first.
#[utoipa::path(
    get,
    path = "/v1/bot/tool",
    tag = "tools",
    operation_id = "list_tools",
    params(ToolPageRequest),
    responses((status = 200, description = "The tool servers", body = ToolListResponse), Refusals)
)]
async fn list(call: Call) -> Answer<ToolListResponse> {
    let bot = call.bot().await?;
    let page = page::asked(&call.input, PER_PAGE)?;
    let store = call.control.store();
    let found = store.tool_servers(bot.project_id, bot.id, page).await?;
    Ok(Json(ToolListResponse {
        tools: found.rows.into_iter().map(Into::into).collect(),
        pagination: Pagination::of(page, found.total),
    }))
}

/// Adds a tool server to an agent and asks it for its tools. One that does not answer is kept, with
/// its `trouble`.
#[utoipa::path(
    post,
    path = "/v1/bot/tool",
    tag = "tools",
    operation_id = "create_tool",
    request_body = CreateToolRequest,
    responses((status = 200, description = "The tool server", body = ToolResponse), Refusals)
)]
async fn create(call: Call) -> Answer<ToolResponse> {
    let bot = call.bot().await?;
    let ask = tool_requests::ask(&call.input)?;
    let made = call
        .control
        .create_tool_server(bot.project_id, bot.id, ask)
        .await?;
    Ok(Json(ToolResponse {
        tool: made.server.into(),
    }))
}

/// A tool server.
#[utoipa::path(
    get,
    path = "/v1/bot/tool/{id}",
    tag = "tools",
    operation_id = "read_tool",
    params(("id" = String, Path, description = "The tool server"), ToolScope),
    responses((status = 200, description = "The tool server", body = ToolResponse), Refusals)
)]
async fn read(Path(id): Path<String>, call: Call) -> Answer<ToolResponse> {
    let key = named(&call, &id).await?;
    let server = call.control.store().tool_server(key).await?;
    Ok(Json(ToolResponse {
        tool: server.into(),
    }))
}

/// Changes a tool server; one that is reached otherwise than before is asked for its tools.
#[utoipa::path(
    put,
    path = "/v1/bot/tool/{id}",
    tag = "tools",
    operation_id = "update_tool",
    params(("id" = String, Path, description = "The tool server")),
    request_body = UpdateToolRequest,
    responses((status = 200, description = "The tool server", body = ToolResponse), Refusals)
)]
async fn update(Path(id): Path<String>, call: Call) -> Answer<ToolResponse> {
    let key = named(&call, &id).await?;
    call.control.store().tool_server(key).await?;
    let change = tool_requests::change(&call.input)?;
    let server = call.control.update_tool_server(key, change).await?;
    Ok(Json(ToolResponse {
        tool: server.into(),
    }))
}

/// Deletes a tool server with its secrets.
#[utoipa::path(
    delete,
    path = "/v1/bot/tool/{id}",
    tag = "tools",
    operation_id = "delete_tool",
    params(("id" = String, Path, description = "The tool server"), ToolScope),
    responses((status = 200, description = "Done", body = DoneResponse), Refusals)
)]
async fn delete(Path(id): Path<String>, call: Call) -> Answer<DoneResponse> {
    let key = named(&call, &id).await?;
    call.control.delete_tool_server(key).await?;
    Ok(Json(DoneResponse {
        success: true,
        message: "Tool deleted",
    }))
}

/// Decides about several tools of a server at once, all or none.
#[utoipa::path(
    put,
    path = "/v1/bot/tool/{id}/configure",
    tag = "tools",
    operation_id = "configure_tools",
    params(("id" = String, Path, description = "The tool server")),
    request_body = ConfigureToolsRequest,
    responses((status = 200, description = "Done", body = ToolDone), Refusals)
)]
async fn configure(Path(id): Path<String>, call: Call) -> Answer<ToolDone> {
    let key = named(&call, &id).await?;
    call.control.store().tool_server(key).await?;
    let decisions = tool_requests::decisions(&call.input)?;
    let message = format!("Tools configured: {}", decisions.len());
    let server = call.control.decide_tools(key, decisions).await?;
    Ok(Json(ToolDone::well(message, server)))
}

/// Asks a server for its tools and takes its list over. What a person decided stays; a tool that
/// changed asks.
#[utoipa::path(
    post,
    path = "/v1/bot/tool/{id}/refresh",
    tag = "tools",
    operation_id = "refresh_tools",
    params(("id" = String, Path, description = "The tool server"), ToolScope),
    responses((status = 200, description = "What came of it", body = ToolDone), Refusals)
)]
async fn refresh(Path(id): Path<String>, call: Call) -> Answer<ToolDone> {
    let key = named(&call, &id).await?;
    let listing = call.control.refresh_tools(key).await?;
    Ok(Json(ToolDone::listed(listing)))
}

/// Decides about one tool of a server.
#[utoipa::path(
    post,
    path = "/v1/bot/tool/{id}/toggle",
    tag = "tools",
    operation_id = "toggle_tool",
    params(("id" = String, Path, description = "The tool server")),
    request_body = ToggleToolRequest,
    responses((status = 200, description = "Done", body = ToolDone), Refusals)
)]
async fn toggle(Path(id): Path<String>, call: Call) -> Answer<ToolDone> {
    let key = named(&call, &id).await?;
    call.control.store().tool_server(key).await?;
    let decision = tool_requests::toggle(&call.input)?;
    let server = call.control.decide_tools(key, vec![decision]).await?;
    Ok(Json(ToolDone::well("Tool toggled", server)))
}

/// Asks a server for its tools and says what came of it.
#[utoipa::path(
    post,
    path = "/v1/bot/tool/{id}/test",
    tag = "tools",
    operation_id = "test_tool",
    params(("id" = String, Path, description = "The tool server"), ToolScope),
    responses(
        (status = 200, description = "What came of it", body = TestConnectionResponse),
        Refusals
    )
)]
async fn test(Path(id): Path<String>, call: Call) -> Answer<TestConnectionResponse> {
    let key = named(&call, &id).await?;
    let listing = call.control.refresh_tools(key).await?;
    Ok(Json(listing.into()))
}
