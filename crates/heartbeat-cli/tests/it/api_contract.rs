//! What clients of the published API rely on, through the real binary; the bytes of every shape are
//! held by the tests of the API itself.

use serde_json::{Value, json};

use crate::support::api::{Api, texts};
use crate::support::client::{Answer, Ask, send};
use crate::support::dialect::{Dialect, Work};
use crate::support::home::Home;
use crate::support::wait::within;
use heartbeat_testkit::model_server::{ModelServer, Reply};
use std::sync::Arc;
use tokio::sync::Notify;

/// Sends what the published client sends, byte for byte.
async fn as_the_client(api: &Api, method: &str, path: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {}", api.key);
    let mut headers = vec![("Authorization", bearer.as_str())];
    match method {
        "GET" => headers.insert(0, ("Accept", "*/*")),
        _ => {
            headers.insert(0, ("Content-Type", "application/json"));
            headers.insert(0, ("Accept", "application/json"));
        }
    }
    headers.extend([
        (
            "User-Agent",
            "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)",
        ),
        ("Accept-Encoding", "gzip,deflate"),
        ("Connection", "keep-alive"),
    ]);
    let ask = Ask {
        method,
        path,
        headers: &headers,
        body: body.as_bytes(),
    };
    send(&api.server.address, &ask).await.unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

/// The published client, with one agent.
struct Client {
    _home: Home,
    _model: ModelServer,
    api: Api,
    bot: String,
}

impl Client {
    async fn new() -> Self {
        let model = ModelServer::answering(|_| Reply::say("Two refunds above the limit.")).await;
        let home = Home::new().with_openai(&model);
        let api = home.api().await;
        let bot = api.bot("Scout", "openai/scripted-model").await;
        Self {
            _home: home,
            _model: model,
            api,
            bot,
        }
    }

    /// `project_id`, `bot_id`, and what else a body has.
    async fn post(&self, what: &str, rest: &str) -> Answer {
        let (project, bot) = (&self.api.project_id, &self.bot);
        let body = format!(r#"{{"project_id":"{project}","bot_id":"{bot}"{rest}}}"#);
        as_the_client(
            &self.api,
            "POST",
            &format!("/v1/bot/heartbeat/{what}"),
            &body,
        )
        .await
    }

    async fn ask(&self, method: &str, what: &str, rest: &str) -> Answer {
        let (project, bot) = (&self.api.project_id, &self.bot);
        let path = format!("/v1/bot/heartbeat/{what}?project_id={project}&bot_id={bot}{rest}");
        as_the_client(&self.api, method, &path, "").await
    }

    async fn made(&self) -> Value {
        self.post("configure", r#","prompt":"p""#).await.ok()["heartbeat"].clone()
    }
}

const HEARTBEAT: &str = "uuid bot_id member_id prompt interval_minutes cron_pattern enabled \
    active_hours_start active_hours_end active_days timezone credit_budget credits_used \
    last_executed_at last_status execution_count error_count max_consecutive_errors created_at \
    updated_at";
const RESULT: &str = "status response duration_ms tokens_used credits_charged";
const LOG: &str = "uuid type status prompt response duration_ms tokens_used credits_charged \
    error_message created_at";

/// An object begins with the published fields, in their order; ours come after them.
#[track_caller]
fn begins(object: &Value, published: &str) {
    let keys = keys(object).join(" ");
    assert!(keys.starts_with(published), "{keys}");
}

#[tokio::test]
async fn the_least_that_the_published_client_sends_makes_a_heartbeat_that_is_off() {
    let client = Client::new().await;
    let made = client.made().await;
    begins(&made, HEARTBEAT);
    assert_eq!(made["enabled"], 0);
    assert_eq!(made["interval_minutes"], 30);
    let (project, path) = (&client.api.project_id, "/v1/bot/heartbeat/configure");
    let nothing = format!(r#"{{"project_id":"{project}","bot_id":null,"prompt":null}}"#);
    let nothing = as_the_client(&client.api, "POST", path, &nothing).await;
    assert_eq!(nothing.status, 400);
}

/// What one client object has sent before is sent again, with another call's `heartbeat_id`.
#[tokio::test]
async fn what_the_published_client_has_left_over_changes_nothing() {
    let client = Client::new().await;
    let made = client.made().await;
    let id = made["uuid"].as_str().unwrap();
    let leftovers = format!(
        r#","name":"n","model":"m","instruction":"i","status":"1","prompt":"q","cron_pattern":"30 8 * * 1-5","enabled":true,"credit_budget":250,"heartbeat_id":"{id}","chat_mode":"ask""#
    );
    let second = client.post("configure", &leftovers).await.ok()["heartbeat"].clone();
    assert_ne!(second["uuid"], made["uuid"], "heartbeat_id updates nothing");
    assert_eq!(second["cron_pattern"], "30 8 * * 1-5");
    assert_eq!(second["interval_minutes"], Value::Null);
    let enabled = client.post("enable", &leftovers).await.ok()["heartbeat"].clone();
    assert_eq!(
        (&enabled["uuid"], &enabled["enabled"]),
        (&json!(id), &json!(1))
    );
    assert_eq!(enabled["cron_pattern"], Value::Null);
}

#[tokio::test]
async fn the_captured_calls_of_the_published_client_are_answered_in_its_shapes() {
    let client = Client::new().await;
    let made = client.made().await;
    let heartbeat = made["uuid"].as_str().unwrap();
    let (named, asked) = (
        format!(r#","heartbeat_id":"{heartbeat}""#),
        format!("&heartbeat_id={heartbeat}"),
    );
    let result = client.post("trigger", &named).await.ok()["result"].clone();
    begins(&result, RESULT);
    assert_eq!(result["status"], "success");
    assert_eq!(result["tokens_used"], 110);
    let disabled = client.post("disable", &named).await.ok();
    assert_eq!(disabled["heartbeat"]["enabled"], 0);

    let listed = client.ask("GET", "readall", "").await.ok();
    assert_eq!(keys(&listed), ["heartbeats"]);
    begins(&listed["heartbeats"][0], HEARTBEAT);
    let read = client.ask("GET", "read", &asked).await.ok();
    assert_eq!(read["heartbeat"]["execution_count"], 1);
    let logs = client.ask("GET", "logs", "").await.ok();
    assert_eq!(keys(&logs), ["total", "logs", "pagination"]);
    begins(&logs["logs"][0], LOG);
    let page = json!({ "page": 1, "per_page": 20, "total": 1, "total_pages": 1 });
    assert_eq!(logs["pagination"], page);
    let stats = client.ask("GET", "stats", "").await.ok()["stats"].clone();
    assert_eq!(stats["total_executions"], 1);
    assert_eq!(stats["success_rate"], 100.0);
    let deleted = client.ask("DELETE", "delete", &asked).await.ok();
    assert!(deleted["message"].is_string());
    let project = &client.api.project_id;
    let path = format!("/v1/bot/subscriber/readall?project_id={project}&page=1&per_page=10");
    as_the_client(&client.api, "GET", &path, "").await.ok();
}

#[tokio::test]
async fn both_versions_of_the_schedule_are_configured_and_one_replaces_the_other() {
    let home = Home::new();
    let api = home.api().await;
    let bot = api.bot("Scout", "openai/scripted-model").await;
    let interval = json!({
        "prompt": "Look through yesterday's refunds", "interval_minutes": 45, "enabled": true,
        "active_hours_start": "08:30", "active_hours_end": "18:00", "active_days": "1,2,4",
        "timezone": "Europe/Lisbon", "credit_budget": 250, "max_consecutive_errors": 4,
    });
    let made = api.configure(&bot, interval.clone()).await;
    for (field, value) in interval.as_object().unwrap() {
        let shown = if field == "enabled" { &json!(1) } else { value };
        assert_eq!(&made[field], shown, "{field}");
    }
    let change =
        json!({ "uuid": made["uuid"], "cron_pattern": "30 8 * * 1-5", "credit_budget": null });
    let changed = api.configure(&bot, change).await;
    assert_eq!(changed["uuid"], made["uuid"]);
    assert_eq!(
        (&changed["interval_minutes"], &changed["credit_budget"]),
        (&Value::Null, &Value::Null)
    );
    for kept in [
        "prompt",
        "timezone",
        "active_days",
        "max_consecutive_errors",
        "enabled",
    ] {
        assert_eq!(changed[kept], made[kept], "{kept}");
    }
    let back = api
        .configure(
            &bot,
            json!({ "uuid": made["uuid"], "interval_minutes": 60 }),
        )
        .await;
    assert_eq!(
        (&back["interval_minutes"], &back["cron_pattern"]),
        (&json!(60), &Value::Null)
    );
}

/// Two heartbeats with three and two executions, of which the second failed.
async fn five_executions() -> (Work, Value) {
    let refusal = Reply::status(400, &[], r#"{"error":{"message":"no"}}"#);
    let script = ["a", "", "b", "c", "d"].map(|said| match said {
        "" => refusal.clone(),
        said => Reply::say(said),
    });
    let work = Dialect::OpenAi.work(script).await;
    let fields = json!({ "prompt": "Another." });
    let other = work.api.configure(&work.bot, fields).await;
    for _ in 0..3 {
        work.api.trigger(&work.heartbeat).await;
    }
    for _ in 0..2 {
        work.api.trigger(&other).await;
    }
    (work, other)
}

#[tokio::test]
async fn the_log_is_filtered_and_paged_and_outlives_its_heartbeat() {
    let (work, other) = five_executions().await;
    let (api, bot) = (&work.api, &work.bot);
    let said = async |query: &str| {
        let logs = api.logs(bot, query).await;
        texts(&logs, "response").join(" ")
    };
    assert_eq!(said("").await, "d c b  a", "newest first");
    assert_eq!(said("status=success").await, "d c b a");
    let failed = api.logs(bot, "status=error").await;
    assert_eq!(texts(&failed, "reason"), ["model_error"]);
    let id = other["uuid"].as_str().unwrap();
    let of_other = format!("heartbeat_id={id}");
    assert_eq!(said(&of_other).await, "d c");
    assert_eq!(said("per_page=2&page=1").await, "d c");
    assert_eq!(said("per_page=2&page=3").await, "a");
    assert_eq!(said("per_page=2&page=4").await, "");
    let project = &api.project_id;
    let path =
        format!("/v1/bot/heartbeat/delete?project_id={project}&bot_id={bot}&heartbeat_id={id}");
    api.send("DELETE", &path, b"").await.ok();
    assert_eq!(said(&of_other).await, "d c", "the record outlives it");
}

#[tokio::test]
async fn the_counts_add_up() {
    let (work, _) = five_executions().await;
    let query = format!("bot_id={}&days=2", work.bot);
    let stats = work.api.get("/v1/bot/heartbeat/stats", &query).await;
    let stats = stats.ok()["stats"].clone();
    let count = |name: &str| stats[name].as_u64().unwrap();
    assert_eq!(count("total_executions"), 5);
    assert_eq!(count("success_count"), 4);
    assert_eq!(count("error_count"), 1);
    assert_eq!(count("skipped_count"), 0);
    assert_eq!(count("total_tokens"), 440);
    assert_eq!(stats["success_rate"], 80.0);
    assert_eq!(stats["by_type"]["heartbeat"]["count"], 5);
    let days = stats["time_series"].as_array().unwrap().iter();
    let total: u64 = days.map(|day| day["total"].as_u64().unwrap()).sum();
    assert_eq!(total, 5);
}

#[tokio::test]
async fn what_is_under_way_is_listed_when_asked_for_and_can_be_cancelled() {
    let never = Arc::new(Notify::new());
    let script = [
        Reply::call("host_status", json!({})),
        Reply::hold_until(&never, Reply::say("never")),
    ];
    let work = Dialect::OpenAi.work(script).await;
    let execution = work.api.begin(&work.heartbeat).await;
    within("the second turn", work.model.wait_for_requests(2)).await;
    assert!(work.api.logs(&work.bot, "").await.is_empty());
    let open = work.api.logs(&work.bot, "status=running").await;
    assert_eq!(texts(&open, "uuid"), [&execution]);
    let cancelled = work.api.act("cancel", &work.heartbeat).await.ok();
    assert_eq!(cancelled["execution_id"], execution.as_str());
    let log = work.api.ended(&work.bot, &execution).await["log"].clone();
    assert_eq!(
        (&log["status"], &log["reason"]),
        (&json!("cancelled"), &json!("by_person"))
    );
    assert_eq!(log["tokens_used"], 110, "what was spent stays charged");
    assert_eq!(work.model.requests().len(), 2);
    let again = work.api.act("cancel", &work.heartbeat).await;
    assert_eq!(
        (again.status, &again.json()["code"]),
        (404, &json!("EXECUTION_NOT_FOUND"))
    );
}

#[tokio::test]
async fn the_switch_of_an_agent_is_set_by_row_number_and_read_back() {
    let home = Home::new();
    let api = home.api().await;
    let bot = api.bot("Scout", "openai/scripted-model").await;
    let read = api.get("/v1/bot/read", &format!("bot_id={bot}")).await.ok()["bot"].clone();
    assert_eq!(
        (&read["heartbeat"], &read["uuid"]),
        (&json!(1), &json!(bot))
    );
    let number = read["id"].as_str().unwrap();
    let off = json!({ "bot_id": number, "heartbeat": 0 });
    assert_eq!(
        api.write("PUT", "/v1/bot/update", off).await.ok()["heartbeat"],
        0
    );
    let refused = api.post(
        "/v1/bot/heartbeat/configure",
        json!({ "bot_id": number, "prompt": "p" }),
    );
    assert_eq!(refused.await.json()["code"], "HEARTBEAT_OFF");
    let bots = api.get("/v1/bot/readall", "").await.ok();
    assert_eq!(texts(bots["bots"].as_array().unwrap(), "name"), ["Scout"]);
}

#[tokio::test]
async fn machines_find_out_how_the_server_is_without_a_key() {
    let home = Home::new();
    let server = home.serve(&[]).await;
    for (path, field, value) in [
        ("/healthz", "status", "ok"),
        ("/readyz", "status", "ready"),
        ("/openapi.json", "openapi", "3.1"),
    ] {
        let ask = Ask {
            method: "GET",
            path,
            headers: &[],
            body: b"",
        };
        let answer = send(&server.address, &ask).await.unwrap().ok();
        assert!(
            answer[field].as_str().unwrap().starts_with(value),
            "{path}: {answer}"
        );
    }
    server.stop().await;
}
