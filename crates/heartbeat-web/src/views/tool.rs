//! A tool server as its card on the page of an agent. Values of headers are never part of it.

use heartbeat_domain::tool::{Permission, Place, Repeat, Tool, ToolServer};

/// A tool server.
pub(crate) struct ServerCard {
    pub(crate) id: String,
    pub(crate) label: String,
    /// A class and a word.
    pub(crate) health: (&'static str, &'static str),
    pub(crate) trouble: Option<String>,
    /// What came of a test that was asked for a moment ago.
    pub(crate) tested: Option<String>,
    /// Its address, or what it is declared as.
    pub(crate) place: String,
    pub(crate) is_declared: bool,
    pub(crate) headers: Vec<String>,
    pub(crate) is_enabled: bool,
    pub(crate) trusted: bool,
    pub(crate) approvals: Vec<Choice>,
    pub(crate) tools: Vec<ToolRow>,
    /// Tools that the model may call.
    pub(crate) allowed: usize,
}

/// One choice of several.
pub(crate) struct Choice {
    pub(crate) value: &'static str,
    pub(crate) words: &'static str,
    pub(crate) chosen: bool,
}

/// A tool of a server.
pub(crate) struct ToolRow {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) schema: String,
    pub(crate) permissions: Vec<Choice>,
    pub(crate) repeats: Vec<Choice>,
    pub(crate) note: Option<&'static str>,
}

impl ServerCard {
    /// The card; `was_tested` if somebody has just asked whether it answers.
    pub(crate) fn new(server: ToolServer, was_tested: bool) -> Self {
        let health = match (server.is_enabled, &server.trouble) {
            (false, _) => ("off", "disabled"),
            (true, Some(_)) => ("error", "trouble"),
            (true, None) => ("active", "ok"),
        };
        let tested = was_tested.then(|| match &server.trouble {
            None => format!("It answered just now and lists {}.", server.tools.len()),
            Some(_) => "It did not answer as it should just now.".to_owned(),
        });
        let is_allowed = |tool: &&Tool| tool.permission == Permission::Allowed;
        let (place, is_declared) = match server.place {
            Place::Http { url } => (url, false),
            Place::Declared { name } => (name, true),
        };
        Self {
            id: server.id.to_string(),
            label: server.label,
            health,
            trouble: server.trouble,
            tested,
            place,
            is_declared,
            headers: server.header_names,
            is_enabled: server.is_enabled,
            trusted: server.trusted,
            approvals: approvals(Some(server.fresh)),
            allowed: server.tools.iter().filter(is_allowed).count(),
            tools: server
                .tools
                .into_iter()
                .map(|tool| ToolRow::new(tool, server.trusted))
                .collect(),
        }
    }

    /// What new tools of a server that is to be made may start as.
    pub(crate) fn new_approvals() -> Vec<Choice> {
        approvals(Some(Permission::Allowed))
    }
}

impl ToolRow {
    fn new(tool: Tool, trusted: bool) -> Self {
        let note = match (tool.permission, tool.changed) {
            (Permission::Asks, true) => Some("It changed since you looked, so it is off."),
            (Permission::Asks, false) => Some("Nobody can be asked yet, so it is off."),
            _ => None,
        };
        let permission = |value: Permission, words| Choice {
            value: value.as_str(),
            words,
            chosen: tool.permission == value,
        };
        Self {
            permissions: vec![
                permission(Permission::Allowed, "allowed"),
                permission(Permission::Asks, "asks"),
                permission(Permission::Off, "off"),
            ],
            repeats: repeats(&tool, trusted),
            note,
            name: tool.listed.name,
            description: tool.listed.description,
            schema: serde_json::to_string_pretty(&tool.listed.schema).unwrap_or_default(),
        }
    }
}

fn repeats(tool: &Tool, trusted: bool) -> Vec<Choice> {
    let hinted = Tool {
        repeat: None,
        ..tool.clone()
    };
    let by_itself = match hinted.repeats(trusted) {
        Repeat::Safe => "as it says: call again",
        _ => "as it says: do not repeat",
    };
    let set = |value: Repeat, words| Choice {
        value: value.as_str(),
        words,
        chosen: tool.repeat == Some(value),
    };
    vec![
        Choice {
            value: "default",
            words: by_itself,
            chosen: tool.repeat.is_none(),
        },
        set(Repeat::Safe, "safe: call again"),
        set(Repeat::ByEffectId, "call again under the same id"),
        set(Repeat::Never, "do not repeat"),
    ]
}

fn approvals(chosen: Option<Permission>) -> Vec<Choice> {
    let approval = |fresh: Permission, value, words| Choice {
        value,
        words,
        chosen: chosen == Some(fresh),
    };
    vec![
        approval(Permission::Allowed, "never", "may be called"),
        approval(Permission::Asks, "always", "ask before each call"),
        approval(Permission::Off, "tool-specific", "are off until you decide"),
    ]
}
