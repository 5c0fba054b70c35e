//! Whatever is wrong with a request is said in the published shape, and the field is named.

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::client::{Answer, Ask, send};
use crate::support::home::Home;

/// The published shape of an error: every place in which clients look says the same.
#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str, field: Option<&str>) -> String {
    let body = answer.json();
    let message = body["message"].as_str().unwrap_or_default().to_owned();
    let told = json!({ "status": status, "code": code, "message": message });
    assert_eq!(answer.status, status, "{body}");
    assert_eq!(body["error"], told, "{body}");
    assert_eq!(
        (&body["success"], &body["response"]),
        (&json!(false), &Value::Null),
        "{body}"
    );
    assert_eq!(
        (&body["code"], &body["err"]),
        (&json!(code), &json!(message)),
        "{body}"
    );
    assert_eq!(body["field"].as_str(), field, "{body}");
    if let Some(field) = field {
        assert!(message.contains(field), "{message}");
    }
    message
}

struct World {
    _home: Home,
    api: Api,
    bot: String,
    /// Another project's heartbeat, with its agent.
    foreign: Value,
}

impl World {
    async fn new() -> Self {
        let home = Home::new();
        let (other_id, other_key) = home.project("other", "self_hosted").await;
        let (project_id, key) = home.project("acme", "starter").await;
        let other = Api::new(home.serve(&[]).await, &other_id, &other_key);
        let bot = other.bot("Theirs", "openai/scripted-model").await;
        let foreign = other.configure(&bot, json!({ "prompt": "p" })).await;
        let api = Api::new(other.server, &project_id, &key);
        let bot = api.bot("Ours", "openai/scripted-model").await;
        Self {
            _home: home,
            api,
            bot,
            foreign,
        }
    }

    async fn configure(&self, fields: Value) -> Answer {
        let mut body = json!({ "bot_id": self.bot, "prompt": "p" });
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        self.api.post("/v1/bot/heartbeat/configure", body).await
    }
}

#[tokio::test]
async fn a_wrong_field_is_named() {
    let world = World::new().await;
    let wrong: [(Value, &str); 26] = [
        (json!({ "prompt": null }), "prompt"),
        (json!({ "prompt": "" }), "prompt"),
        (json!({ "prompt": 17 }), "prompt"),
        (json!({ "prompt": "p".repeat(32_769) }), "prompt"),
        (json!({ "enabled": "yes" }), "enabled"),
        (json!({ "interval_minutes": 0 }), "interval_minutes"),
        (json!({ "interval_minutes": "30" }), "interval_minutes"),
        (json!({ "interval_minutes": 30.5 }), "interval_minutes"),
        (json!({ "interval_minutes": -30 }), "interval_minutes"),
        (json!({ "interval_minutes": 527_041 }), "interval_minutes"),
        (json!({ "timezone": "Mars/Olympus" }), "timezone"),
        (json!({ "timezone": 1 }), "timezone"),
        (
            json!({ "active_hours_start": "9:61", "active_hours_end": "18:00" }),
            "active_hours_start",
        ),
        (
            json!({ "active_hours_start": "09:00", "active_hours_end": "25:00" }),
            "active_hours_end",
        ),
        (json!({ "active_days": "1,9" }), "active_days"),
        (json!({ "active_days": [1, 2] }), "active_days"),
        (json!({ "cron_pattern": "61 * * * *" }), "cron_pattern"),
        (json!({ "cron_pattern": "0 9 * *" }), "cron_pattern"),
        (
            json!({ "cron_pattern": "0 9 * * *", "interval_minutes": 30 }),
            "cron_pattern",
        ),
        (json!({ "credit_budget": -1 }), "credit_budget"),
        (json!({ "credit_budget": 1.5 }), "credit_budget"),
        (
            json!({ "max_consecutive_errors": 0 }),
            "max_consecutive_errors",
        ),
        (
            json!({ "max_consecutive_errors": 1_001 }),
            "max_consecutive_errors",
        ),
        (json!({ "bot_id": null }), "bot_id"),
        (json!({ "bot_id": "null" }), "bot_id"),
        (json!({ "project_id": null }), "project_id"),
    ];
    for (fields, field) in wrong {
        let answer = world.configure(fields.clone()).await;
        refused(&answer, 400, "INVALID_PARAMETER", Some(field));
    }
    let window = json!({ "active_hours_start": "09:00", "active_hours_end": "09:00" });
    let answer = world.configure(window).await;
    assert_eq!(
        answer.json()["code"],
        "INVALID_PARAMETER",
        "{}",
        answer.text
    );
    let field = answer.json()["field"].as_str().unwrap().to_owned();
    assert!(field.starts_with("active_hours"), "{}", answer.text);
    let left = world
        .api
        .get(
            "/v1/bot/heartbeat/readall",
            &format!("bot_id={}", world.bot),
        )
        .await;
    assert_eq!(left.ok()["heartbeats"], json!([]), "nothing of it was made");
}

#[tokio::test]
async fn a_schedule_that_never_fires_or_too_often_is_refused_by_its_own_code() {
    let world = World::new().await;
    let never = world
        .configure(json!({ "cron_pattern": "0 0 30 2 *" }))
        .await;
    refused(&never, 400, "NEVER_FIRES", Some("cron_pattern"));
    let outside = json!({
        "cron_pattern": "0 9 * * *", "active_hours_start": "10:00", "active_hours_end": "11:00",
    });
    let outside = world.configure(outside).await;
    refused(&outside, 400, "NEVER_FIRES", Some("cron_pattern"));
    let soon = world.configure(json!({ "interval_minutes": 14 })).await;
    let message = refused(&soon, 400, "INTERVAL_TOO_SHORT", Some("interval_minutes"));
    assert!(message.contains("15"), "which limit: {message}");
    let soon = world
        .configure(json!({ "cron_pattern": "*/10 * * * *" }))
        .await;
    refused(&soon, 400, "INTERVAL_TOO_SHORT", Some("cron_pattern"));
}

#[tokio::test]
async fn a_limit_of_the_plan_says_how_much_is_used() {
    let world = World::new().await;
    for _ in 0..3 {
        world.configure(json!({})).await.ok();
    }
    let fourth = world.configure(json!({})).await;
    refused(&fourth, 403, "PLAN_LIMIT_REACHED", None);
    let body = fourth.json();
    assert_eq!((&body["limit"], &body["used"]), (&json!(3), &json!(3)));
    let off = json!({ "bot_id": world.bot, "heartbeat": false });
    world.api.write("PUT", "/v1/bot/update", off).await.ok();
    let query = format!("bot_id={}", world.bot);
    let heartbeats = world.api.get("/v1/bot/heartbeat/readall", &query).await;
    let heartbeat = heartbeats.ok()["heartbeats"][0].clone();
    for what in ["enable", "trigger"] {
        refused(
            &world.api.act(what, &heartbeat).await,
            403,
            "HEARTBEAT_OFF",
            None,
        );
    }
    world.api.act("disable", &heartbeat).await.ok();
}

#[tokio::test]
async fn unknown_and_foreign_ids_are_not_found_and_the_text_null_is_no_id() {
    let world = World::new().await;
    let unknown = "0f4d1c7e-6a0b-4c39-8d3e-2b7f5e9a0003";
    let theirs = world.foreign["uuid"].as_str().unwrap();
    let bot = world.bot.as_str();
    for id in [unknown, theirs, "H-1", "17"] {
        let query = format!("bot_id={bot}&heartbeat_id={id}");
        let read = world.api.get("/v1/bot/heartbeat/read", &query).await;
        refused(&read, 404, "HEARTBEAT_NOT_FOUND", None);
        for what in ["enable", "disable", "trigger", "cancel"] {
            let ids = json!({ "bot_uuid": bot, "uuid": id });
            refused(
                &world.api.act(what, &ids).await,
                404,
                "HEARTBEAT_NOT_FOUND",
                None,
            );
        }
        refused(
            &world.configure(json!({ "uuid": id })).await,
            404,
            "HEARTBEAT_NOT_FOUND",
            None,
        );
    }
    let their_bot = world.foreign["bot_uuid"].as_str().unwrap();
    for id in [unknown, their_bot, "B-1", "17"] {
        let logs = world
            .api
            .get("/v1/bot/heartbeat/logs", &format!("bot_id={id}"))
            .await;
        refused(&logs, 404, "BOT_NOT_FOUND", None);
    }
    let query = format!("bot_id={bot}&heartbeat_id=null");
    let nobody = world.api.get("/v1/bot/heartbeat/read", &query).await;
    refused(&nobody, 400, "INVALID_PARAMETER", Some("heartbeat_id"));
    let path = format!("/v1/bot/heartbeat/readall?project_id={unknown}&bot_id={bot}");
    refused(
        &world.api.send("GET", &path, b"").await,
        404,
        "PROJECT_NOT_FOUND",
        None,
    );
}

#[tokio::test]
async fn malformed_json_a_huge_body_and_a_wrong_key_are_refused() {
    let world = World::new().await;
    let path = "/v1/bot/heartbeat/configure";
    for body in ["{", "[]", "null", "\"text\"", "{\"a\": 1,}", "\u{0}"] {
        let answer = world.api.send("POST", path, body.as_bytes()).await;
        refused(&answer, 400, "MALFORMED_JSON", None);
    }
    let answer = world.api.send("POST", path, b"").await;
    refused(&answer, 400, "INVALID_PARAMETER", Some("project_id"));
    let huge = world
        .configure(json!({ "prompt": "p".repeat(12 << 20) }))
        .await;
    refused(&huge, 413, "BODY_TOO_LARGE", None);

    let address = &world.api.server.address;
    for headers in [
        vec![],
        vec![("Authorization", "Bearer wrong")],
        vec![("Authorization", "hb_")],
    ] {
        let ask = Ask {
            method: "POST",
            path,
            headers: &headers,
            body: b"{}",
        };
        let message = refused(
            &send(address, &ask).await.unwrap(),
            401,
            "UNAUTHORIZED",
            None,
        );
        assert!(message.contains("Unauthorized"), "{message}");
    }
    let nowhere = world.api.send("GET", "/v1/bot/heartbeat/fly", b"").await;
    refused(&nowhere, 404, "NOT_FOUND", None);
    let wrong_way = world.api.send("GET", path, b"").await;
    refused(&wrong_way, 405, "METHOD_NOT_ALLOWED", None);
}

#[tokio::test]
async fn filters_and_pages_of_the_log_are_checked() {
    let world = World::new().await;
    for (query, field) in [
        ("per_page=101", "per_page"),
        ("per_page=0", "per_page"),
        ("page=0", "page"),
        ("page=x", "page"),
        ("status=done", "status"),
    ] {
        let query = format!("bot_id={}&{query}", world.bot);
        let answer = world.api.get("/v1/bot/heartbeat/logs", &query).await;
        refused(&answer, 400, "INVALID_PARAMETER", Some(field));
    }
    let query = format!("bot_id={}&days=367", world.bot);
    let answer = world.api.get("/v1/bot/heartbeat/stats", &query).await;
    refused(&answer, 400, "INVALID_PARAMETER", Some("days"));
}
