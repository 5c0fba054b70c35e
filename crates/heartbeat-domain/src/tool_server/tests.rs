//! Cases of what people do to a tool server.

use serde_json::json;

use super::*;
use crate::ids::{BotId, IdSource, ProjectId, ToolServerId};
use crate::tool::{Annotations, ListedTool};

fn at(place: Place) -> ToolServer {
    let (ids, now) = (IdSource::from_seed(1), Timestamp::UNIX_EPOCH);
    ToolServer {
        id: ToolServerId::new(&ids, now),
        project_id: ProjectId::new(&ids, now),
        bot_id: BotId::new(&ids, now),
        label: "Desk".into(),
        place,
        fresh: Permission::Allowed,
        header_names: Vec::new(),
        is_enabled: true,
        trusted: true,
        tools: ["read", "send", "drop"].map(tool).into(),
        trouble: None,
        created_at: now,
        updated_at: now,
    }
}

fn http(url: &str) -> Place {
    Place::Http { url: url.into() }
}

fn declared(name: &str) -> Place {
    Place::Declared { name: name.into() }
}

fn tool(name: &str) -> Tool {
    Tool {
        listed: ListedTool {
            name: name.into(),
            description: String::new(),
            schema: json!({}),
            annotations: Annotations::default(),
        },
        permission: Permission::Allowed,
        repeat: Some(Repeat::Safe),
        changed: false,
    }
}

fn headers(pairs: &[(&str, &str)]) -> Result<Headers, Violation> {
    let own = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    Headers::new(pairs.iter().map(own).collect())
}

fn keep(name: &str) -> Option<HeadersChange> {
    Some(HeadersChange(vec![(name.into(), None)]))
}

#[test]
fn a_header_that_no_request_can_carry_is_refused_with_its_name() {
    let long = "x".repeat(8_193);
    for (pairs, word) in [
        (vec![("", "a")], "letters"),
        (vec![("X Key", "a")], "letters"),
        (vec![("X-Key\r\nHost", "a")], "letters"),
        (vec![("host", "a")], "itself"),
        (vec![("Mcp-Session-Id", "a")], "itself"),
        (vec![("X-Key", "")], "X-Key"),
        (vec![("X-Key", "a\nb")], "X-Key"),
        (vec![("X-Key", long.as_str())], "X-Key"),
        (vec![("X-Key", "a"), ("x-key", "b")], "twice"),
        (vec![("X-Key", "a"); 21], "at most 20"),
    ] {
        let refused = headers(&pairs).unwrap_err();
        assert_eq!(refused.field, "headers");
        assert!(refused.message.contains(word), "{refused}");
    }
}

#[test]
fn no_debug_shows_a_value() {
    let kept = headers(&[("Authorization", "Bearer canary")]).unwrap();
    let change = HeadersChange(vec![("Authorization".into(), Some("canary".into()))]);
    let shown = format!("{kept:?} {change:?}");
    assert!(shown.contains("Authorization") && !shown.contains("canary"));
}

#[test]
fn a_value_may_be_kept_but_not_where_there_is_none() {
    let present = headers(&[("Authorization", "one"), ("X-Team", "two")]).unwrap();
    let change = HeadersChange(vec![
        ("authorization".into(), None),
        ("X-New".into(), Some("three".into())),
    ]);
    let after = change.applied_to(&present).unwrap();
    let expected = headers(&[("authorization", "one"), ("X-New", "three")]).unwrap();
    assert_eq!(after, expected);
    let missing = keep("X-Other").unwrap().applied_to(&present).unwrap_err();
    assert!(missing.message.contains("X-Other"), "{missing}");
}

#[test]
fn values_do_not_go_to_another_address() {
    let mut server = at(http("https://desk.example/mcp"));
    server.header_names = vec!["Authorization".into()];
    let present = headers(&[("Authorization", "canary")]).unwrap();
    let moved = |headers| ToolServerChange {
        place: Some(http("https://thief.example/mcp")),
        headers,
        ..ToolServerChange::default()
    };
    for change in [moved(None), moved(keep("Authorization"))] {
        let refused = change.applied_to(&server, &present, server.updated_at);
        assert_eq!(refused.unwrap_err().field, "headers");
    }
    let none = moved(Some(HeadersChange(Vec::new())));
    let (after, headers) = none
        .applied_to(&server, &present, server.updated_at)
        .unwrap();
    assert_eq!(headers, Some(Headers::default()));
    assert!(after.header_names.is_empty());
    assert!(!after.trusted, "trust was in the former address");
    assert!(after.tools.iter().all(|tool| tool.repeat.is_none()));
}

#[test]
fn the_same_address_keeps_values_trust_and_decisions() {
    let mut server = at(http("https://desk.example/mcp"));
    server.header_names = vec!["Authorization".into()];
    let change = ToolServerChange {
        label: Some("Front desk".into()),
        place: Some(server.place.clone()),
        ..ToolServerChange::default()
    };
    let now = server.updated_at;
    let (after, headers) = change
        .applied_to(&server, &Headers::default(), now)
        .unwrap();
    assert_eq!(headers, None);
    let expected = ToolServer {
        label: "Front desk".into(),
        ..server
    };
    assert_eq!(after, expected);
}

#[test]
fn a_declared_server_takes_no_headers() {
    let server = at(declared("git"));
    let change = ToolServerChange {
        headers: Some(HeadersChange(vec![("X-Key".into(), Some("a".into()))])),
        ..ToolServerChange::default()
    };
    let refused = change.applied_to(&server, &Headers::default(), server.updated_at);
    assert_eq!(refused.unwrap_err().field, "headers");
    let with = ToolServer {
        header_names: vec!["X-Key".into()],
        ..server
    };
    assert_eq!(check_new(&with).unwrap_err().field, "headers");
}

#[test]
fn names_and_addresses_are_bounded() {
    for (label, place, field) in [
        ("", http("https://a.example"), "server_label"),
        ("  ", http("https://a.example"), "server_label"),
        ("Desk", http(&"h".repeat(501)), "server_url"),
        ("Desk", http(""), "server_url"),
        ("Desk", http("file:///etc/passwd"), "server_url"),
        ("Desk", http("/etc/passwd"), "server_url"),
        ("Desk", http("../up"), "server_url"),
        ("Desk", http("stdio://sh"), "server_url"),
        ("Desk", declared(""), "server_name"),
        ("Desk", declared("../git"), "server_name"),
        ("Desk", declared("/bin/sh"), "server_name"),
        ("Desk", declared("sh -c id"), "server_name"),
    ] {
        let server = ToolServer {
            label: label.into(),
            ..at(place)
        };
        assert_eq!(check_new(&server).unwrap_err().field, field);
    }
}

#[test]
fn tools_follow_their_server_unless_they_are_off_or_changed() {
    let mut server = at(http("https://desk.example/mcp"));
    server.tools[1].permission = Permission::Off;
    let to = |server: &ToolServer, fresh| {
        let change = ToolServerChange {
            fresh: Some(fresh),
            ..ToolServerChange::default()
        };
        let now = server.updated_at;
        change.applied_to(server, &Headers::default(), now).unwrap()
    };
    let permissions = |server: &ToolServer| -> Vec<Permission> {
        server.tools.iter().map(|tool| tool.permission).collect()
    };
    let (mut asking, _) = to(&server, Permission::Asks);
    let (asks, off) = (Permission::Asks, Permission::Off);
    assert_eq!(permissions(&asking), [asks, off, asks]);
    asking.tools[2].changed = true;
    let (again, _) = to(&asking, Permission::Allowed);
    assert_eq!(permissions(&again), [Permission::Allowed, off, asks]);
}

#[test]
fn a_decision_says_that_a_change_was_seen_and_names_a_tool_that_is_there() {
    let mut known = vec![tool("read")];
    known[0].changed = true;
    let decision = |tool: &str| ToolDecision {
        tool: tool.into(),
        permission: Some(Permission::Allowed),
        repeat: Patch::Set(Repeat::Never),
    };
    let after = decided(&known, vec![decision("read")]).unwrap();
    assert!(!after[0].changed);
    assert_eq!(after[0].repeat, Some(Repeat::Never));
    let unknown = decided(&known, vec![decision("write")]).unwrap_err();
    assert_eq!(unknown.field, "tool_name");
    assert!(unknown.message.contains("write"));
}
