//! Tool servers of agents, and what people decided about their tools.

use heartbeat_domain::bot::Bot;
use heartbeat_domain::headers::{Headers, HeadersChange};
use heartbeat_domain::heartbeat::Patch;
use heartbeat_domain::ids::ToolServerId;
use heartbeat_domain::tool::{Annotations, ListedTool, Permission, Place, Repeat, ToolServer};
use heartbeat_domain::tool_server::{ToolDecision, ToolServerChange};
use heartbeat_store::verbs::{BotRef, NewToolServer, Page, ToolServerKey};
use heartbeat_store::{StoreError, Thing};
use serde_json::json;

use crate::world::{PAGE, World, bot, minute};

/// What no row, no answer and no `Debug` may show.
const CANARY: &str = "canary-in-a-cage";

fn new(w: &World, bot: &Bot, label: &str, headers: &[(&str, &str)]) -> NewToolServer {
    let own = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    let headers = Headers::new(headers.iter().map(own).collect()).unwrap();
    let now = minute(0);
    let server = ToolServer {
        id: ToolServerId::new(&w.ids, now),
        project_id: bot.project_id,
        bot_id: bot.id,
        label: label.into(),
        place: Place::Http {
            url: "https://desk.example/mcp".into(),
        },
        fresh: Permission::Allowed,
        header_names: headers.names(),
        is_enabled: true,
        trusted: false,
        tools: Vec::new(),
        trouble: None,
        created_at: now,
        updated_at: now,
    };
    NewToolServer {
        server,
        headers,
        cap: None,
    }
}

fn key(server: &ToolServer) -> ToolServerKey {
    ToolServerKey {
        project_id: server.project_id,
        bot_id: server.bot_id,
        id: server.id,
    }
}

async fn made(w: &World, label: &str, headers: &[(&str, &str)]) -> ToolServer {
    let ask = new(w, &w.bot, label, headers);
    w.store.create_tool_server(&ask).await.unwrap()
}

fn listed(name: &str, description: &str) -> ListedTool {
    ListedTool {
        name: name.into(),
        description: description.into(),
        schema: json!({ "type": "object", "properties": { "id": { "type": "string" } } }),
        annotations: Annotations {
            idempotent: Some(true),
            ..Annotations::default()
        },
    }
}

fn decision(tool: &str, permission: Permission) -> ToolDecision {
    ToolDecision {
        tool: tool.into(),
        permission: Some(permission),
        repeat: Patch::Keep,
    }
}

pub(crate) async fn a_tool_server_is_made_once_and_listed_oldest_first(w: &World) {
    let ask = new(w, &w.bot, "Desk", &[("Authorization", CANARY)]);
    let first = w.store.create_tool_server(&ask).await.unwrap();
    assert_eq!(first, ask.server);
    assert_eq!(w.store.create_tool_server(&ask).await.unwrap(), first);
    let mut second = new(w, &w.bot, "Git", &[]);
    second.server.place = Place::Declared { name: "git".into() };
    let second = w.store.create_tool_server(&second).await.unwrap();
    let (project, bot) = (w.project.id, w.bot.id);
    let all = w.store.tool_servers(project, bot, PAGE).await.unwrap();
    assert_eq!(
        (all.total, all.rows),
        (2, vec![first.clone(), second.clone()])
    );
    let last = Page { number: 2, size: 1 };
    let page = w.store.tool_servers(project, bot, last).await.unwrap();
    assert_eq!((page.total, page.rows), (2, vec![second.clone()]));
    assert_eq!(w.store.tool_server(key(&second)).await.unwrap(), second);
}

pub(crate) async fn a_label_is_an_agents_own_and_a_wrong_field_is_named(w: &World) {
    made(w, "Desk", &[]).await;
    let git = made(w, "Git", &[]).await;
    let again = new(w, &w.bot, "Desk", &[]);
    let refused = w.store.create_tool_server(&again).await;
    assert!(matches!(refused, Err(StoreError::Violation(v)) if v.field == "server_label"));
    let rename = ToolServerChange {
        label: Some("Desk".into()),
        ..ToolServerChange::default()
    };
    let refused = w
        .store
        .update_tool_server(key(&git), rename, minute(1))
        .await;
    assert!(matches!(refused, Err(StoreError::Violation(v)) if v.field == "server_label"));
    let other = w
        .store
        .create_bot(&bot(&w.ids, w.project.id))
        .await
        .unwrap();
    let same = new(w, &other, "Desk", &[]);
    assert!(w.store.create_tool_server(&same).await.is_ok());
    let empty = new(w, &w.bot, " ", &[]);
    let refused = w.store.create_tool_server(&empty).await;
    assert!(matches!(refused, Err(StoreError::Violation(v)) if v.field == "server_label"));
}

pub(crate) async fn a_plan_caps_the_tool_servers_of_a_project(w: &World) {
    let cap = Some((2, "hobby".to_owned()));
    let mut asks = ["a", "b", "c"].map(|label| new(w, &w.bot, label, &[]));
    asks.iter_mut().for_each(|ask| ask.cap.clone_from(&cap));
    for ask in &asks[..2] {
        w.store.create_tool_server(ask).await.unwrap();
    }
    let refused = w.store.create_tool_server(&asks[2]).await;
    let Err(StoreError::Limit(limit)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(
        (limit.code, limit.limit, limit.used),
        ("PLAN_LIMIT_REACHED", Some(2), Some(2))
    );
    let repeated = w.store.create_tool_server(&asks[1]).await;
    assert_eq!(repeated.unwrap(), asks[1].server, "it is there already");
}

pub(crate) async fn headers_are_opened_for_whoever_calls_and_for_nobody_else(w: &World) {
    let desk = made(w, "Desk", &[("Authorization", CANARY)]).await;
    let off = made(w, "Off", &[]).await;
    let disable = ToolServerChange {
        is_enabled: Some(false),
        ..ToolServerChange::default()
    };
    for _ in 0..2 {
        let key = key(&off);
        let off = w
            .store
            .update_tool_server(key, disable.clone(), minute(1))
            .await;
        assert!(!off.unwrap().is_enabled);
    }
    let reached = w.store.reach(w.project.id, w.bot.id).await.unwrap();
    assert_eq!(reached.len(), 1, "one is off");
    assert_eq!(reached[0].server, desk);
    let pairs = [("Authorization".to_owned(), CANARY.to_owned())];
    assert_eq!(reached[0].headers.as_ref().unwrap().pairs(), pairs);
    let one = w.store.reach_one(key(&off)).await.unwrap();
    assert!(one.headers.unwrap().is_empty());
    assert!(!format!("{reached:?}{desk:?}").contains(CANARY));
}

pub(crate) async fn a_change_keeps_replaces_and_drops_headers(w: &World) {
    let desk = made(w, "Desk", &[("Authorization", CANARY), ("X-Team", "two")]).await;
    let set = |headers: &[(&str, Option<&str>)]| {
        let own = |&(name, value): &(&str, Option<&str>)| (name.into(), value.map(str::to_owned));
        ToolServerChange {
            headers: Some(HeadersChange(headers.iter().map(own).collect())),
            ..ToolServerChange::default()
        }
    };
    let values = async || {
        let reached = w.store.reach_one(key(&desk)).await.unwrap();
        let headers = reached.headers.unwrap();
        let values: Vec<String> = headers.pairs().iter().map(|(_, v)| v.clone()).collect();
        values
    };
    let change = set(&[("Authorization", None), ("X-Team", Some("three"))]);
    for _ in 0..2 {
        let key = key(&desk);
        let after = w
            .store
            .update_tool_server(key, change.clone(), minute(1))
            .await;
        assert_eq!(after.unwrap().header_names, ["Authorization", "X-Team"]);
        assert_eq!(values().await, [CANARY, "three"]);
    }
    let none = set(&[]);
    let after = w
        .store
        .update_tool_server(key(&desk), none, minute(2))
        .await;
    assert!(after.unwrap().header_names.is_empty());
    assert!(values().await.is_empty());
}

pub(crate) async fn a_server_that_moves_does_not_take_secrets_along(w: &World) {
    let desk = made(w, "Desk", &[("Authorization", CANARY)]).await;
    let moved = |headers| ToolServerChange {
        place: Some(Place::Http {
            url: "https://thief.example/mcp".into(),
        }),
        headers,
        ..ToolServerChange::default()
    };
    let keep = HeadersChange(vec![("Authorization".into(), None)]);
    for change in [moved(None), moved(Some(keep))] {
        let refused = w
            .store
            .update_tool_server(key(&desk), change, minute(1))
            .await;
        assert!(matches!(refused, Err(StoreError::Violation(v)) if v.field == "headers"));
    }
    assert_eq!(w.store.tool_server(key(&desk)).await.unwrap(), desk);
    let drop = moved(Some(HeadersChange(Vec::new())));
    w.store
        .update_tool_server(key(&desk), drop, minute(1))
        .await
        .unwrap();
    let reached = w.store.reach_one(key(&desk)).await.unwrap();
    assert!(reached.headers.unwrap().is_empty());
}

pub(crate) async fn a_fresh_list_keeps_decisions_and_what_changed_asks(w: &World) {
    let desk = key(&made(w, "Desk", &[]).await);
    let list = vec![listed("read", "Reads."), listed("send", "Sends.")];
    w.store
        .refresh_tools(desk, list.clone(), minute(1))
        .await
        .unwrap();
    let decisions = vec![
        decision("read", Permission::Off),
        ToolDecision {
            repeat: Patch::Set(Repeat::ByEffectId),
            ..decision("send", Permission::Allowed)
        },
    ];
    for _ in 0..2 {
        let after = w
            .store
            .decide_tools(desk, decisions.clone(), minute(2))
            .await
            .unwrap();
        assert_eq!(after.tools[0].permission, Permission::Off);
        assert_eq!(after.tools[1].repeat, Some(Repeat::ByEffectId));
    }
    let same = w.store.refresh_tools(desk, list, minute(3)).await.unwrap();
    assert_eq!(same.updated_at, minute(2), "nothing changed");
    let list = vec![
        listed("send", "Sends, and tells me."),
        listed("new", "New."),
    ];
    for _ in 0..2 {
        let after = w
            .store
            .refresh_tools(desk, list.clone(), minute(4))
            .await
            .unwrap();
        let seen: Vec<_> = after
            .tools
            .iter()
            .map(|tool| (tool.listed.name.as_str(), tool.permission, tool.changed))
            .collect();
        let expected = [
            ("send", Permission::Asks, true),
            ("new", Permission::Allowed, false),
        ];
        assert_eq!(seen, expected);
        assert_eq!(after.tools[0].repeat, None);
        assert_eq!(w.store.tool_server(desk).await.unwrap(), after);
    }
}

pub(crate) async fn decisions_are_taken_over_all_or_none(w: &World) {
    let desk = key(&made(w, "Desk", &[]).await);
    let list = vec![listed("read", "Reads.")];
    let before = w.store.refresh_tools(desk, list, minute(1)).await.unwrap();
    let decisions = vec![
        decision("read", Permission::Off),
        decision("gone", Permission::Off),
    ];
    let refused = w.store.decide_tools(desk, decisions, minute(2)).await;
    assert!(matches!(refused, Err(StoreError::Violation(v)) if v.message.contains("gone")));
    assert_eq!(w.store.tool_server(desk).await.unwrap(), before);
}

pub(crate) async fn trouble_leaves_the_tools_and_ends_with_the_next_list(w: &World) {
    let desk = key(&made(w, "Desk", &[]).await);
    let list = vec![listed("read", "Reads.")];
    w.store
        .refresh_tools(desk, list.clone(), minute(1))
        .await
        .unwrap();
    for _ in 0..2 {
        let after = w
            .store
            .record_trouble(desk, "nobody answers", minute(2))
            .await
            .unwrap();
        assert_eq!(after.trouble.as_deref(), Some("nobody answers"));
        assert_eq!((after.tools.len(), after.updated_at), (1, minute(2)));
    }
    let after = w.store.refresh_tools(desk, list, minute(3)).await.unwrap();
    assert_eq!((after.trouble, after.updated_at), (None, minute(3)));
}

pub(crate) async fn a_deleted_tool_server_is_gone_and_so_are_those_of_a_deleted_agent(w: &World) {
    let (desk, git) = (made(w, "Desk", &[]).await, made(w, "Git", &[]).await);
    w.store.delete_tool_server(key(&desk)).await.unwrap();
    let gone = StoreError::NotFound(Thing::ToolServer);
    let again = w.store.delete_tool_server(key(&desk)).await;
    assert_eq!(again, Err(gone.clone()));
    let named = w.store.tool_server(key(&desk)).await;
    assert_eq!(named, Err(gone.clone()));
    made(w, "Desk", &[]).await;
    let bot = BotRef::Id(w.bot.id);
    w.store
        .delete_bot(w.project.id, bot, minute(1))
        .await
        .unwrap();
    assert_eq!(w.store.reach(w.project.id, w.bot.id).await.unwrap(), []);
    assert_eq!(w.store.tool_server(key(&git)).await, Err(gone));
    let late = new(w, &w.bot, "Late", &[]);
    let refused = w.store.create_tool_server(&late).await;
    assert_eq!(refused, Err(StoreError::NotFound(Thing::Bot)));
}

pub(crate) async fn another_projects_and_another_agents_tool_servers_are_not_found(w: &World) {
    let desk = made(w, "Desk", &[("Authorization", CANARY)]).await;
    let sibling = w
        .store
        .create_bot(&bot(&w.ids, w.project.id))
        .await
        .unwrap();
    let stranger = w.neighbour("other").await;
    let none = StoreError::NotFound(Thing::ToolServer);
    let now = minute(1);
    for (project_id, bot_id) in [
        (stranger.project_id, stranger.id),
        (stranger.project_id, w.bot.id),
        (w.project.id, sibling.id),
    ] {
        let key = ToolServerKey {
            project_id,
            bot_id,
            id: desk.id,
        };
        let store = &w.store;
        let change = ToolServerChange::default();
        assert_eq!(store.tool_server(key).await, Err(none.clone()));
        assert_eq!(store.reach_one(key).await, Err(none.clone()));
        assert_eq!(
            store.update_tool_server(key, change, now).await,
            Err(none.clone())
        );
        assert_eq!(
            store.refresh_tools(key, Vec::new(), now).await,
            Err(none.clone())
        );
        assert_eq!(store.record_trouble(key, "x", now).await, Err(none.clone()));
        assert_eq!(
            store.decide_tools(key, Vec::new(), now).await,
            Err(none.clone())
        );
        assert_eq!(store.delete_tool_server(key).await, Err(none.clone()));
        assert_eq!(store.reach(project_id, bot_id).await.unwrap(), []);
    }
    let listed = w.store.tool_servers(stranger.project_id, w.bot.id, PAGE);
    assert_eq!(listed.await, Err(StoreError::NotFound(Thing::Bot)));
    let mut ask = new(w, &w.bot, "Theirs", &[]);
    ask.server.project_id = stranger.project_id;
    let refused = w.store.create_tool_server(&ask).await;
    assert_eq!(refused, Err(StoreError::NotFound(Thing::Bot)));
    assert_eq!(w.store.tool_server(key(&desk)).await.unwrap(), desk);
}
