//! Tool servers that nobody here wrote: `mcp-server-time` over stdio, `server-everything` over
//! streamable HTTP and over stdio.

use std::collections::BTreeMap;

use heartbeat_domain::tool::{ListedTool, Place};
use heartbeat_testkit::tool_servers::{self, Everything, Program};
use heartbeat_tools::{
    CallEnd, Declared, DeclaredServers, HandCall, Hands, McpHands, Outgoing, Server,
};
use serde_json::{Value, json};

use crate::support::{at, call, hands, install_tls, not_made, server, text};

fn declaring(program: Program) -> (McpHands, Server) {
    install_tls();
    let declared = Declared {
        program: program.command,
        args: program.args,
        env: BTreeMap::new(),
        projects: None,
    };
    let servers = DeclaredServers(BTreeMap::from([("house".to_owned(), declared)]));
    let hands = McpHands::new(Outgoing::default(), servers, 1);
    let place = Place::Declared {
        name: "house".into(),
    };
    (hands, server(place))
}

/// A call with the schema that the server itself has listed.
fn with_schema(tools: &[ListedTool], name: &str, arguments: Value) -> HandCall {
    let tool = tools
        .iter()
        .find(|tool| tool.name == name)
        .unwrap_or_else(|| panic!("the server lists no `{name}`"));
    HandCall {
        schema: tool.schema.clone(),
        ..call(name, arguments)
    }
}

#[tokio::test]
async fn the_time_server_is_listed_and_called_over_stdio() {
    let (hands, server) = declaring(tool_servers::time());
    let tools = hands.list(&server).await.unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["get_current_time", "convert_time"]);

    let noon = json!({ "source_timezone": "Europe/Berlin", "time": "12:00",
        "target_timezone": "Asia/Kolkata" });
    let answer = text(
        hands
            .call(&server, &with_schema(&tools, "convert_time", noon))
            .await,
    );
    assert!(answer.contains("Asia/Kolkata"), "{answer}");

    let half = json!({ "source_timezone": "Europe/Berlin" });
    let refused = not_made(
        hands
            .call(&server, &with_schema(&tools, "convert_time", half))
            .await,
    );
    assert!(refused.contains("time"), "{refused}");

    let nowhere = json!({ "timezone": "Nowhere/Nothing" });
    let failed = hands
        .call(&server, &with_schema(&tools, "get_current_time", nowhere))
        .await;
    assert!(
        matches!(&failed, CallEnd::Answered { is_error: true, text } if text.contains("Nowhere")),
        "{failed:?}"
    );
    hands.close().await;
}

#[tokio::test]
async fn the_everything_server_is_listed_and_called_over_http() {
    let running = Everything::start().await;
    let (hands, server) = (hands(), at(&*running.url));
    let tools = hands.list(&server).await.unwrap();
    let ask = |name: &str, arguments: Value| with_schema(&tools, name, arguments);

    let echo = hands
        .call(&server, &ask("echo", json!({ "message": "hello" })))
        .await;
    assert_eq!(text(echo), "Echo: hello");
    let sum = text(
        hands
            .call(&server, &ask("get-sum", json!({ "a": 2, "b": 40 })))
            .await,
    );
    assert!(sum.contains("42"), "{sum}");

    let image = text(hands.call(&server, &ask("get-tiny-image", json!({}))).await);
    assert!(image.contains("[image, image/png, "), "{image}");
    assert!(image.len() < 500, "the image was shown: {image}");

    let weather = json!({ "location": "Chicago" });
    let structured = text(
        hands
            .call(&server, &ask("get-structured-content", weather))
            .await,
    );
    let parsed: Value = serde_json::from_str(&structured).unwrap();
    assert!(parsed["temperature"].is_number(), "{structured}");

    let links = text(
        hands
            .call(&server, &ask("get-resource-links", json!({ "count": 2 })))
            .await,
    );
    assert_eq!(links.matches("[link to resource ").count(), 2, "{links}");

    let slow = json!({ "duration": 1, "steps": 3 });
    let progressed = hands
        .call(&server, &ask("trigger-long-running-operation", slow))
        .await;
    assert!(text(progressed).contains("completed"));

    let wrong = hands
        .call(&server, &ask("get-sum", json!({ "a": "two", "b": 1 })))
        .await;
    assert!(not_made(wrong).contains("/a"));
}

#[tokio::test]
async fn calls_to_the_everything_server_run_beside_each_other() {
    let running = Everything::start().await;
    let (hands, server) = (hands(), at(&*running.url));
    let calls = (0..6).map(|number| {
        let (hands, server) = (&hands, &server);
        async move {
            let said = json!({ "message": format!("call {number}") });
            let answer = text(hands.call(server, &call("echo", said)).await);
            assert_eq!(answer, format!("Echo: call {number}"));
        }
    });
    futures::future::join_all(calls).await;
}

#[tokio::test]
async fn the_everything_server_prints_its_environment_and_none_of_ours_is_in_it() {
    let (hands, server) = declaring(tool_servers::everything());
    let printed = text(hands.call(&server, &call("get-env", json!({}))).await);
    let start = printed.find('{').unwrap();
    let seen: Value = serde_json::from_str(&printed[start..]).unwrap();
    assert_eq!(seen, json!({}));
    assert!(
        std::env::vars_os().next().is_some(),
        "there is something to leak"
    );
    hands.close().await;
}
