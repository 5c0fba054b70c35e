//! Tool servers and their tools, as responses show them. Values of headers are never among them.

use heartbeat_domain::tool::{Permission, Place, Repeat, Tool, ToolServer};
use heartbeat_engine::control::Listing;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::instant;
use crate::page::Pagination;

/// What stands in the place of a header's value. Sent back, it keeps the value.
pub const MASK: &str = "********";

/// Names a tool server's agent.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ToolScope {
    /// The project.
    pub project_id: String,
    /// The agent, by UUID or row number.
    pub bot_id: String,
}

/// Which page of an agent's tool servers.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ToolPageRequest {
    /// The project.
    pub project_id: String,
    /// The agent, by UUID or row number.
    pub bot_id: String,
    /// 1 and up.
    pub page: Option<u32>,
    /// 1 to 100; 10 where left out.
    pub per_page: Option<u32>,
}

/// A tool server of an agent.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ToolServer)]
pub struct ToolServerObject {
    /// UUID.
    pub id: String,
    /// Name for people.
    pub server_label: String,
    /// Its address; null where the operator declared it.
    pub server_url: Option<String>,
    /// `http`, or `declared` where the operator declared it.
    pub transport: &'static str,
    /// `never`: new tools may be called. `always`: they ask first. `tool-specific`: they are off
    /// until each is decided.
    pub require_approval: &'static str,
    /// Names of its headers; their values are masked.
    #[schema(value_type = Object)]
    pub headers: Map<String, Value>,
    /// Whether its tools are offered at all.
    pub is_enabled: bool,
    /// Always `mcp`.
    pub r#type: &'static str,
    /// Its tools, as it listed them last.
    pub tools: Vec<ToolObject>,
    /// When it was made.
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
    /// By which name the operator declared it.
    pub server_name: Option<String>,
    /// Whether what it says of its tools counts for repeats.
    pub trusted: bool,
    /// Why it could not be listed last.
    pub trouble: Option<String>,
}

/// A tool of a server.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Tool)]
pub struct ToolObject {
    /// Name on the server.
    pub name: String,
    /// What it does, in the server's words.
    pub description: String,
    /// Whether the model may call it now.
    pub is_active: bool,
    /// JSON Schema of its arguments.
    #[schema(value_type = Object)]
    pub schema: Value,
    /// `allowed`, `asks` or `off`.
    pub permission: &'static str,
    /// What a person decided about a call whose answer was lost; null where nobody did.
    pub repeat: Option<&'static str>,
    /// What is done about such a call: `safe`, `by_effect_id` or `never`.
    pub repeat_effective: &'static str,
    /// Whether it changed since a person looked at it.
    pub changed: bool,
    /// What to know about its being off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
}

const ASKS: &str = "It asks before each call, and nobody can be asked yet, so it is off. Allow it to switch it on.";
const CHANGED: &str = "Its description or schema changed, so it asks before each call; nobody can \
    be asked yet, so it is off. Look at it and allow it to switch it on.";

impl ToolObject {
    fn of(tool: Tool, trusted: bool) -> Self {
        let note = match (tool.permission, tool.changed) {
            (Permission::Asks, true) => Some(CHANGED),
            (Permission::Asks, false) => Some(ASKS),
            _ => None,
        };
        Self {
            is_active: tool.permission == Permission::Allowed,
            permission: tool.permission.as_str(),
            repeat: tool.repeat.map(Repeat::as_str),
            repeat_effective: tool.repeats(trusted).as_str(),
            changed: tool.changed,
            note,
            name: tool.listed.name,
            description: tool.listed.description,
            schema: tool.listed.schema,
        }
    }
}

impl From<ToolServer> for ToolServerObject {
    fn from(server: ToolServer) -> Self {
        let trusted = server.trusted;
        let tools = server.tools.into_iter();
        let (transport, server_url, server_name) = match server.place {
            Place::Http { url } => ("http", Some(url), None),
            Place::Declared { name } => ("declared", None, Some(name)),
        };
        let masked = |name: String| (name, Value::from(MASK));
        Self {
            id: server.id.to_string(),
            server_label: server.label,
            server_url,
            transport,
            require_approval: approval(server.fresh),
            headers: server.header_names.into_iter().map(masked).collect(),
            is_enabled: server.is_enabled,
            r#type: "mcp",
            tools: tools.map(|tool| ToolObject::of(tool, trusted)).collect(),
            created_at: instant(server.created_at),
            updated_at: instant(server.updated_at),
            server_name,
            trusted,
            trouble: server.trouble,
        }
    }
}

/// What new tools start as, in the published words.
fn approval(fresh: Permission) -> &'static str {
    match fresh {
        Permission::Allowed => "never",
        Permission::Asks => "always",
        Permission::Off => "tool-specific",
    }
}

/// One tool server.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ToolResponse {
    /// The tool server.
    pub tool: ToolServerObject,
}

/// A tool server in a list: as it is, and once more under `tool`, where clients of the published
/// description look for it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ToolListItem {
    /// The tool server.
    #[serde(flatten)]
    pub flat: ToolServerObject,
    /// The same.
    pub tool: ToolServerObject,
}

impl From<ToolServer> for ToolListItem {
    fn from(server: ToolServer) -> Self {
        let flat = ToolServerObject::from(server);
        Self {
            tool: flat.clone(),
            flat,
        }
    }
}

/// A page of tool servers, oldest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ToolListResponse {
    /// The tool servers of this page.
    pub tools: Vec<ToolListItem>,
    /// Where this page stands.
    pub pagination: Pagination,
}

/// What became of a change of tools.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ToolDone {
    /// Whether it was done; false where the server could not be listed.
    pub success: bool,
    /// For people.
    pub message: String,
    /// Why the server could not be listed; stable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// The tool server as it is now.
    pub tool: ToolServerObject,
}

impl ToolDone {
    pub(crate) fn well(message: impl Into<String>, server: ToolServer) -> Self {
        Self {
            success: true,
            message: message.into(),
            code: None,
            tool: server.into(),
        }
    }

    pub(crate) fn listed(listing: Listing) -> Self {
        let tool = listing.server.into();
        match listing.outcome {
            Ok(count) => Self {
                success: true,
                message: format!("Tools refreshed: {count} listed"),
                code: None,
                tool,
            },
            Err(error) => Self {
                success: false,
                message: error.message,
                code: Some(error.code),
                tool,
            },
        }
    }
}

/// What became of asking a tool server for its tools.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TestConnectionResponse {
    /// Whether it listed its tools.
    pub success: bool,
    /// For people.
    pub message: String,
    /// How many tools it listed.
    pub tools_count: u64,
    /// Why it did not; stable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
}

impl From<Listing> for TestConnectionResponse {
    fn from(listing: Listing) -> Self {
        match listing.outcome {
            Ok(count) => Self {
                success: true,
                message: "The tool server answers".into(),
                tools_count: count as u64,
                code: None,
            },
            Err(error) => Self {
                success: false,
                message: error.message,
                tools_count: 0,
                code: Some(error.code),
            },
        }
    }
}
