//! Trigger and cancel.

use heartbeat_domain::execution::{BreakerEffect, Outcome};
use heartbeat_domain::reason::Reason;
use serde_json::{Value, json};

use crate::world::{Answer, World};

fn failed(reason: Reason) -> Outcome {
    Outcome::Error {
        reason,
        message: "model timed out".into(),
        breaker: BreakerEffect::Counts,
    }
}

async fn trigger(world: &World, id: &str, outcome: Outcome, response: &str) -> Answer {
    let ask = world.post("/v1/bot/heartbeat/trigger", json!({ "heartbeat_id": id }));
    tokio::join!(ask, world.carry_out(outcome, response)).0
}

#[tokio::test]
async fn a_disabled_heartbeat_is_carried_out_and_answers_byte_for_byte() {
    let world = World::new().await;
    let id = world.heartbeat(json!({ "prompt": "p" })).await;
    let answer = trigger(
        &world,
        &id,
        Outcome::Success,
        "Two refunds above the limit.",
    )
    .await;
    assert_eq!(answer.status, 200);
    let execution = answer.json()["result"]["execution_id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        answer.named(&[(&execution, "<execution>")]),
        concat!(
            r#"{"result":{"status":"success","response":"Two refunds above the limit.","#,
            r#""duration_ms":3890,"tokens_used":911,"credits_charged":2,"#,
            r#""execution_id":"<execution>","reason":null,"error_message":null}}"#,
        )
    );
}

#[tokio::test]
async fn a_run_that_fails_is_an_answer_like_any_other() {
    let world = World::new().await;
    let id = world.heartbeat(json!({ "prompt": "p" })).await;
    let answer = trigger(&world, &id, failed(Reason::ModelError), "").await;
    assert_eq!(answer.status, 200);
    let result = &answer.json()["result"];
    assert_eq!(
        (&result["status"], &result["reason"]),
        (&json!("error"), &json!("model_error"))
    );
    assert_eq!(
        (&result["error_message"], &result["response"]),
        (&json!("model timed out"), &json!(""))
    );
}

#[tokio::test]
async fn who_does_not_wait_hears_that_it_runs_and_can_stop_it() {
    let world = World::new().await;
    let id = world.heartbeat(json!({ "prompt": "p" })).await;
    let ask = json!({ "heartbeat_id": id, "wait_seconds": 0 });
    let result = world
        .post("/v1/bot/heartbeat/trigger", ask.clone())
        .await
        .json()["result"]
        .take();
    assert_eq!(result["status"], "running");
    let execution = result["execution_id"].clone();
    assert!(execution.is_string());

    let second = world
        .post("/v1/bot/heartbeat/trigger", ask.clone())
        .await
        .json();
    assert_eq!(second["result"]["status"], "skipped");
    assert_eq!(second["result"]["reason"], "previous_run_active");
    assert!(second["result"]["error_message"].is_string());

    let open = world
        .get("/v1/bot/heartbeat/logs", "&status=running")
        .await
        .json();
    assert_eq!(
        (&open["total"], &open["logs"][0]["uuid"]),
        (&json!(1), &execution)
    );
    assert_eq!(open["logs"][0]["status"], "running");

    let cancelled = world.post("/v1/bot/heartbeat/cancel", ask).await;
    assert_eq!(
        cancelled.text,
        json!({ "execution_id": execution }).to_string()
    );
}

#[tokio::test]
async fn there_is_nothing_to_cancel_where_nothing_runs() {
    let world = World::new().await;
    let id = world.heartbeat(json!({ "prompt": "p" })).await;
    let answer = world
        .post("/v1/bot/heartbeat/cancel", json!({ "heartbeat_id": id }))
        .await;
    answer.refused(404, "EXECUTION_NOT_FOUND");
}

#[tokio::test]
async fn how_long_to_wait_has_bounds() {
    let world = World::new().await;
    let id = world.heartbeat(json!({ "prompt": "p" })).await;
    for wrong in [json!(601), json!(-1), json!("long")] {
        let ask = json!({ "heartbeat_id": id, "wait_seconds": wrong });
        let answer = world.post("/v1/bot/heartbeat/trigger", ask).await;
        assert_eq!(
            answer.refused(400, "INVALID_PARAMETER")["field"],
            "wait_seconds"
        );
    }
    let logs = world
        .get("/v1/bot/heartbeat/logs", "&status=running")
        .await
        .json();
    assert_eq!(logs["logs"], Value::Array(Vec::new()));
}
