//! Tool servers over HTTP that misbehave: each ends in a reason, and in the right end of its call.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use heartbeat_tools::{CallEnd, DeclaredServers, HandCall, Hands, McpHands, Server};
use serde_json::json;

use crate::support::{Names, Reply, Scripted, at, call, hands, not_made, text, unknown};

/// A server that is correct up to the call and answers that by `reply`.
async fn calling(reply: impl Fn() -> Reply + Send + Sync + 'static) -> (Scripted, CallEnd) {
    let server = Scripted::start(move |request| (request.rpc() == "tools/call").then(&reply)).await;
    let short = HandCall {
        within: Duration::from_secs(3),
        ..call("send", json!({}))
    };
    let end = hands().call(&at(server.url("/mcp")), &short).await;
    assert_eq!(server.count("tools/call"), 1, "the call was repeated");
    (server, end)
}

#[tokio::test]
async fn a_server_that_dies_in_the_middle_of_a_call_leaves_it_open() {
    let (_, end) = calling(|| Reply::Die).await;
    let message = unknown(end);
    assert!(message.contains("broke"), "{message}");
}

#[tokio::test]
async fn a_stream_that_ends_without_an_answer_leaves_the_call_open() {
    let (_, end) = calling(|| Reply::EventsThenEnd(Vec::new())).await;
    unknown(end);
}

#[tokio::test]
async fn a_server_that_hangs_leaves_the_call_open_and_is_told_that_nobody_waits() {
    let server = Scripted::start(|request| {
        (request.rpc() == "tools/call").then(|| Reply::Events(Vec::new()))
    })
    .await;
    let hands = hands();
    let short = HandCall {
        within: Duration::from_secs(3),
        ..call("send", json!({}))
    };
    let message = unknown(hands.call(&at(server.url("/mcp")), &short).await);
    assert!(message.contains("no answer within 3 seconds"), "{message}");
    let cancelled = server
        .until(|request| request.rpc() == "notifications/cancelled")
        .await;
    let seen = server.seen();
    let made = seen.iter().find(|one| one.rpc() == "tools/call").unwrap();
    assert_eq!(cancelled.body["params"]["requestId"], made.body["id"]);
}

#[tokio::test]
async fn a_call_that_is_dropped_is_cancelled_at_the_server() {
    let server = Scripted::start(|request| {
        (request.rpc() == "tools/call").then(|| Reply::Events(Vec::new()))
    })
    .await;
    let (hands, asked) = (hands(), at(server.url("/mcp")));
    let long = call("send", json!({}));
    tokio::select! {
        end = hands.call(&asked, &long) => panic!("it ended: {end:?}"),
        _ = server.until(|request| request.rpc() == "tools/call") => {}
    }
    server
        .until(|request| request.rpc() == "notifications/cancelled")
        .await;
}

#[tokio::test]
async fn a_server_that_floods_is_cut_off() {
    let (_, end) = calling(|| Reply::Flood).await;
    let message = unknown(end);
    assert!(message.contains("more than"), "{message}");
}

#[tokio::test]
async fn a_huge_answer_is_not_read_into_memory() {
    let huge = || Reply::Status(200, "application/json", "x".repeat(5 * 1024 * 1024));
    let (_, end) = calling(huge).await;
    let message = unknown(end);
    assert!(message.contains("more than"), "{message}");
}

#[tokio::test]
async fn nonsense_leaves_the_call_open() {
    for (kind, body) in [
        ("application/json", "{\"jsonrpc\": \"1.0\", \"what\": [}"),
        ("application/json", "[]"),
        ("text/html", "<h1>Welcome</h1>"),
    ] {
        let (_, end) = calling(move || Reply::Status(200, kind, body.into())).await;
        let message = unknown(end);
        assert!(message.contains("server answered"), "{kind}: {message}");
    }
}

#[tokio::test]
async fn a_status_of_the_server_leaves_the_call_open_and_a_refusal_does_not() {
    for status in [500, 502, 503, 504, 400, 408, 409] {
        let (_, end) = calling(move || Reply::Status(status, "text/plain", "no".into())).await;
        let message = unknown(end);
        assert!(message.contains(&status.to_string()), "{message}");
    }
    for status in [403, 404, 405, 415, 429] {
        let (_, end) = calling(move || Reply::Status(status, "text/plain", "no".into())).await;
        let message = not_made(end);
        assert!(message.contains(&status.to_string()), "{message}");
    }
}

#[tokio::test]
async fn a_server_that_wants_a_sign_in_says_so_in_a_list_and_in_a_call() {
    let challenge = "Bearer resource_metadata=\"https://auth.example/meta\"";
    let server = Scripted::start(move |_| {
        Some(Reply::WithHeader(401, "www-authenticate", challenge.into()))
    })
    .await;
    let asked = at(server.url("/mcp"));
    let refused = hands().list(&asked).await.unwrap_err();
    assert_eq!(refused.code, "WANTS_OAUTH");
    assert!(refused.message.contains("Authorization"), "{refused}");
    let message = not_made(hands().call(&asked, &call("send", json!({}))).await);
    assert!(message.contains("sign-in"), "{message}");
    assert_eq!(server.count("tools/call"), 0);

    let with_token = Server {
        headers: vec![("Authorization".into(), "Bearer s3cret".into())],
        ..asked
    };
    let refused = hands().list(&with_token).await.unwrap_err();
    assert_eq!(refused.code, "TOOL_SERVER_REFUSED");
    assert!(!refused.message.contains("s3cret"), "{refused}");
}

#[tokio::test]
async fn a_server_that_is_not_there_was_certainly_not_called() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let asked = at(format!("http://{address}/mcp"));
    not_made(hands().call(&asked, &call("send", json!({}))).await);
    let refused = hands().list(&asked).await.unwrap_err();
    assert_eq!(refused.code, "TOOL_SERVER_UNREACHABLE");
}

#[tokio::test]
async fn a_server_that_hangs_in_the_handshake_was_certainly_not_called() {
    let server = Scripted::start(|_| Some(Reply::Hang)).await;
    let short = HandCall {
        within: Duration::from_millis(500),
        ..call("send", json!({}))
    };
    not_made(hands().call(&at(server.url("/mcp")), &short).await);
    assert_eq!(server.count("tools/call"), 0);
}

#[tokio::test]
async fn a_session_that_the_server_forgot_ends_the_call_and_the_next_one_begins_anew() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let server = Scripted::start(move |request| match request.rpc() {
        "tools/call" if counted.fetch_add(1, Ordering::SeqCst) == 1 => {
            Some(Reply::Status(404, "text/plain", "no session".into()))
        }
        "ping" => Some(Reply::Status(404, "text/plain", "no session".into())),
        _ => None,
    })
    .await;
    let (hands, asked) = (hands(), at(server.url("/mcp")));
    text(hands.call(&asked, &call("echo", json!({}))).await);
    not_made(hands.call(&asked, &call("echo", json!({}))).await);
    assert_eq!(
        server.count("tools/call"),
        2,
        "the library repeated the call"
    );
    text(hands.call(&asked, &call("echo", json!({}))).await);
    assert_eq!(server.count("initialize"), 2);
}

#[tokio::test]
async fn a_server_that_lists_without_end_is_refused() {
    let server = Scripted::start(|request| {
        (request.rpc() == "tools/list").then(|| {
            let tool = json!({ "name": "a", "inputSchema": { "type": "object" } });
            Reply::Result(json!({ "tools": [tool], "nextCursor": "more" }))
        })
    })
    .await;
    let refused = hands().list(&at(server.url("/mcp"))).await.unwrap_err();
    assert_eq!(refused.code, "TOOL_SERVER_FLOODS");
}

#[tokio::test]
async fn a_server_that_redirects_inwards_is_not_followed() {
    let hidden = Scripted::start_on("127.0.0.2:0", |_| None).await;
    let to = hidden.url("/mcp");
    let server =
        Scripted::start(move |_| Some(Reply::WithHeader(307, "location", to.clone()))).await;
    let asked = Server {
        allow_networks: vec!["127.0.0.1".into()],
        ..at(server.url("/mcp"))
    };
    hands().list(&asked).await.unwrap_err();
    assert!(hidden.seen().is_empty());
}

#[tokio::test]
async fn a_server_whose_name_moves_inwards_between_two_calls_is_not_reached() {
    let server = Scripted::correct().await;
    let hidden =
        Scripted::start_on(&format!("127.0.0.2:{}", server.address.port()), |_| None).await;
    // The handshake and the first call: three requests. Then the name moves.
    let good: &[&str] = &["127.0.0.1"];
    let names = Names::pointing(&[good, good, good, &["127.0.0.2"]]);
    let hands = McpHands::new(names.outgoing(), DeclaredServers::default(), 1);
    let asked = Server {
        allow_networks: vec!["127.0.0.1".into()],
        ..at(format!(
            "http://moves.example:{}/mcp",
            server.address.port()
        ))
    };
    text(hands.call(&asked, &call("echo", json!({}))).await);
    let message = not_made(hands.call(&asked, &call("echo", json!({}))).await);
    assert!(message.contains("may not be reached"), "{message}");
    assert!(hidden.seen().is_empty());
}

#[tokio::test]
async fn addresses_that_a_plan_does_not_open_are_refused_before_they_are_kept() {
    for url in [
        "http://127.0.0.1:9/mcp",
        "http://10.0.0.1/mcp",
        "http://169.254.169.254/mcp",
        "http://[::ffff:10.0.0.1]/mcp",
    ] {
        let asked = Server {
            allow_networks: Vec::new(),
            ..at(url)
        };
        assert_eq!(
            hands().check(&asked).unwrap_err().code,
            "ADDRESS_REFUSED",
            "{url}"
        );
        assert_eq!(
            hands().list(&asked).await.unwrap_err().code,
            "ADDRESS_REFUSED"
        );
        not_made(hands().call(&asked, &call("send", json!({}))).await);
    }
    for url in [
        "file:///etc/passwd",
        "https://user:pass@example.org/",
        "stdio",
        "",
    ] {
        assert_eq!(
            hands().check(&at(url)).unwrap_err().code,
            "TOOL_SERVER_URL",
            "{url}"
        );
    }
}
