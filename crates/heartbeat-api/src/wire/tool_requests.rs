//! What requests say of tool servers, and what no request can say: nothing in a body names a
//! program, an argument, an environment variable or a file.

use heartbeat_domain::headers::{Headers, HeadersChange};
use heartbeat_domain::heartbeat::Patch;
use heartbeat_domain::tool::{Permission, Place, Repeat};
use heartbeat_domain::tool_server::{ToolDecision, ToolServerChange};
use heartbeat_domain::violation::Violation;
use heartbeat_engine::control::ToolServerAsk;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::tools::MASK;
use crate::input::{Input, Json};

/// Adds a tool server to an agent.
#[derive(Clone, Debug, ToSchema)]
pub struct CreateToolRequest {
    /// The project.
    pub project_id: String,
    /// The agent, by UUID or row number.
    pub bot_id: String,
    /// Name for people, 1 to 255 characters; an agent's own.
    pub server_label: String,
    /// Address of the server, at most 500 characters; not with `declared`.
    pub server_url: Option<String>,
    /// `http` (streamable HTTP) or `declared`; `http` where left out.
    pub transport: Option<String>,
    /// `never`, `always` or `tool-specific`; `never` where left out.
    pub require_approval: Option<String>,
    /// Headers that it is sent; their values are never shown again.
    #[schema(value_type = Option<Object>)]
    pub headers: Option<Map<String, Value>>,
    /// `mcp`.
    pub r#type: Option<String>,
    /// By which name the operator declared it; only with `declared`.
    pub server_name: Option<String>,
    /// Whether what it says of its tools counts for repeats; false where left out.
    pub trusted: Option<bool>,
    /// Whether its tools are offered at all; true where left out.
    pub is_enabled: Option<bool>,
}

/// Changes a tool server; a field that is left out keeps its value.
#[derive(Clone, Debug, ToSchema)]
pub struct UpdateToolRequest {
    /// The project.
    pub project_id: String,
    /// The agent, by UUID or row number.
    pub bot_id: String,
    /// Name for people, 1 to 255 characters; an agent's own.
    pub server_label: Option<String>,
    /// Address of the server. Headers are not taken to another address: send them again, or `{}`.
    pub server_url: Option<String>,
    /// `http` or `declared`.
    pub transport: Option<String>,
    /// `never`, `always` or `tool-specific`.
    pub require_approval: Option<String>,
    /// All of its headers. A value that is masked, as responses show it, keeps the one it has.
    #[schema(value_type = Option<Object>)]
    pub headers: Option<Map<String, Value>>,
    /// Whether its tools are offered at all.
    pub is_enabled: Option<bool>,
    /// By which name the operator declared it; only with `declared`.
    pub server_name: Option<String>,
    /// Whether what it says of its tools counts for repeats.
    pub trusted: Option<bool>,
}

/// Decides about several tools at once.
#[derive(Clone, Debug, ToSchema)]
pub struct ConfigureToolsRequest {
    /// The project.
    pub project_id: String,
    /// The agent, by UUID or row number.
    pub bot_id: String,
    /// The decisions; also read from `settings`.
    pub tools: Vec<ToolSetting>,
}

/// A decision about one tool.
#[derive(Clone, Debug, ToSchema)]
pub struct ToolSetting {
    /// Its name on the server.
    pub name: String,
    /// true is `allowed`, false is `off`.
    pub is_active: Option<bool>,
    /// `allowed`, `asks` or `off`.
    pub permission: Option<String>,
    /// `safe`, `by_effect_id` or `never`; null leaves it to what the server says, if it is trusted.
    pub repeat: Option<String>,
}

/// Decides about one tool.
#[derive(Clone, Debug, ToSchema)]
pub struct ToggleToolRequest {
    /// The project.
    pub project_id: String,
    /// The agent, by UUID or row number.
    pub bot_id: String,
    /// Its name on the server.
    pub tool_name: String,
    /// true is `allowed`, false is `off`; also read from `active`.
    pub is_active: Option<bool>,
    /// `allowed`, `asks` or `off`.
    pub permission: Option<String>,
    /// `safe`, `by_effect_id` or `never`; null leaves it to what the server says, if it is trusted.
    pub repeat: Option<String>,
}

/// Fields that would name a process or a file, as other products have them.
const NEVER: [&str; 12] = [
    "command",
    "args",
    "arguments",
    "env",
    "environment",
    "cwd",
    "path",
    "file",
    "file_path",
    "program",
    "script",
    "executable",
];

/// Refuses what would name a process or a file, at the top of a body and in its `config`.
pub(crate) fn refuse_processes(input: &Input) -> Result<(), Violation> {
    let Input::Body(fields) = input else {
        return Ok(());
    };
    let config = fields.get("config").and_then(Value::as_object);
    let places = std::iter::once(fields).chain(config);
    let named = |fields: &Map<String, Value>| {
        let is_said = |name: &&str| fields.get(*name).is_some_and(|value| !value.is_null());
        NEVER.into_iter().find(is_said)
    };
    match places.filter_map(named).next() {
        None => Ok(()),
        Some(field) => Err(Violation::input(
            field,
            "no request can start a program or open a file; the operator declares such a server in \
             the configuration as [mcp.NAME], and `transport: \"declared\"` with `server_name` \
             names it",
        )),
    }
}

/// What a request to add a tool server says.
pub(crate) fn ask(input: &Input) -> Result<ToolServerAsk, Violation> {
    refuse_processes(input)?;
    check_type(input)?;
    let change = change(input)?;
    let headers = change.headers.unwrap_or_else(|| HeadersChange(Vec::new()));
    let missing = |field, what: &str| Violation::input(field, format!("is required: {what}"));
    Ok(ToolServerAsk {
        label: input.required("server_label")?,
        place: change
            .place
            .ok_or_else(|| missing("server_url", "the address of the server"))?,
        fresh: change.fresh.unwrap_or(Permission::Allowed),
        headers: headers.applied_to(&Headers::default())?,
        is_enabled: change.is_enabled.unwrap_or(true),
        trusted: change.trusted.unwrap_or(false),
    })
}

/// What a request to change a tool server says.
pub(crate) fn change(input: &Input) -> Result<ToolServerChange, Violation> {
    refuse_processes(input)?;
    Ok(ToolServerChange {
        label: input.optional("server_label")?,
        place: place(input)?,
        fresh: fresh(input)?,
        headers: headers(input)?,
        is_enabled: input.optional("is_enabled")?,
        trusted: input.optional("trusted")?,
    })
}

fn check_type(input: &Input) -> Result<(), Violation> {
    match input.optional::<String>("type")?.as_deref() {
        None | Some("mcp") => Ok(()),
        Some(_) => Err(Violation::input("type", "must be `mcp`, or left out")),
    }
}

fn place(input: &Input) -> Result<Option<Place>, Violation> {
    let url: Option<String> = input.optional("server_url")?;
    let name: Option<String> = input.optional("server_name")?;
    let is_declared = match input.optional::<String>("transport")?.as_deref() {
        Some("http") => false,
        Some("declared") => true,
        Some(other) => return Err(Violation::input("transport", no_transport(other))),
        None => url.is_none() && name.is_some(),
    };
    match (is_declared, url, name) {
        (false, url, None) => Ok(url.map(|url| Place::Http { url })),
        (true, None, Some(name)) => Ok(Some(Place::Declared { name })),
        (false, _, Some(_)) => Err(Violation::input(
            "server_name",
            "belongs to `transport: \"declared\"` and not to an address",
        )),
        (true, Some(_), _) => Err(Violation::input(
            "server_url",
            "does not belong to `transport: \"declared\"`; name the server with `server_name`",
        )),
        (true, None, None) => Err(Violation::input(
            "server_name",
            "is required with `transport: \"declared\"`: the name that the operator declared",
        )),
    }
}

fn no_transport(given: &str) -> String {
    match given {
        "sse" => {
            "`sse` is not spoken any more; use `http` (streamable HTTP) with the address that \
                  the server names for it, usually one that ends with /mcp"
                .into()
        }
        "stdio" => {
            "`stdio` would start a program, which no request can; the operator declares such \
                    a server in the configuration as [mcp.NAME], and `declared` with `server_name` \
                    names it"
                .into()
        }
        _ => "must be `http` or `declared`".into(),
    }
}

fn fresh(input: &Input) -> Result<Option<Permission>, Violation> {
    let fresh = match input.optional::<String>("require_approval")?.as_deref() {
        None => return Ok(None),
        Some("never") => Permission::Allowed,
        Some("always") => Permission::Asks,
        Some("tool-specific") => Permission::Off,
        Some(_) => {
            let what = "must be `never`, `always` or `tool-specific`";
            return Err(Violation::input("require_approval", what));
        }
    };
    Ok(Some(fresh))
}

fn headers(input: &Input) -> Result<Option<HeadersChange>, Violation> {
    let given = match input.patch::<Json>("headers")? {
        Patch::Keep => return Ok(None),
        Patch::Clear => return Ok(Some(HeadersChange(Vec::new()))),
        Patch::Set(Json(given)) => given,
    };
    let wrong = || Violation::input("headers", "must be an object of names and texts");
    let fields = given.as_object().ok_or_else(wrong)?;
    let mut all = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        match value {
            Value::Null => {}
            Value::String(value) if value == MASK => all.push((name.clone(), None)),
            Value::String(value) => all.push((name.clone(), Some(value.clone()))),
            _ => return Err(wrong()),
        }
    }
    Ok(Some(HeadersChange(all)))
}

/// The decisions of a request about several tools.
pub(crate) fn decisions(input: &Input) -> Result<Vec<ToolDecision>, Violation> {
    refuse_processes(input)?;
    let wrong = || {
        let what = "is required: a list of objects with `name` and `is_active`, `permission` or \
                    `repeat`";
        Violation::input("tools", what)
    };
    let given: Option<Json> = input.optional("tools")?;
    let given = match given {
        Some(given) => Some(given),
        None => input.optional("settings")?,
    };
    let Some(Json(Value::Array(given))) = given else {
        return Err(wrong());
    };
    let one = |given: Value| match given {
        Value::Object(fields) => {
            let input = Input::Body(fields);
            let name = input.required("name")?;
            decision(&input, name)
        }
        _ => Err(wrong()),
    };
    given.into_iter().map(one).collect()
}

/// The decision of a request about one tool.
pub(crate) fn toggle(input: &Input) -> Result<ToolDecision, Violation> {
    refuse_processes(input)?;
    decision(input, input.required("tool_name")?)
}

fn decision(input: &Input, tool: String) -> Result<ToolDecision, Violation> {
    let switch = match input.optional::<bool>("is_active")? {
        Some(on) => Some(on),
        None => input.optional("active")?,
    };
    let switched = switch.map(|on| match on {
        true => Permission::Allowed,
        false => Permission::Off,
    });
    let named =
        match input.optional::<String>("permission")? {
            None => None,
            Some(text) => Some(Permission::find(&text).ok_or_else(|| {
                Violation::input("permission", "must be `allowed`, `asks` or `off`")
            })?),
        };
    let is_active = |permission| permission == Permission::Allowed;
    if let (Some(switched), Some(named)) = (switched, named)
        && is_active(switched) != is_active(named)
    {
        let what = "says something else than `is_active`; send one of them";
        return Err(Violation::input("permission", what));
    }
    let repeat = repeat(input)?;
    let permission = named.or(switched);
    if permission.is_none() && repeat == Patch::Keep {
        let what = "is required: true or false (or `permission` or `repeat`)";
        return Err(Violation::input("is_active", what));
    }
    Ok(ToolDecision {
        tool,
        permission,
        repeat,
    })
}

fn repeat(input: &Input) -> Result<Patch<Repeat>, Violation> {
    let known = |text: String| {
        let what = "must be `safe`, `by_effect_id`, `never` or null";
        Repeat::find(&text).ok_or_else(|| Violation::input("repeat", what))
    };
    Ok(match input.patch::<String>("repeat")? {
        Patch::Keep => Patch::Keep,
        Patch::Clear => Patch::Clear,
        Patch::Set(text) => Patch::Set(known(text)?),
    })
}
