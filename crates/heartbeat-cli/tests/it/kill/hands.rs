//! Two tool servers that count: one recognises the id of an effect, the other does what it is asked,
//! every time.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::mind::Who;
use crate::support::api::Api;
use crate::support::wait::beside;

/// The tool whose server recognises ids, as the model knows it.
pub(super) const KNOWS: &str = "keeper__put";

/// The tool whose server does not.
pub(super) const BLUNT: &str = "blunt__append";

/// A call that arrived: for which execution, under which id.
pub(super) type Arrival = (Who, String);

/// Both servers.
pub(super) struct Hands {
    keeper: Counter,
    blunt: Counter,
}

#[derive(Clone)]
struct Counter {
    url: String,
    arrived: Arc<Mutex<Vec<Arrival>>>,
}

impl Hands {
    pub(super) async fn start() -> Self {
        Self {
            keeper: Counter::start("put").await,
            blunt: Counter::start("append").await,
        }
    }

    /// Gives both to an agent, as people do, and says what may be repeated.
    pub(super) async fn give(&self, api: &Api, bot: &str) {
        let servers = [
            ("keeper", &self.keeper, "put", "by_effect_id"),
            ("blunt", &self.blunt, "append", "never"),
        ];
        for (label, counter, tool, repeat) in servers {
            let server = json!({
                "bot_id": bot, "server_label": label, "transport": "http", "server_url": counter.url,
            });
            let made = api.post("/v1/bot/tool", server).await.ok();
            let path = format!(
                "/v1/bot/tool/{}/toggle",
                made["tool"]["id"].as_str().unwrap()
            );
            let decision = json!({ "bot_id": bot, "tool_name": tool, "repeat": repeat });
            api.post(&path, decision).await.ok();
        }
    }

    /// What arrived at the server of a tool.
    pub(super) fn arrived(&self, tool: &str) -> Vec<Arrival> {
        let counter = if tool == KNOWS {
            &self.keeper
        } else {
            &self.blunt
        };
        counter.arrived.lock().unwrap().clone()
    }
}

impl Counter {
    async fn start(tool: &'static str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&arrived);
        let answer = move |body: Bytes| {
            let answer = answer(tool, &body, &log);
            async move { answer }
        };
        let router = Router::new().route("/mcp", post(answer));
        beside(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, arrived }
    }
}

fn answer(tool: &str, body: &[u8], log: &Mutex<Vec<Arrival>>) -> Response {
    let body: Value = serde_json::from_slice(body).unwrap();
    let params = &body["params"];
    let result = match body["method"].as_str().unwrap() {
        "initialize" => json!({
            "protocolVersion": params["protocolVersion"],
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "counter", "version": "1" },
        }),
        "tools/list" => {
            let schema = json!({
                "type": "object",
                "properties": { "who": { "type": "string" } },
                "required": ["who"],
            });
            json!({ "tools": [{ "name": tool, "inputSchema": schema }] })
        }
        "tools/call" => {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let who = text(&params["arguments"]["who"]);
            let effect = text(&params["_meta"]["heartbeat/effect-id"]);
            log.lock().unwrap().push((who, effect));
            json!({ "content": [{ "type": "text", "text": "done" }] })
        }
        _ => return StatusCode::ACCEPTED.into_response(),
    };
    Json(json!({ "jsonrpc": "2.0", "id": body["id"], "result": result })).into_response()
}
