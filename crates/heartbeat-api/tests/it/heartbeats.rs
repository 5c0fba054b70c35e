//! Configure, read, enable, disable, delete.

use serde_json::{Value, json};

use crate::world::World;

const EXTENSIONS: &str = concat!(
    r#""label":null,"run_model":null,"watch":null,"catch_up_minutes":null,"spread_minutes":0,"#,
    r#""paused_reason":null,"resumes_at":null,"#,
);

#[tokio::test]
async fn an_interval_heartbeat_answers_byte_for_byte() {
    let world = World::new().await;
    let answer = world
        .configure(json!({
            "prompt": "Look through yesterday's refunds", "interval_minutes": 45, "enabled": true,
            "active_hours_start": "08:30", "active_hours_end": "18:00", "active_days": "1,2,4",
            "timezone": "Europe/Lisbon", "credit_budget": 250, "max_consecutive_errors": 4
        }))
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let uuid = answer.json()["heartbeat"]["uuid"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        answer.named(&[(&uuid, "<hb>"), (&world.bot.to_string(), "<bot>")]),
        [
            r#"{"heartbeat":{"uuid":"<hb>","bot_id":1,"member_id":null,"#,
            r#""prompt":"Look through yesterday's refunds","interval_minutes":45,"#,
            r#""cron_pattern":null,"enabled":1,"active_hours_start":"08:30","#,
            r#""active_hours_end":"18:00","active_days":"1,2,4","timezone":"Europe/Lisbon","#,
            r#""credit_budget":250,"credits_used":0,"last_executed_at":null,"last_status":null,"#,
            r#""execution_count":0,"error_count":0,"max_consecutive_errors":4,"#,
            r#""created_at":"2026-05-04T07:12:00Z","updated_at":"2026-05-04T07:12:00Z","#,
            EXTENSIONS,
            r#""next_run_at":"2026-05-04T07:30:00Z","bot_uuid":"<bot>","member_uuid":null}}"#,
        ]
        .concat()
    );
}

#[tokio::test]
async fn a_cron_heartbeat_has_no_interval_and_is_off_unless_asked() {
    let world = World::new().await;
    let answer = world
        .configure(json!({ "prompt": "p", "cron_pattern": "30 8 * * 1-5" }))
        .await;
    let heartbeat = &answer.json()["heartbeat"];
    assert_eq!(heartbeat["interval_minutes"], Value::Null);
    assert_eq!(heartbeat["cron_pattern"], "30 8 * * 1-5");
    assert_eq!(
        (&heartbeat["enabled"], &heartbeat["next_run_at"]),
        (&json!(0), &Value::Null)
    );
}

#[tokio::test]
async fn without_a_schedule_it_is_every_30_minutes_in_utc() {
    let world = World::new().await;
    let heartbeat = &world.configure(json!({ "prompt": "p" })).await.json()["heartbeat"];
    assert_eq!(heartbeat["interval_minutes"], 30);
    assert_eq!(
        (&heartbeat["timezone"], &heartbeat["max_consecutive_errors"]),
        (&json!("UTC"), &json!(5))
    );
}

#[tokio::test]
async fn with_its_uuid_a_field_left_out_stays_and_null_clears() {
    let world = World::new().await;
    let fields = json!({
        "prompt": "p", "interval_minutes": 45, "credit_budget": 9, "label": "l",
        "active_days": "1-5", "max_consecutive_errors": 2, "enabled": 1
    });
    let uuid = world.heartbeat(fields).await;
    let change = json!({ "uuid": uuid, "credit_budget": null, "max_consecutive_errors": null });
    let heartbeat = &world.configure(change).await.json()["heartbeat"];
    assert_eq!(heartbeat["uuid"], json!(uuid));
    assert_eq!(heartbeat["credit_budget"], Value::Null);
    assert_eq!(heartbeat["max_consecutive_errors"], 5);
    for (field, kept) in [
        ("prompt", json!("p")),
        ("interval_minutes", json!(45)),
        ("label", json!("l")),
        ("active_days", json!("1-5")),
        ("enabled", json!(1)),
    ] {
        assert_eq!(heartbeat[field], kept, "{field}");
    }
    let change = json!({ "uuid": uuid, "cron_pattern": "0 9 * * 1", "enabled": false });
    let heartbeat = &world.configure(change).await.json()["heartbeat"];
    assert_eq!(heartbeat["interval_minutes"], Value::Null);
    assert_eq!(
        (&heartbeat["cron_pattern"], &heartbeat["enabled"]),
        (&json!("0 9 * * 1"), &json!(0))
    );
}

#[tokio::test]
async fn left_over_keys_are_ignored_whatever_they_hold() {
    let world = World::new().await;
    let first = world.heartbeat(json!({ "prompt": "first" })).await;
    let second = world
        .heartbeat(json!({
            "prompt": "second", "heartbeat_id": first, "name": 1, "model": [], "instruction": {},
            "status": "x", "chat_mode": "ask", "nobody_knows": null
        }))
        .await;
    assert_ne!(first, second);
    let answer = world
        .post(
            "/v1/bot/heartbeat/enable",
            json!({ "heartbeat_id": first, "prompt": 1, "cron_pattern": [], "enabled": "x" }),
        )
        .await;
    assert_eq!(answer.json()["heartbeat"]["enabled"], 1);
    assert_eq!(answer.json()["heartbeat"]["prompt"], "first");
}

#[tokio::test]
async fn reading_enabling_disabling_and_deleting() {
    let world = World::new().await;
    let id = world.heartbeat(json!({ "prompt": "p" })).await;
    let ids = format!("&heartbeat_id={id}");
    let action = json!({ "heartbeat_id": id });

    let read = world.get("/v1/bot/heartbeat/read", &ids).await;
    let all = world.get("/v1/bot/heartbeat/readall", "").await;
    assert_eq!(
        all.json(),
        json!({ "heartbeats": [read.json()["heartbeat"]] })
    );

    let enabled = world.post("/v1/bot/heartbeat/enable", action.clone()).await;
    assert_eq!(enabled.json()["heartbeat"]["enabled"], 1);
    assert_eq!(
        enabled.json()["heartbeat"]["next_run_at"],
        "2026-05-04T07:42:00Z"
    );
    let disabled = world.post("/v1/bot/heartbeat/disable", action).await;
    assert_eq!(disabled.json()["heartbeat"]["enabled"], 0);

    let path = "/v1/bot/heartbeat/delete";
    let query = format!("project_id={}&bot_id={}{ids}", world.project, world.bot);
    let deleted = world.send("DELETE", &format!("{path}?{query}"), "").await;
    assert_eq!(
        (deleted.status.as_u16(), &*deleted.text),
        (200, r#"{"message":"Heartbeat deleted"}"#)
    );
    let again = world.send("DELETE", &format!("{path}?{query}"), "").await;
    again.refused(404, "HEARTBEAT_NOT_FOUND");
    world
        .get("/v1/bot/heartbeat/read", &ids)
        .await
        .refused(404, "HEARTBEAT_NOT_FOUND");
}

#[tokio::test]
async fn an_agent_is_named_by_its_number_too() {
    let world = World::new().await;
    for bot in [json!(1), json!("1"), json!(world.bot)] {
        let answer = world
            .configure(json!({ "bot_id": bot, "prompt": "p" }))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let path = format!(
        "/v1/bot/heartbeat/readall?project_id={}&bot_id=1",
        world.project
    );
    let answer = world.send("GET", &path, "").await;
    assert_eq!(answer.json()["heartbeats"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn too_short_an_interval_is_a_400_and_one_heartbeat_too_many_a_403() {
    let world = World::on("starter").await;
    let short = world
        .configure(json!({ "prompt": "p", "interval_minutes": 5 }))
        .await;
    let body = short.refused(400, "INTERVAL_TOO_SHORT");
    assert_eq!(body["field"], "interval_minutes");
    for _ in 0..3 {
        world.heartbeat(json!({ "prompt": "p" })).await;
    }
    let body = world
        .configure(json!({ "prompt": "p" }))
        .await
        .refused(403, "PLAN_LIMIT_REACHED");
    assert_eq!((&body["limit"], &body["used"]), (&json!(3), &json!(3)));
}

#[tokio::test]
async fn with_the_switch_off_only_reading_and_disabling_go_on() {
    let world = World::new().await;
    let id = world
        .heartbeat(json!({ "prompt": "p", "enabled": true }))
        .await;
    let off = json!({ "project_id": world.project, "bot_id": world.bot, "heartbeat": 0 });
    assert_eq!(
        world
            .send("PUT", "/v1/bot/update", &off.to_string())
            .await
            .status,
        200
    );

    let action = json!({ "heartbeat_id": id });
    for path in ["enable", "trigger"] {
        let answer = world
            .post(&format!("/v1/bot/heartbeat/{path}"), action.clone())
            .await;
        answer.refused(403, "HEARTBEAT_OFF");
    }
    world
        .configure(json!({ "prompt": "p" }))
        .await
        .refused(403, "HEARTBEAT_OFF");
    let read = world
        .get("/v1/bot/heartbeat/read", &format!("&heartbeat_id={id}"))
        .await
        .json();
    assert_eq!(read["heartbeat"]["enabled"], 1);
    assert_eq!(read["heartbeat"]["paused_reason"], "switched_off");
    assert_eq!(
        world.post("/v1/bot/heartbeat/disable", action).await.status,
        200
    );
}

#[tokio::test]
async fn a_plan_without_heartbeats_says_so() {
    let world = World::on("free").await;
    assert_eq!(world.configure(json!({ "prompt": "p" })).await.status, 403);
    let on = json!({ "project_id": world.project, "bot_id": world.bot, "heartbeat": true });
    let answer = world.send("PUT", "/v1/bot/update", &on.to_string()).await;
    answer.refused(403, "PLAN_WITHOUT_HEARTBEATS");
}

#[tokio::test]
async fn a_watch_goes_in_and_comes_out() {
    let world = World::new().await;
    let watch = json!({
        "tool": "host_status", "arguments": {},
        "selector": { "jsonpath": "$.disk.free_percent" }, "condition": { "below": 10.0 }
    });
    let answer = world.configure(json!({ "watch": watch })).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["heartbeat"]["watch"], watch);
    let wrong = json!({ "watch": { "tool": "file", "arguments": { "path": "/etc/passwd" } } });
    let body = world
        .configure(wrong)
        .await
        .refused(400, "INVALID_PARAMETER");
    assert_eq!(body["field"], "watch.arguments");
}
