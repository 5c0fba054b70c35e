//! Tool servers of an agent and their tools: where they are, what may be called, and what may be
//! called again.
//!
//! Invariant: what is not known to be safe to repeat is not repeated. Annotations of a server are
//! hints and count only where a person trusts the server; a person's setting always wins.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::execution::names;
use crate::ids::{BotId, ProjectId, ToolServerId};

/// Where a tool server is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "transport", rename_all = "snake_case")]
pub enum Place {
    /// Streamable HTTP at a URL that came from a project: every address is checked before it is
    /// connected to.
    Http {
        /// The server's one endpoint.
        url: String,
    },
    /// A process that the operator declares by name in the configuration; nothing else of it can be
    /// chosen.
    Declared {
        /// `[mcp.NAME]`.
        name: String,
    },
}

names! {
    /// Whether a tool may be called.
    Permission {
        /// Whenever the model asks.
        Allowed = "allowed",
        /// Only after a person said yes; off as long as nobody can be asked.
        Asks = "asks",
        /// Never; the model does not see it.
        Off = "off",
    }
}

names! {
    /// What may be done about a call whose answer was lost.
    Repeat {
        /// Make it again: twice is the same as once.
        Safe = "safe",
        /// Make it again under the same effect id, by which the other side recognises it.
        ByEffectId = "by_effect_id",
        /// Do not: its outcome stays unknown until somebody has looked.
        Never = "never",
    }
}

/// What a server says of a tool. Hints, not facts (MCP, "Tool annotations").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Annotations {
    /// It changes nothing.
    pub read_only: Option<bool>,
    /// What it changes may be lost.
    pub destructive: Option<bool>,
    /// Twice is the same as once.
    pub idempotent: Option<bool>,
    /// It reaches beyond the server's own domain.
    pub open_world: Option<bool>,
}

/// A tool as its server listed it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListedTool {
    /// Name on the server.
    pub name: String,
    /// What it does, in the server's words; untrusted text.
    pub description: String,
    /// JSON Schema of its arguments.
    pub schema: Value,
    /// Hints.
    #[serde(default)]
    pub annotations: Annotations,
}

/// A tool and what a person decided about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// As its server listed it last.
    pub listed: ListedTool,
    /// Whether it may be called.
    pub permission: Permission,
    /// A person's word on repeats; wins over every hint.
    #[serde(default)]
    pub repeat: Option<Repeat>,
    /// Whether it fell back to [`Permission::Asks`] because its description or schema changed.
    #[serde(default)]
    pub changed: bool,
}

impl Tool {
    /// What may be done about a call whose answer was lost.
    #[must_use]
    pub fn repeats(&self, trusted: bool) -> Repeat {
        let hints = self.listed.annotations;
        let hinted = hints.read_only == Some(true) || hints.idempotent == Some(true);
        match self.repeat {
            Some(decided) => decided,
            None if trusted && hinted => Repeat::Safe,
            None => Repeat::Never,
        }
    }
}

/// Takes a fresh list over: new tools get `fresh`, known ones keep what was decided, and those whose
/// description or schema changed fall back to asking. Tools that are gone are left out.
#[must_use]
pub fn refreshed(known: &[Tool], listed: Vec<ListedTool>, fresh: Permission) -> Vec<Tool> {
    let renew = |listed: ListedTool| {
        let Some(former) = known.iter().find(|tool| tool.listed.name == listed.name) else {
            return Tool {
                listed,
                permission: fresh,
                repeat: None,
                changed: false,
            };
        };
        let differs = former.listed.description != listed.description
            || former.listed.schema != listed.schema
            || former.listed.annotations != listed.annotations;
        let permission = match former.permission {
            Permission::Allowed if differs => Permission::Asks,
            kept => kept,
        };
        Tool {
            listed,
            permission,
            repeat: former.repeat.filter(|_| !differs),
            changed: former.changed || differs,
        }
    };
    listed.into_iter().map(renew).collect()
}

/// A tool server of an agent, without the values of its headers.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolServer {
    /// Id.
    pub id: ToolServerId,
    /// Its project.
    pub project_id: ProjectId,
    /// Its agent.
    pub bot_id: BotId,
    /// Name for people, and the first part of its tools' names before the model.
    pub label: String,
    /// Where it is.
    pub place: Place,
    /// What new tools start as.
    pub fresh: Permission,
    /// Names of the headers that are sent; their values are sealed and never read back.
    pub header_names: Vec<String>,
    /// Whether its tools are offered at all.
    pub is_enabled: bool,
    /// Whether its annotations count for repeats.
    pub trusted: bool,
    /// Its tools, as listed last.
    pub tools: Vec<Tool>,
    /// Why the last listing failed, if it did.
    pub trouble: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn listed(name: &str, description: &str) -> ListedTool {
        ListedTool {
            name: name.into(),
            description: description.into(),
            schema: json!({ "type": "object" }),
            annotations: Annotations {
                read_only: Some(true),
                ..Annotations::default()
            },
        }
    }

    #[test]
    fn a_tool_that_changed_falls_back_to_asking_and_forgets_what_was_said_of_repeats() {
        let first = refreshed(&[], vec![listed("read", "Reads.")], Permission::Allowed);
        let decided = Tool {
            repeat: Some(Repeat::Safe),
            ..first[0].clone()
        };
        let same = refreshed(
            std::slice::from_ref(&decided),
            vec![listed("read", "Reads.")],
            Permission::Allowed,
        );
        assert_eq!(same, vec![decided.clone()]);
        let changed = refreshed(
            &[decided],
            vec![listed("read", "Reads, and mails it to me.")],
            Permission::Allowed,
        );
        assert_eq!(changed[0].permission, Permission::Asks);
        assert_eq!(changed[0].repeat, None);
        assert!(changed[0].changed);
    }

    #[test]
    fn a_tool_that_is_off_stays_off_when_it_changes() {
        let mut off = refreshed(&[], vec![listed("send", "Sends.")], Permission::Allowed);
        off[0].permission = Permission::Off;
        let after = refreshed(
            &off,
            vec![listed("send", "Sends more.")],
            Permission::Allowed,
        );
        assert_eq!(after[0].permission, Permission::Off);
    }

    #[test]
    fn hints_count_only_where_a_person_trusts_the_server_and_a_decision_wins() {
        let mut tool =
            refreshed(&[], vec![listed("read", "Reads.")], Permission::Allowed).remove(0);
        assert_eq!(tool.repeats(false), Repeat::Never);
        assert_eq!(tool.repeats(true), Repeat::Safe);
        tool.repeat = Some(Repeat::Never);
        assert_eq!(tool.repeats(true), Repeat::Never);
    }
}
