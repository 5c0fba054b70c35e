//! Everything stops within five seconds: a model in the middle of its answer, a tool that hangs; and
//! goes on where it would be.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use heartbeat_testkit::model_server::{ModelServer, Reply};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::api::{Api, texts};
use crate::support::home::Home;
use crate::support::visitor::Visitor;
use crate::support::wait::{beside, until, within};

/// From the pause to the end of what was under way.
const WITHIN: SignedDuration = SignedDuration::from_secs(5);

/// A tool server whose one tool never answers.
#[derive(Clone, Default)]
struct Abyss {
    called: Arc<watch::Sender<usize>>,
}

impl Abyss {
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let abyss = self.clone();
        let answer = move |body: Bytes| {
            let abyss = abyss.clone();
            async move { abyss.answer(&body).await }
        };
        let router = Router::new().route("/mcp", post(answer));
        beside(async move { axum::serve(listener, router).await.unwrap() });
        url
    }

    async fn answer(&self, body: &[u8]) -> Response {
        let body: Value = serde_json::from_slice(body).unwrap();
        let result = match body["method"].as_str().unwrap() {
            "initialize" => json!({
                "protocolVersion": body["params"]["protocolVersion"],
                "capabilities": { "tools": {} },
                "serverInfo": { "name": "abyss", "version": "1" },
            }),
            "tools/list" => json!({ "tools": [
                { "name": "send", "description": "Sends it.", "inputSchema": { "type": "object" } },
            ] }),
            "tools/call" => {
                self.called.send_modify(|called| *called += 1);
                std::future::pending().await
            }
            _ => return StatusCode::ACCEPTED.into_response(),
        };
        Json(json!({ "jsonrpc": "2.0", "id": body["id"], "result": result })).into_response()
    }
}

/// Streams without end where it is asked to talk, calls the tool where it is asked to send.
async fn model() -> ModelServer {
    ModelServer::answering(|body| {
        let prompt = body["messages"].as_array().unwrap().last().unwrap();
        match prompt["content"].as_str().unwrap_or_default() {
            "Talk." => Reply::Stall,
            _ => Reply::call("box__send", json!({})),
        }
    })
    .await
}

/// A server with one execution that waits for a tool, one that listens to a model, and a heartbeat
/// that has nothing to do yet. The model takes one request at a time, as those on loopback do.
struct Work {
    home: Home,
    api: Api,
    model: ModelServer,
    bot: String,
    executions: Vec<String>,
    heartbeats: Vec<String>,
}

async fn work() -> Work {
    let (abyss, model) = (Abyss::default(), model().await);
    let home = Home::new().with_openai(&model);
    let mut api = home.api().await;
    let key = ["key", "create", "--scope", "admin", "--json"];
    let key = home.run(&key).await.json();
    api.key = key["api_key"].as_str().unwrap().to_owned();
    let bot = api.bot("Scout", "openai/scripted").await;
    let server = json!({
        "bot_id": bot, "server_label": "box", "server_url": abyss.start().await, "transport": "http",
    });
    api.post("/v1/bot/tool", server).await.ok();
    let (mut heartbeats, mut executions) = (Vec::new(), Vec::new());
    let mut called = abyss.called.subscribe();
    for prompt in ["Send.", "Talk.", "Wait."] {
        let fields = json!({ "prompt": prompt, "enabled": 1, "interval_minutes": 45 });
        let heartbeat = api.configure(&bot, fields).await;
        heartbeats.push(heartbeat["uuid"].as_str().unwrap().to_owned());
        if prompt != "Wait." {
            executions.push(api.begin(&heartbeat).await);
            let asked = model.wait_for_requests(executions.len());
            within("a request", asked).await;
            let called = called.wait_for(|called| *called == 1);
            within("the call", called).await.unwrap();
        }
    }
    Work {
        home,
        api,
        model,
        bot,
        executions,
        heartbeats,
    }
}

impl Work {
    /// What a pause said that it stopped is what was there, in any order.
    fn all_are_listed(&self, stopped: &Value) {
        for (field, all) in [
            ("executions", &self.executions),
            ("heartbeats", &self.heartbeats),
        ] {
            let mut listed: Vec<&str> = stopped[field]
                .as_array()
                .unwrap()
                .iter()
                .map(|id| id.as_str().unwrap())
                .collect();
            let mut all: Vec<&str> = all.iter().map(String::as_str).collect();
            listed.sort_unstable();
            all.sort_unstable();
            assert_eq!(listed, all, "{field}: {stopped:#}");
        }
    }

    /// When the project was paused.
    async fn paused_at(&self) -> Timestamp {
        let projects = self.api.send("GET", "/v1/project/readall", b"").await.ok();
        let projects = projects["projects"].as_array().unwrap();
        let own = projects
            .iter()
            .find(|one| one["uuid"] == self.api.project_id.as_str());
        own.unwrap()["paused_at"].as_str().unwrap().parse().unwrap()
    }

    /// Both executions end in time, as what they are.
    async fn all_stops_in_time(&self) {
        within("the end of the stream", self.model.wait_for_hang_ups(1)).await;
        let paused_at = self.paused_at().await;
        for (execution, state) in self.executions.iter().zip(["outcome_unknown", "lost_turn"]) {
            let log = self.api.ended(&self.bot, execution).await;
            let row = &log["log"];
            assert_eq!(row["status"], "cancelled", "{log:#}");
            assert_eq!(row["reason"], "project_paused", "{log:#}");
            let steps = log["steps"].as_array().unwrap();
            assert_eq!(texts(steps, "state").last(), Some(&state), "{log:#}");
            assert_eq!(row["needs_review"], state == "outcome_unknown", "{log:#}");
            assert!(row["credits_charged"].as_u64().unwrap() > 0, "{log:#}");
            let started_at: Timestamp = row["started_at"].as_str().unwrap().parse().unwrap();
            let took = SignedDuration::from_millis(row["duration_ms"].as_i64().unwrap());
            let late = (started_at + took).duration_since(paused_at);
            assert!(late <= WITHIN, "{state} ended {late:#} after the pause");
        }
        assert_eq!(self.model.requests().len(), 2, "nobody asks any more");
    }
}

#[tokio::test]
async fn the_command_line_stops_a_stream_and_a_hanging_call_within_five_seconds() {
    let work = work().await;
    let stopped = work.home.run(&["pause", "--all", "--json"]).await.json();
    work.all_are_listed(&stopped);
    work.all_stops_in_time().await;
    let again = work.home.run(&["pause", "--all"]).await.ok();
    assert!(
        again.starts_with("Stopped 0 heartbeats; 0 executions"),
        "{again}"
    );
    let resumed = work.home.run(&["resume", "--all", "--json"]).await.json();
    assert_eq!(
        resumed["heartbeats"].as_array().unwrap().len(),
        3,
        "{resumed:#}"
    );
    work.api.server.stop().await;
}

#[tokio::test]
async fn the_api_stops_a_stream_and_a_hanging_call_within_five_seconds() {
    let work = work().await;
    let stopped = work.api.post("/v1/project/pause", json!({})).await.ok();
    work.all_are_listed(&stopped);
    work.all_stops_in_time().await;
    let resumed = work.api.post("/v1/project/resume", json!({})).await.ok();
    assert_eq!(
        resumed["heartbeats"].as_array().unwrap().len(),
        3,
        "{resumed:#}"
    );
    work.api.server.stop().await;
}

#[tokio::test]
async fn the_button_stops_a_stream_and_a_hanging_call_and_lists_what_it_stopped() {
    let work = work().await;
    let link = work.home.run(&["login", "--json"]).await.json();
    let address = &work.api.server.address;
    let visitor = Visitor::sign_in(address, link["url"].as_str().unwrap()).await;
    let home = visitor.page("/").await;
    assert!(home.text.contains("action=\"/pause\""), "{}", home.text);
    let asks = visitor.page("/pause").await;
    assert!(asks.text.contains("Pause everything?"), "{}", asks.text);
    let pressed = visitor.press(&asks, "/pause", "").await;
    assert_eq!(pressed.header("location"), Some("/pause"));
    work.all_stops_in_time().await;
    let told = visitor.page("/pause").await;
    assert!(told.text.contains("Everything is paused"), "{}", told.text);
    assert!(!told.text.contains("still ending"), "{}", told.text);
    for listed in work.executions.iter().chain(&work.heartbeats) {
        assert!(told.text.contains(listed), "{listed}: {}", told.text);
    }
    visitor.press(&told, "/resume", "").await;
    let home = visitor.page("/").await;
    assert!(!home.text.contains("Everything is paused"), "{}", home.text);
    work.api.server.stop().await;
}

#[tokio::test]
async fn one_execution_is_cut_as_quickly_and_its_heartbeat_stays() {
    let work = work().await;
    let ids = json!({ "bot_id": work.bot, "heartbeat_id": work.heartbeats[1] });
    work.api.post("/v1/bot/heartbeat/cancel", ids).await.ok();
    within("the end of the stream", work.model.wait_for_hang_ups(1)).await;
    let log = work.api.ended(&work.bot, &work.executions[1]).await;
    assert_eq!(log["log"]["status"], "cancelled", "{log:#}");
    assert_eq!(log["log"]["reason"], "by_person", "{log:#}");
    let other = work.api.log(&work.bot, &work.executions[0]).await;
    assert_eq!(other["log"]["status"], "running", "{other:#}");
    let heartbeat = json!({ "bot_uuid": work.bot, "uuid": work.heartbeats[1] });
    let heartbeat = work.api.read(&heartbeat).await;
    assert_eq!(heartbeat["paused_reason"], Value::Null, "{heartbeat:#}");
    work.home.run(&["pause", "--all"]).await.ok();
    work.api.server.stop().await;
}

#[tokio::test]
async fn after_the_end_of_a_pause_the_next_fire_comes_on_its_grid() {
    let model = ModelServer::start([Reply::Stall, Reply::say("All quiet.")]).await;
    // A minute takes three seconds.
    let home = Home::new().with_clock(20).with_openai(&model);
    let api = home.api().await;
    let bot = api.bot("Scout", "openai/scripted").await;
    let fields = json!({ "prompt": "Talk.", "enabled": 1, "interval_minutes": 1 });
    let heartbeat = api.configure(&bot, fields).await;
    within("the first fire", model.wait_for_requests(1)).await;
    home.run(&["pause", "--project", "acme"]).await.ok();
    let cut = until("the end of the first fire", || async {
        let rows = api.logs(&bot, "status=cancelled").await;
        rows.into_iter().next()
    })
    .await;
    let paused = api.read(&heartbeat).await;
    assert_eq!(paused["paused_reason"], "project_paused", "{paused:#}");
    home.run(&["resume", "--project", "acme"]).await.ok();
    let next = until("the next fire", || async {
        let rows = api.logs(&bot, "status=success").await;
        rows.into_iter().next()
    })
    .await;
    let due = |row: &Value| {
        row["due_at"]
            .as_str()
            .unwrap()
            .parse::<Timestamp>()
            .unwrap()
    };
    let apart = due(&next).duration_since(due(&cut));
    assert!(apart.as_secs() > 0, "{cut:#} {next:#}");
    assert_eq!(apart.as_secs() % 60, 0, "off the grid: {cut:#} {next:#}");
    api.server.stop().await;
}
