//! Whatever comes in, the answer is in the published shape and names the field.

use axum::body::Body;
use axum::http::Request;
use heartbeat_api::ApiLimits;
use serde_json::{Value, json};

use crate::world::World;

const CONFIGURE: &str = "/v1/bot/heartbeat/configure";

fn wrong_fields() -> Vec<(&'static str, Value)> {
    vec![
        ("prompt", json!({})),
        ("prompt", json!({ "prompt": null })),
        ("prompt", json!({ "prompt": "" })),
        ("prompt", json!({ "prompt": 7 })),
        ("prompt", json!({ "prompt": "x".repeat(32_769) })),
        ("enabled", json!({ "enabled": "yes" })),
        ("enabled", json!({ "enabled": 2 })),
        ("interval_minutes", json!({ "interval_minutes": "30" })),
        ("interval_minutes", json!({ "interval_minutes": 0 })),
        ("interval_minutes", json!({ "interval_minutes": -5 })),
        ("interval_minutes", json!({ "interval_minutes": 1.5 })),
        ("interval_minutes", json!({ "interval_minutes": 527_041 })),
        (
            "cron_pattern",
            json!({ "interval_minutes": 30, "cron_pattern": "0 9 * * 1" }),
        ),
        ("cron_pattern", json!({ "cron_pattern": "0 9 * *" })),
        ("cron_pattern", json!({ "cron_pattern": "0 0 30 2 *" })),
        ("cron_pattern", json!({ "cron_pattern": 5 })),
        ("timezone", json!({ "timezone": "Mars/Olympus" })),
        ("timezone", json!({ "timezone": 0 })),
        (
            "active_hours_start",
            json!({ "active_hours_start": "25:00" }),
        ),
        ("active_hours_end", json!({ "active_hours_end": "noon" })),
        ("active_days", json!({ "active_days": "8" })),
        ("active_days", json!({ "active_days": [1, 2] })),
        ("credit_budget", json!({ "credit_budget": -1 })),
        ("credit_budget", json!({ "credit_budget": "many" })),
        (
            "max_consecutive_errors",
            json!({ "max_consecutive_errors": 0 }),
        ),
        (
            "max_consecutive_errors",
            json!({ "max_consecutive_errors": 1_001 }),
        ),
        ("catch_up_minutes", json!({ "catch_up_minutes": true })),
        ("spread_minutes", json!({ "spread_minutes": 1_441 })),
        ("label", json!({ "label": {} })),
        ("run_model", json!({ "run_model": 1 })),
        ("watch", json!({ "watch": "disk" })),
        ("watch", json!({ "watch": { "tool": "telepathy" } })),
        ("project_id", json!({ "project_id": null })),
        ("project_id", json!({ "project_id": "null" })),
        ("bot_id", json!({ "bot_id": null })),
        ("bot_id", json!({ "bot_id": "null" })),
        ("bot_id", json!({ "bot_id": [1] })),
        ("uuid", json!({ "uuid": "null" })),
    ]
}

#[tokio::test]
async fn a_wrong_field_is_a_400_that_names_it() {
    let world = World::new().await;
    for (field, fields) in wrong_fields() {
        let mut body = fields.clone();
        if field != "prompt" {
            body["prompt"] = json!("p");
        }
        let answer = world.configure(body).await;
        let problem = answer.json();
        assert_eq!(
            (answer.status.as_u16(), &problem["field"]),
            (400, &json!(field)),
            "{problem}"
        );
        answer.refused(400, problem["code"].as_str().unwrap());
        let message = problem["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("{field}: ")), "{message}");
    }
    let all = world.get("/v1/bot/heartbeat/readall", "").await;
    assert_eq!(all.text, r#"{"heartbeats":[]}"#);
}

#[tokio::test]
async fn a_wrong_query_is_a_400_that_names_it() {
    let world = World::new().await;
    let cases = [
        ("logs", "status", "&status=fine"),
        ("logs", "status", "&status=null"),
        ("logs", "per_page", "&per_page=101"),
        ("logs", "per_page", "&per_page=0"),
        ("logs", "page", "&page=0"),
        ("logs", "page", "&page=last"),
        ("logs", "heartbeat_id", "&heartbeat_id=null"),
        ("logs", "member_id", "&member_id=null"),
        ("stats", "days", "&days=0"),
        ("stats", "days", "&days=367"),
        ("stats", "days", "&days=all"),
        ("read", "heartbeat_id", ""),
        ("read", "heartbeat_id", "&heartbeat_id=null"),
        ("log", "execution_id", ""),
        ("preview", "count", "&count=1001"),
        ("preview", "from", "&from=today"),
        ("preview", "interval_minutes", "&interval_minutes=often"),
        (
            "preview",
            "cron_pattern",
            "&interval_minutes=5&cron_pattern=@daily",
        ),
        ("preview", "cron_pattern", "&cron_pattern=@reboot"),
    ];
    for (path, field, query) in cases {
        let answer = world.get(&format!("/v1/bot/heartbeat/{path}"), query).await;
        let body = answer.refused(400, "INVALID_PARAMETER");
        assert_eq!(body["field"], field, "{path}{query}");
    }
    for (path, query, field) in [
        ("/v1/bot/heartbeat/readall", "", "project_id"),
        (
            "/v1/bot/heartbeat/readall",
            &*format!("project_id={}", world.project),
            "bot_id",
        ),
        ("/v1/bot/readall", "per_page=10", "project_id"),
        ("/v1/bot/notification/readall", "project_id=", "project_id"),
    ] {
        let answer = world.send("GET", &format!("{path}?{query}"), "").await;
        assert_eq!(
            answer.refused(400, "INVALID_PARAMETER")["field"],
            field,
            "{path}?{query}"
        );
    }
}

#[tokio::test]
async fn an_id_that_is_unknown_is_a_404_before_anything_else() {
    let world = World::new().await;
    let unknown = "0f4d1c7e-6a0b-4c39-8d3e-2b7f5e9a0003";
    for (code, fields) in [
        ("PROJECT_NOT_FOUND", json!({ "project_id": unknown })),
        ("PROJECT_NOT_FOUND", json!({ "project_id": "P-1" })),
        ("BOT_NOT_FOUND", json!({ "bot_id": unknown })),
        ("BOT_NOT_FOUND", json!({ "bot_id": 99 })),
        ("BOT_NOT_FOUND", json!({ "bot_id": "B-1" })),
        ("HEARTBEAT_NOT_FOUND", json!({ "uuid": unknown })),
        ("HEARTBEAT_NOT_FOUND", json!({ "uuid": "H-1" })),
        ("MEMBER_NOT_FOUND", json!({ "member_id": "M-1" })),
    ] {
        let mut body = fields.clone();
        body["interval_minutes"] = json!("wrong");
        world.configure(body).await.refused(404, code);
    }
    for action in ["enable", "disable", "trigger", "cancel"] {
        let path = format!("/v1/bot/heartbeat/{action}");
        for id in [unknown, "H-1"] {
            world
                .post(&path, json!({ "heartbeat_id": id }))
                .await
                .refused(404, "HEARTBEAT_NOT_FOUND");
        }
        let answer = world.post(&path, json!({ "heartbeat_id": null })).await;
        assert_eq!(
            answer.refused(400, "INVALID_PARAMETER")["field"],
            "heartbeat_id"
        );
    }
    let log = world
        .get("/v1/bot/heartbeat/log", &format!("&execution_id={unknown}"))
        .await;
    log.refused(404, "EXECUTION_NOT_FOUND");
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_a_400() {
    let world = World::new().await;
    for body in [
        "{",
        "[]",
        "\"text\"",
        "null",
        "{\"a\":}",
        "\u{feff}{}",
        &"[".repeat(10_000),
    ] {
        world
            .send("POST", CONFIGURE, body)
            .await
            .refused(400, "MALFORMED_JSON");
    }
    for body in ["", " \n"] {
        let answer = world.send("POST", CONFIGURE, body).await;
        assert_eq!(
            answer.refused(400, "INVALID_PARAMETER")["field"],
            "project_id"
        );
    }
}

#[tokio::test]
async fn twelve_megabytes_are_a_413() {
    let world = World::new().await;
    let large = json!({ "prompt": "x".repeat(12 << 20) });
    world.configure(large).await.refused(413, "BODY_TOO_LARGE");
    let world = world.limited(ApiLimits {
        body_max: 10,
        drain_max: 20,
    });
    for length in [11, 1_000] {
        let answer = world.send("POST", CONFIGURE, &" ".repeat(length)).await;
        answer.refused(413, "BODY_TOO_LARGE");
    }
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_answer_json() {
    let world = World::new().await;
    for path in [
        "/v1/nothing",
        "/v1/bot/heartbeat/why/not",
        "/v1/bot/heartbeat/",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            world.send(method, path, "").await.refused(404, "NOT_FOUND");
        }
    }
    let answer = world.send("GET", CONFIGURE, "").await;
    answer.refused(405, "METHOD_NOT_ALLOWED");
    assert_eq!(answer.header("allow"), Some("POST"));
    let answer = world.send("POST", "/v1/bot/heartbeat/delete", "{}").await;
    answer.refused(405, "METHOD_NOT_ALLOWED");
    assert_eq!(answer.header("allow"), Some("DELETE"));
}

#[tokio::test]
async fn whatever_the_content_type_says_a_body_is_json() {
    let world = World::new().await;
    let body = json!({ "project_id": world.project, "bot_id": world.bot, "prompt": "p" });
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/json; charset=utf-8"),
    ] {
        let mut request =
            Request::post(CONFIGURE).header("authorization", format!("Bearer {}", world.key));
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let answer = world
            .ask(request.body(Body::from(body.to_string())).unwrap())
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}

#[tokio::test]
async fn every_documented_field_of_configure_is_read() {
    let world = World::new().await;
    let document = world.send("GET", "/openapi.json", "").await.json();
    let fields = document["components"]["schemas"]["ConfigureRequest"]["properties"].clone();
    for field in fields.as_object().unwrap().keys() {
        let body: Value = json!({ "prompt": "p", field: [true] });
        let answer = world.configure(body).await;
        assert_eq!(
            answer.refused(400, "INVALID_PARAMETER")["field"],
            json!(field)
        );
    }
}
