//! Tool servers over streamable HTTP that do what they should.

use heartbeat_domain::tool::Annotations;
use heartbeat_tools::{CallEnd, HandCall, Hands, Server};
use serde_json::json;

use crate::support::{Reply, Scripted, at, call, hands, not_made, text};

#[tokio::test]
async fn tools_are_listed_with_their_hints() {
    let server = Scripted::correct().await;
    let tools = hands().list(&at(server.url("/mcp"))).await.unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["echo", "send"]);
    assert_eq!(tools[0].description, "Says it again.");
    assert_eq!(tools[0].schema["properties"]["text"]["type"], "string");
    assert_eq!(
        tools[0].annotations,
        Annotations {
            read_only: Some(true),
            idempotent: Some(true),
            ..Annotations::default()
        }
    );
}

#[tokio::test]
async fn a_list_of_several_pages_is_read_to_its_end() {
    let server = Scripted::start(|request| {
        let page = |name: &str, next: Option<&str>| {
            let tool = json!({ "name": name, "inputSchema": { "type": "object" } });
            Some(Reply::Result(
                json!({ "tools": [tool], "nextCursor": next }),
            ))
        };
        match (request.rpc(), request.body["params"]["cursor"].as_str()) {
            ("tools/list", None) => page("first", Some("2")),
            ("tools/list", Some("2")) => page("second", None),
            _ => None,
        }
    })
    .await;
    let tools = hands().list(&at(server.url("/mcp"))).await.unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["first", "second"]);
}

#[tokio::test]
async fn a_call_carries_the_headers_and_the_id_of_its_effect_both_ways() {
    let server = Scripted::correct().await;
    let asked = Server {
        headers: vec![("Authorization".into(), "Bearer s3cret".into())],
        ..at(server.url("/mcp"))
    };
    let end = hands()
        .call(&asked, &call("echo", json!({ "text": "hello" })))
        .await;
    assert_eq!(text(end), "hello");
    let seen = server.seen();
    assert!(
        seen.iter()
            .all(|one| one.header("authorization") == Some("Bearer s3cret"))
    );
    let call = seen.iter().find(|one| one.rpc() == "tools/call").unwrap();
    assert_eq!(call.header("idempotency-key"), Some("effect-1"));
    assert_eq!(
        call.body["params"]["_meta"]["heartbeat/effect-id"],
        "effect-1"
    );
    assert_eq!(call.header("mcp-session-id"), Some("session-1"));
    assert_eq!(call.header("mcp-protocol-version"), Some("2025-06-18"));
    assert_eq!(call.body["params"]["name"], "echo");
}

#[tokio::test]
async fn calls_that_follow_each_other_share_a_session() {
    let server = Scripted::correct().await;
    let (hands, asked) = (hands(), at(server.url("/mcp")));
    for said in ["one", "two", "three"] {
        let end = hands
            .call(&asked, &call("echo", json!({ "text": said })))
            .await;
        assert_eq!(text(end), said);
    }
    assert_eq!(server.count("initialize"), 1);
    assert_eq!(server.count("tools/call"), 3);
}

#[tokio::test]
async fn calls_at_the_same_time_are_each_answered_with_their_own() {
    let server = Scripted::correct().await;
    let (hands, asked) = (hands(), at(server.url("/mcp")));
    let calls = (0..8).map(|number| {
        let (hands, asked) = (&hands, &asked);
        async move {
            let said = format!("call {number}");
            let end = hands
                .call(asked, &call("echo", json!({ "text": said })))
                .await;
            assert_eq!(text(end), said);
        }
    });
    futures::future::join_all(calls).await;
    assert_eq!(server.count("initialize"), 1);
    assert_eq!(server.count("tools/call"), 8);
}

#[tokio::test]
async fn sessions_are_not_shared_between_headers() {
    let server = Scripted::correct().await;
    let hands = hands();
    let first = at(server.url("/mcp"));
    let second = Server {
        headers: vec![("x-key".into(), "other".into())],
        ..first.clone()
    };
    text(hands.call(&first, &call("echo", json!({}))).await);
    text(hands.call(&second, &call("echo", json!({}))).await);
    assert_eq!(server.count("initialize"), 2);
    let last = server.seen().pop().unwrap();
    assert_eq!(last.header("x-key"), Some("other"));
}

#[tokio::test]
async fn an_answer_that_comes_as_events_with_progress_before_it_is_taken() {
    let server = Scripted::start(|request| {
        (request.rpc() == "tools/call").then(|| {
            let id = &request.body["id"];
            let token = &request.body["params"]["_meta"]["progressToken"];
            let progress = json!({ "jsonrpc": "2.0", "method": "notifications/progress",
                "params": { "progressToken": token, "progress": 1, "total": 2 } });
            let result = json!({ "jsonrpc": "2.0", "id": id,
                "result": { "content": [{ "type": "text", "text": "at last" }] } });
            Reply::Events(vec![progress.to_string(), result.to_string()])
        })
    })
    .await;
    let end = hands()
        .call(&at(server.url("/mcp")), &call("echo", json!({})))
        .await;
    assert_eq!(text(end), "at last");
}

#[tokio::test]
async fn a_server_without_a_handshake_is_spoken_to_as_it_wants() {
    let server = Scripted::start(|request| match request.rpc() {
        "initialize" => Some(Reply::Error(-32601, "Method not found")),
        "server/discover" => Some(Reply::Result(json!({
            "supportedVersions": ["2026-07-28"],
            "capabilities": { "tools": {} },
            "resultType": "complete",
            "ttlMs": 0,
            "cacheScope": "private",
        }))),
        _ => None,
    })
    .await;
    let end = hands()
        .call(
            &at(server.url("/mcp")),
            &call("echo", json!({ "text": "new" })),
        )
        .await;
    assert_eq!(text(end), "new");
    let seen = server.seen();
    let call = seen.iter().find(|one| one.rpc() == "tools/call").unwrap();
    assert_eq!(call.header("mcp-protocol-version"), Some("2026-07-28"));
    assert_eq!(
        call.body["params"]["_meta"]["heartbeat/effect-id"],
        "effect-1"
    );
}

#[tokio::test]
async fn arguments_that_do_not_meet_the_schema_are_not_sent() {
    let server = Scripted::correct().await;
    let wrong = HandCall {
        schema: json!({ "type": "object", "required": ["text"],
            "properties": { "text": { "type": "string" } } }),
        ..call("echo", json!({ "text": 7 }))
    };
    let message = not_made(hands().call(&at(server.url("/mcp")), &wrong).await);
    assert!(message.contains("/text"), "{message}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_schema_that_refers_to_the_outside_makes_no_request() {
    let schemas = Scripted::correct().await;
    let server = Scripted::correct().await;
    let wrong = HandCall {
        schema: json!({ "properties": { "a": { "$ref": schemas.url("/schema.json") } } }),
        ..call("echo", json!({ "a": 1 }))
    };
    let message = not_made(hands().call(&at(server.url("/mcp")), &wrong).await);
    assert!(message.contains("not followed"), "{message}");
    assert!(schemas.seen().is_empty());
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_tool_that_failed_and_an_error_of_the_protocol_are_answers() {
    let server = Scripted::start(|request| match request.body["params"]["name"].as_str() {
        Some("send") => Some(Reply::Error(-32602, "no such tool: send")),
        Some("echo") => Some(Reply::Result(json!({ "isError": true,
            "content": [{ "type": "text", "text": "the disk is full" }] }))),
        _ => None,
    })
    .await;
    let (hands, asked) = (hands(), at(server.url("/mcp")));
    let failed = hands.call(&asked, &call("echo", json!({}))).await;
    assert_eq!(
        failed,
        CallEnd::Answered {
            text: "the disk is full".into(),
            is_error: true
        }
    );
    let gone = hands.call(&asked, &call("send", json!({}))).await;
    assert_eq!(
        gone,
        CallEnd::Answered {
            text: "the server answered with error -32602: no such tool: send".into(),
            is_error: true
        }
    );
}
