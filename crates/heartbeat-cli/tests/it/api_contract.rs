//! What clients of the published API rely on, through the real binary; the bytes of every shape are
//! held by the tests of the API itself.

use serde_json::{Value, json};

use crate::support::api::{Api, texts};
use crate::support::client::{Answer, Ask, send};
use crate::support::dialect::Dialect;
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

#[tokio::test]
async fn the_captured_requests_of_the_published_client_are_answered() {
    let model = ModelServer::answering(|_| Reply::say("Two refunds above the limit.")).await;
    let home = Home::new().with_openai(&model);
    let api = home.api().await;
    let (project, bot) = (
        api.project_id.clone(),
        api.bot("Scout", "openai/scripted-model").await,
    );
    let post = async |what: &str, body: String| {
        as_the_client(&api, "POST", &format!("/v1/bot/heartbeat/{what}"), &body).await
    };
    let get = async |what: &str| {
        let path = format!("/v1/bot/heartbeat/{what}project_id={project}&bot_id={bot}");
        as_the_client(&api, "GET", &path, "").await
    };
    let least = format!(r#"{{"project_id":"{project}","bot_id":"{bot}","prompt":"p"}}"#);
    let made = post("configure", least).await.ok()["heartbeat"].clone();
    let published = [
        "uuid",
        "bot_id",
        "member_id",
        "prompt",
        "interval_minutes",
        "cron_pattern",
        "enabled",
        "active_hours_start",
        "active_hours_end",
        "active_days",
        "timezone",
        "credit_budget",
        "credits_used",
        "last_executed_at",
        "last_status",
        "execution_count",
        "error_count",
        "max_consecutive_errors",
        "created_at",
        "updated_at",
    ];
    assert_eq!(keys(&made)[..published.len()], published);
    assert_eq!(
        (&made["enabled"], &made["interval_minutes"]),
        (&json!(0), &json!(30))
    );
    let id = made["uuid"].as_str().unwrap();

    // What one client object has sent before is sent again, with another call's heartbeat_id.
    let leftovers = format!(
        r#"{{"project_id":"{project}","name":"n","model":"m","instruction":"i","status":"1","bot_id":"{bot}","prompt":"q","cron_pattern":"30 8 * * 1-5","enabled":true,"credit_budget":250,"heartbeat_id":"{id}","chat_mode":"ask"}}"#
    );
    let second = post("configure", leftovers.clone()).await.ok()["heartbeat"].clone();
    assert_ne!(second["uuid"], made["uuid"], "heartbeat_id updates nothing");
    assert_eq!(second["cron_pattern"], "30 8 * * 1-5");
    assert_eq!(second["interval_minutes"], Value::Null);
    let enabled = post("enable", leftovers).await.ok();
    assert_eq!(
        (
            &enabled["heartbeat"]["uuid"],
            &enabled["heartbeat"]["enabled"]
        ),
        (&json!(id), &json!(1))
    );

    let ids = format!(r#"{{"project_id":"{project}","bot_id":"{bot}","heartbeat_id":"{id}"}}"#);
    let result = post("trigger", ids.clone()).await.ok()["result"].clone();
    let published = [
        "status",
        "response",
        "duration_ms",
        "tokens_used",
        "credits_charged",
    ];
    assert_eq!(keys(&result)[..published.len()], published);
    assert_eq!(
        (&result["status"], &result["tokens_used"]),
        (&json!("success"), &json!(110))
    );
    assert_eq!(post("disable", ids).await.ok()["heartbeat"]["enabled"], 0);

    let listed = get("readall?").await.ok();
    assert_eq!(keys(&listed), ["heartbeats"]);
    assert_eq!(listed["heartbeats"].as_array().unwrap().len(), 2);
    let path =
        format!("/v1/bot/heartbeat/read?project_id={project}&bot_id={bot}&heartbeat_id={id}");
    let one = as_the_client(&api, "GET", &path, "").await.ok();
    assert_eq!(one["heartbeat"]["execution_count"], 1);
    let logs = get("logs?").await.ok();
    assert_eq!(keys(&logs), ["total", "logs", "pagination"]);
    let published = [
        "uuid",
        "type",
        "status",
        "prompt",
        "response",
        "duration_ms",
        "tokens_used",
        "credits_charged",
        "error_message",
        "created_at",
    ];
    assert_eq!(keys(&logs["logs"][0])[..published.len()], published);
    let page = json!({ "page": 1, "per_page": 20, "total": 1, "total_pages": 1 });
    assert_eq!(logs["pagination"], page);
    let stats = get("stats?").await.ok()["stats"].clone();
    assert_eq!(
        (&stats["total_executions"], &stats["success_rate"]),
        (&json!(1), &json!(100.0))
    );
    let path =
        format!("/v1/bot/heartbeat/delete?project_id={project}&bot_id={bot}&heartbeat_id={id}");
    let deleted = as_the_client(&api, "DELETE", &path, "").await.ok();
    assert!(deleted["message"].is_string());
    let nothing = post(
        "configure",
        format!(r#"{{"project_id":"{project}","bot_id":null,"prompt":null}}"#),
    );
    assert_eq!(nothing.await.status, 400);
    let subscribers = format!("/v1/bot/subscriber/readall?project_id={project}&page=1&per_page=10");
    as_the_client(&api, "GET", &subscribers, "").await.ok();
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

#[tokio::test]
async fn the_log_is_filtered_and_paged_and_the_counts_add_up() {
    let refusal = Reply::status(400, &[], r#"{"error":{"message":"no"}}"#);
    let script = [
        Reply::say("a"),
        refusal,
        Reply::say("b"),
        Reply::say("c"),
        Reply::say("d"),
    ];
    let work = Dialect::OpenAi.work(script).await;
    let other = work
        .api
        .configure(&work.bot, json!({ "prompt": "Another." }))
        .await;
    for heartbeat in [
        &work.heartbeat,
        &work.heartbeat,
        &work.heartbeat,
        &other,
        &other,
    ] {
        work.api.trigger(heartbeat).await;
    }
    let (api, bot) = (&work.api, &work.bot);
    let said = async |query: &str| {
        let logs = api.logs(bot, query).await;
        texts(&logs, "response").join(" ")
    };
    assert_eq!(said("").await, "d c b  a", "newest first");
    assert_eq!(said("status=success").await, "d c b a");
    assert_eq!(
        api.logs(bot, "status=error").await[0]["reason"],
        "model_error"
    );
    let id = other["uuid"].as_str().unwrap();
    assert_eq!(said(&format!("heartbeat_id={id}")).await, "d c");
    assert_eq!(said("per_page=2&page=1").await, "d c");
    assert_eq!(said("per_page=2&page=3").await, "a");
    assert_eq!(said("per_page=2&page=4").await, "");
    let stats = api
        .get("/v1/bot/heartbeat/stats", &format!("bot_id={bot}&days=1"))
        .await;
    let stats = stats.ok()["stats"].clone();
    let counts = [
        "total_executions",
        "success_count",
        "error_count",
        "skipped_count",
    ];
    assert_eq!(
        counts.map(|name| stats[name].as_u64().unwrap()),
        [5, 4, 1, 0]
    );
    assert_eq!(
        (&stats["success_rate"], &stats["total_tokens"]),
        (&json!(80.0), &json!(440))
    );
    assert_eq!(stats["by_type"]["heartbeat"]["count"], 5);
    let of_day = stats["time_series"].as_array().unwrap().iter();
    assert_eq!(
        of_day
            .map(|day| day["total"].as_u64().unwrap())
            .sum::<u64>(),
        5
    );
    api.act("delete", &other).await;
    let path = format!(
        "/v1/bot/heartbeat/delete?project_id={}&bot_id={bot}&heartbeat_id={id}",
        api.project_id
    );
    api.send("DELETE", &path, b"").await.ok();
    assert_eq!(
        said(&format!("heartbeat_id={id}")).await,
        "d c",
        "the record outlives it"
    );
}

#[tokio::test]
async fn what_is_under_way_is_listed_when_asked_for_and_can_be_cancelled() {
    let go = Arc::new(Notify::new());
    let script = [
        Reply::hold_until(&go, Reply::call("host_status", json!({}))),
        Reply::say("never"),
    ];
    let work = Dialect::OpenAi.work(script).await;
    let execution = work.api.begin(&work.heartbeat).await;
    within("the turn", work.model.wait_for_requests(1)).await;
    assert!(work.api.logs(&work.bot, "").await.is_empty());
    let open = work.api.logs(&work.bot, "status=running").await;
    assert_eq!(texts(&open, "uuid"), [&execution]);
    let cancelled = work.api.act("cancel", &work.heartbeat).await.ok();
    assert_eq!(cancelled["execution_id"], execution.as_str());
    go.notify_one();
    let log = work.api.ended(&work.bot, &execution).await["log"].clone();
    assert_eq!(
        (&log["status"], &log["reason"]),
        (&json!("cancelled"), &json!("by_person"))
    );
    assert_eq!(log["tokens_used"], 110, "what was spent stays charged");
    assert_eq!(work.model.requests().len(), 1);
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
