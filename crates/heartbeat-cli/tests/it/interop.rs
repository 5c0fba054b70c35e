//! A heartbeat works with tool servers that nobody here wrote: `mcp-server-time` of the Python
//! package index as a declared program, and `@modelcontextprotocol/server-everything` of npm over
//! streamable HTTP. Only the model is scripted.

use heartbeat_testkit::model_server::{ModelServer, Reply};
use heartbeat_testkit::tool_servers::{self, Everything};
use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::home::Home;

/// A model that asks what time it is in Tokyo, has a word repeated, and says so.
async fn model() -> ModelServer {
    ModelServer::answering(|body| {
        let messages = body["messages"].as_array().unwrap();
        let told = messages.iter().filter(|message| message["role"] == "tool");
        match told.count() {
            0 => Reply::call(
                "clock__get_current_time",
                json!({ "timezone": "Asia/Tokyo" }),
            ),
            1 => Reply::call("everything__echo", json!({ "message": "over and out" })),
            _ => Reply::say("Both answered."),
        }
    })
    .await
}

/// Declares the time server as an operator would.
fn declare(home: &Home) {
    let clock = tool_servers::time();
    let text = format!(
        "[mcp.clock]\ncommand = {:?}\nargs = {:?}\n",
        clock.command.display().to_string(),
        clock.args
    );
    std::fs::write(home.path("settings.toml"), text).unwrap();
}

async fn add(api: &Api, bot: &str, fields: Value) -> Value {
    let mut body = json!({ "bot_id": bot });
    let more = fields.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    let tool = api.post("/v1/bot/tool", body).await.ok()["tool"].clone();
    assert_eq!(tool["trouble"], Value::Null, "{tool:#}");
    tool
}

/// The server after its tools were listed anew.
async fn refreshed(api: &Api, bot: &str, tool: &Value) -> Value {
    let path = format!("/v1/bot/tool/{}/refresh", tool["id"].as_str().unwrap());
    let answer = api.post(&path, json!({ "bot_id": bot })).await.ok();
    let again = answer["tool"].clone();
    assert_eq!(names(&again), names(tool), "the same list as at first");
    again
}

fn names(tool: &Value) -> Vec<&str> {
    let tools = tool["tools"].as_array().unwrap();
    tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_heartbeat_lists_and_calls_tool_servers_that_nobody_here_wrote() {
    let (model, everything) = (model().await, Everything::start().await);
    let home = Home::new().with_openai(&model);
    declare(&home);
    let (project_id, key) = home.project("acme", "self_hosted").await;
    let settings = home.path("settings.toml").display().to_string();
    let server = home.serve(&["--config", &settings]).await;
    let api = Api::new(server, &project_id, &key);
    let bot = api.bot("Scout", "openai/scripted").await;
    let clock = json!({
        "server_label": "clock", "transport": "declared", "server_name": "clock"
    });
    let clock = refreshed(&api, &bot, &add(&api, &bot, clock).await).await;
    assert_eq!(names(&clock), ["get_current_time", "convert_time"]);
    let http = json!({
        "server_label": "everything", "transport": "http", "server_url": everything.url
    });
    let http = refreshed(&api, &bot, &add(&api, &bot, http).await).await;
    assert!(names(&http).contains(&"echo"), "{http:#}");
    let heartbeat = api
        .configure(&bot, json!({ "prompt": "Ask both.", "label": "Both" }))
        .await;
    let result = api.trigger(&heartbeat).await;
    assert_eq!(result["status"], "success", "{result:#}");
    let log = api
        .log(&bot, result["execution_id"].as_str().unwrap())
        .await;
    let steps = log["steps"].as_array().unwrap();
    let calls: Vec<&Value> = steps.iter().filter(|step| step["kind"] == "call").collect();
    assert_eq!(calls.len(), 2, "{log:#}");
    assert!(calls.iter().all(|call| call["state"] == "done"), "{log:#}");
    let shown: Vec<String> = calls.iter().map(|call| call.to_string()).collect();
    assert!(
        shown[0].contains("Asia/Tokyo") && shown[0].contains("+09:00"),
        "{log:#}"
    );
    assert!(shown[1].contains("over and out"), "{log:#}");
    let last = model.requests().last().unwrap().body.to_string();
    assert!(
        last.contains("+09:00") && last.contains("over and out"),
        "the model was told what both answered: {last}"
    );
}
