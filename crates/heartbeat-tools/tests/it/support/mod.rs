//! Scripted servers and names, and what the tests ask for.

mod names;
mod scripted;

use std::time::Duration;

use heartbeat_domain::ids::{IdSource, ProjectId, ToolServerId};
use heartbeat_domain::tool::Place;
use heartbeat_tools::{CallEnd, DeclaredServers, HandCall, McpHands, Outgoing, Server};
use serde_json::{Value, json};

pub(crate) use self::names::Names;
pub(crate) use self::scripted::{Reply, Scripted};

/// Longest time that anything is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Hands that reach scripted servers by the system's names.
pub(crate) fn hands() -> McpHands {
    install_tls();
    McpHands::new(Outgoing::default(), DeclaredServers::default(), 4)
}

/// Somebody has to choose the cryptography; whoever came first has.
pub(crate) fn install_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A server of a project whose plan reaches this machine.
pub(crate) fn server(place: Place) -> Server {
    let ids = IdSource::from_system().unwrap();
    let now = "2026-03-01T09:00:00Z".parse().unwrap();
    Server {
        id: ToolServerId::new(&ids, now),
        project_id: ProjectId::new(&ids, now),
        place,
        headers: Vec::new(),
        allow_networks: vec!["loopback".into()],
        local_access: true,
    }
}

/// A server at that URL.
pub(crate) fn at(url: impl Into<String>) -> Server {
    server(Place::Http { url: url.into() })
}

/// A call of `tool` without a schema to speak of.
pub(crate) fn call(tool: &str, arguments: Value) -> HandCall {
    HandCall {
        tool: tool.into(),
        arguments,
        schema: json!({ "type": "object" }),
        effect_id: "effect-1".into(),
        within: PATIENCE,
    }
}

/// The text of an answer that is no error.
#[track_caller]
pub(crate) fn text(end: CallEnd) -> String {
    match end {
        CallEnd::Answered {
            text,
            is_error: false,
        } => text,
        other => panic!("not an answer: {other:?}"),
    }
}

/// The message of a call that was certainly not made.
#[track_caller]
pub(crate) fn not_made(end: CallEnd) -> String {
    match end {
        CallEnd::NotMade { message } => message,
        other => panic!("not `NotMade`: {other:?}"),
    }
}

/// The message of a call whose outcome is open.
#[track_caller]
pub(crate) fn unknown(end: CallEnd) -> String {
    match end {
        CallEnd::Unknown { message } => message,
        other => panic!("not `Unknown`: {other:?}"),
    }
}
