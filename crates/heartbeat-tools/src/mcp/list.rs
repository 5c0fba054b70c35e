//! The tools of a server: all pages of them, within bounds.

use std::collections::HashSet;

use heartbeat_domain::tool::{Annotations, ListedTool};
use rmcp::model::{PaginatedRequestParams, Tool};
use rmcp::service::ServiceError;
use serde_json::Value;

use super::session::Session;
use super::trace::Problem;

/// Most tools of one server.
const TOOLS_MAX: usize = 1_000;

/// Most pages of one list.
const PAGES_MAX: usize = 100;

/// Most bytes of descriptions and schemas together.
const LIST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Asks for all tools. Of two tools with one name the first counts.
pub(super) async fn all(session: &Session) -> Result<Vec<ListedTool>, Problem> {
    let mut tools = Vec::new();
    let mut names = HashSet::new();
    let mut bytes = 0;
    let mut cursor = None;
    for _ in 0..PAGES_MAX {
        let ask = PaginatedRequestParams::default().with_cursor(cursor);
        let page = session
            .peer()
            .list_tools(Some(ask))
            .await
            .map_err(|error| failed(session, error))?;
        for tool in page.tools {
            let tool = listed(tool);
            bytes += tool.description.len() + tool.schema.to_string().len();
            if bytes > LIST_BYTES_MAX || tools.len() == TOOLS_MAX {
                return Err(too_long());
            }
            if names.insert(tool.name.clone()) {
                tools.push(tool);
            }
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(tools);
        }
    }
    Err(too_long())
}

fn listed(tool: Tool) -> ListedTool {
    let hints = tool.annotations.unwrap_or_default();
    ListedTool {
        name: tool.name.into_owned(),
        description: tool.description.unwrap_or_default().into_owned(),
        schema: Value::Object((*tool.input_schema).clone()),
        annotations: Annotations {
            read_only: hints.read_only_hint,
            destructive: hints.destructive_hint,
            idempotent: hints.idempotent_hint,
            open_world: hints.open_world_hint,
        },
    }
}

fn too_long() -> Problem {
    let words = format!(
        "the server lists more than {TOOLS_MAX} tools, or more than {LIST_BYTES_MAX} bytes of them"
    );
    Problem::open("TOOL_SERVER_FLOODS", words)
}

fn failed(session: &Session, error: ServiceError) -> Problem {
    match error {
        ServiceError::McpError(error) => Problem::certain(
            "TOOL_SERVER_NONSENSE",
            format!(
                "the server does not list tools: {} ({})",
                error.message, error.code.0
            ),
        ),
        ServiceError::UnexpectedResponse => Problem::open(
            "TOOL_SERVER_NONSENSE",
            "the server answered with something other than a list of tools",
        ),
        _ => session.problem().unwrap_or_else(|| {
            let words = "the connection to the tool server ended before the list came";
            Problem::open("TOOL_SERVER_UNREACHABLE", words)
        }),
    }
}
