//! Credits: what was used by level, and the balance of a project.

use heartbeat_domain::execution::Outcome;
use heartbeat_store::verbs::KeyScope;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::world::World;

async fn read(world: &World, more: &str) -> Value {
    let path = format!("/v1/usage?project_id={}{more}", world.project);
    world.send("GET", &path, "").await.json()
}

#[tokio::test]
async fn a_month_without_use_has_its_limits_and_nothing_used() {
    let world = World::new().await;
    let usage = read(&world, "").await["usage"].clone();
    assert_eq!(usage["month"], "2026-05");
    assert_eq!(usage["day"]["limit"], 1_000);
    assert_eq!(usage["day"]["left"], 1_000);
    assert_eq!(usage["day"]["resets_at"], "2026-05-05T00:00:00Z");
    assert_eq!(usage["project"]["used"], 0);
    assert_eq!(usage["project"]["left"], Value::Null);
    assert_eq!(usage["project"]["resets_at"], "2026-06-01T00:00:00Z");
    assert_eq!(
        usage["balance"],
        json!({ "added": 0, "drawn": 0, "left": 0 })
    );
    let before = read(&world, "&month=2026-04").await["usage"].clone();
    assert_eq!(
        (&before["month"], &before["day"]),
        (&json!("2026-04"), &Value::Null)
    );
    assert_eq!(before["project"]["resets_at"], Value::Null);
}

#[tokio::test]
async fn what_was_used_is_said_for_every_level() {
    let world = World::new().await;
    let heartbeat = world
        .heartbeat(json!({ "prompt": "look", "interval_minutes": 30, "enabled": true }))
        .await;
    world.clock.advance(SignedDuration::from_mins(30));
    world.carry_out(Outcome::Success, "all quiet").await;
    let logs = format!(
        "/v1/bot/heartbeat/logs?project_id={}&bot_id={}",
        world.project, world.bot
    );
    let row = world.send("GET", &logs, "").await.json()["logs"][0].clone();
    let charged = row["credits_charged"].clone();
    assert!(charged.as_u64().unwrap() > 0, "{row}");
    let usage = read(&world, "").await["usage"].clone();
    assert_eq!(usage["project"]["used"], charged);
    assert_eq!(usage["project"]["tokens"], row["tokens_used"]);
    assert_eq!(usage["days"][0]["credits"], charged);
    assert_eq!(usage["levels"][0]["level"], "bot");
    assert_eq!(usage["levels"][0]["used"], charged);
    for narrowed in [
        "&by=heartbeat".to_owned(),
        format!("&by=heartbeat&bot_id={}", world.bot),
        format!("&heartbeat_id={heartbeat}"),
    ] {
        let answer = read(&world, &narrowed).await;
        let levels = answer["usage"]["levels"].clone();
        assert_eq!(levels[0]["id"].as_str(), Some(heartbeat.as_str()));
        assert_eq!(levels[0]["used"], charged);
        assert_eq!(answer["pagination"]["total"], 1);
    }
}

#[tokio::test]
async fn wrong_input_names_its_field() {
    let world = World::new().await;
    for (more, field) in [
        ("&month=2026-13", "month"),
        ("&month=May", "month"),
        ("&by=team", "by"),
        ("&per_page=101", "per_page"),
    ] {
        let path = format!("/v1/usage?project_id={}{more}", world.project);
        let answer = world.send("GET", &path, "").await;
        assert_eq!(answer.status, 400, "{more}");
        assert!(answer.text.contains(field), "{}", answer.text);
    }
    let admin = world.another_key(KeyScope::Admin).await;
    for body in [
        json!({ "project_id": world.project }),
        json!({ "project_id": world.project, "credits": "many" }),
        json!({ "project_id": world.project, "credits": 0 }),
        json!({ "project_id": world.project, "credits": -1 }),
        json!({ "project_id": world.project, "credits": 1.5 }),
    ] {
        let answer = world
            .send_as(&admin, "POST", "/v1/project/credit", &body.to_string())
            .await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.text.contains("credits"), "{}", answer.text);
    }
}

#[tokio::test]
async fn credit_is_added_once_by_an_admin_and_listed() {
    let world = World::new().await;
    let id = "019a0000-0000-7000-8000-000000000001";
    let body = json!({
        "project_id": world.project, "credits": 500, "note": "invoice 7", "entry_id": id
    });
    let refused = world
        .send("POST", "/v1/project/credit", &body.to_string())
        .await;
    refused.refused(403, "ADMIN_KEY_REQUIRED");
    let admin = world.another_key(KeyScope::Admin).await;
    for _ in 0..2 {
        let added = world
            .send_as(&admin, "POST", "/v1/project/credit", &body.to_string())
            .await;
        assert_eq!(added.json(), json!({ "entry_id": id, "balance": 500 }));
    }
    let path = format!("/v1/project/credit?project_id={}", world.project);
    let ledger = world.send_as(&admin, "GET", &path, "").await.json();
    assert_eq!(ledger["pagination"]["total"], 1);
    let entry = &ledger["entries"][0];
    assert_eq!(
        (&entry["kind"], &entry["note"]),
        (&json!("added"), &json!("invoice 7"))
    );
    assert_eq!(read(&world, "").await["usage"]["balance"]["left"], 500);
}

#[tokio::test]
async fn an_agents_limit_is_set_read_and_lifted() {
    let world = World::new().await;
    let update = async |limit: Value| {
        let body = json!({
            "project_id": world.project, "bot_id": world.bot, "credit_limit": limit
        });
        let path = "/v1/bot/update";
        world.send("PUT", path, &body.to_string()).await
    };
    let limit_of = async || {
        let path = format!(
            "/v1/bot/read?project_id={}&bot_id={}",
            world.project, world.bot
        );
        world.send("GET", &path, "").await.json()["bot"]["credit_limit"].clone()
    };
    assert_eq!(limit_of().await, Value::Null);
    assert_eq!(update(json!(40)).await.json()["credit_limit"], 40);
    assert_eq!(limit_of().await, 40);
    assert_eq!(update(json!(0)).await.json()["credit_limit"], 0);
    let lifted = update(Value::Null).await.json();
    assert_eq!(lifted.get("credit_limit"), Some(&Value::Null));
    assert_eq!(limit_of().await, Value::Null);
    for wrong in [json!(-1), json!("x"), json!(9_300_000_000_000_u64)] {
        let answer = update(wrong.clone()).await;
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(answer.text.contains("credit_limit"), "{}", answer.text);
    }
}
