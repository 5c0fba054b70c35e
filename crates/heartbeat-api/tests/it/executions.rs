//! Logs, one log, stats.

use heartbeat_domain::execution::{BreakerEffect, Ending, Outcome};
use heartbeat_domain::reason::Reason;
use heartbeat_domain::tool::Repeat;
use heartbeat_store::verbs::{CallIntent, CallRecord};
use jiff::SignedDuration;
use serde_json::json;

use crate::world::World;

/// A heartbeat that succeeded at 07:42 and failed at 08:12.
async fn with_history() -> (World, String) {
    let world = World::new().await;
    let id = world
        .heartbeat(json!({ "prompt": "p", "enabled": true }))
        .await;
    world.clock.advance(SignedDuration::from_mins(30));
    world.carry_out(Outcome::Success, "All quiet.").await;
    world.clock.advance(SignedDuration::from_mins(30));
    let breaker = BreakerEffect::Counts;
    let (reason, message) = (Reason::ModelError, "model timed out".to_owned());
    world
        .carry_out(
            Outcome::Error {
                reason,
                message,
                breaker,
            },
            "",
        )
        .await;
    (world, id)
}

#[tokio::test]
async fn the_log_answers_byte_for_byte_newest_first() {
    let (world, id) = with_history().await;
    let answer = world.get("/v1/bot/heartbeat/logs", "").await;
    let logs = answer.json();
    let newest = logs["logs"][0]["uuid"].as_str().unwrap().to_owned();
    let oldest = logs["logs"][1]["uuid"].as_str().unwrap().to_owned();
    let row = |uuid: &str,
               status: &str,
               response: &str,
               error: &str,
               times: (&str, &str),
               late: u32,
               reason: &str| {
        format!(
            concat!(
                r#"{{"uuid":"{}","type":"heartbeat","status":"{}","prompt":"p","response":"{}","#,
                r#""duration_ms":3890,"tokens_used":911,"credits_charged":2,"error_message":{},"#,
                r#""created_at":"{}","heartbeat_id":"<hb>","member_id":null,"due_at":"{}","#,
                r#""started_at":"{}","late_ms":{},"trigger":"schedule","reason":{},"#,
                r#""first_due_at":null,"last_due_at":null,"missed_count":null,"#,
                r#""needs_review":false,"member_uuid":null}}"#,
            ),
            uuid, status, response, error, times.1, times.0, times.1, late, reason
        )
    };
    let second = ("2026-05-04T08:12:00Z", "2026-05-04T08:12:04Z");
    let first = ("2026-05-04T07:42:00Z", "2026-05-04T07:42:00Z");
    let error = row(
        "<new>",
        "error",
        "",
        r#""model timed out""#,
        second,
        4_890,
        r#""model_error""#,
    );
    let success = row("<old>", "success", "All quiet.", "null", first, 0, "null");
    let pagination = r#"{"page":1,"per_page":20,"total":2,"total_pages":1}"#;
    assert_eq!(
        answer.named(&[(&newest, "<new>"), (&oldest, "<old>"), (&id, "<hb>")]),
        format!(r#"{{"total":2,"logs":[{error},{success}],"pagination":{pagination}}}"#)
    );
}

#[tokio::test]
async fn the_log_is_filtered_and_paged() {
    let (world, id) = with_history().await;
    let total = async |query: &str| {
        world.get("/v1/bot/heartbeat/logs", query).await.json()["total"]
            .as_u64()
            .unwrap()
    };
    for (query, want) in [
        ("&status=success", 1),
        ("&status=error", 1),
        ("&status=skipped", 0),
        ("&status=cancelled", 0),
        ("&status=running", 0),
        ("&status=waiting", 0),
        (&*format!("&heartbeat_id={id}"), 2),
        ("&heartbeat_id=0f4d1c7e-6a0b-4c39-8d3e-2b7f5e9a0003", 0),
    ] {
        assert_eq!(total(query).await, want, "{query}");
    }
    let page = world
        .get("/v1/bot/heartbeat/logs", "&per_page=1&page=2")
        .await
        .json();
    assert_eq!(
        (&page["total"], &page["logs"][0]["status"]),
        (&json!(2), &json!("success"))
    );
    assert_eq!(
        page["pagination"].to_string(),
        r#"{"page":2,"per_page":1,"total":2,"total_pages":2}"#
    );
}

#[tokio::test]
async fn one_log_has_its_steps() {
    let (world, _) = with_history().await;
    let logs = world
        .get("/v1/bot/heartbeat/logs", "&status=success")
        .await
        .json();
    let log = &logs["logs"][0];
    let id = log["uuid"].as_str().unwrap();
    let answer = world
        .get("/v1/bot/heartbeat/log", &format!("&execution_id={id}"))
        .await
        .json();
    assert_eq!(answer["log"], *log);
    let steps = answer["steps"].as_array().unwrap();
    let kinds: Vec<_> = steps
        .iter()
        .map(|step| step["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["request", "turn"]);
    assert_eq!(
        (&steps[1]["tokens_used"], &steps[1]["state"]),
        (&json!(911), &json!("done"))
    );
    let other = json!({ "project_id": world.project, "name": "n", "model": "m" });
    let other = world
        .send("POST", "/v1/bot/create", &other.to_string())
        .await
        .json();
    let other = other["bot"]["id"].as_str().unwrap();
    let query = format!(
        "project_id={}&bot_id={other}&execution_id={id}",
        world.project
    );
    let path = format!("/v1/bot/heartbeat/log?{query}");
    world
        .send("GET", &path, "")
        .await
        .refused(404, "EXECUTION_NOT_FOUND");
}

#[tokio::test]
async fn a_persons_word_on_an_unknown_call_clears_the_mark() {
    let world = World::new().await;
    world
        .heartbeat(json!({ "prompt": "p", "enabled": true }))
        .await;
    world.clock.advance(SignedDuration::from_mins(30));
    let hold = world.claim(world.node().await).await;
    let now = world.control.now();
    let call = CallIntent {
        seq: 2,
        tool: "mail__send".into(),
        call: json!({ "id": "a", "name": "mail__send", "arguments": {} }),
        effect_id: "e.2".into(),
        repeat: Repeat::Never,
        within: SignedDuration::from_secs(60),
    };
    world.store.begin_calls(&hold, &[call], now).await.unwrap();
    let record = CallRecord {
        seq: 2,
        result: json!({ "text": "outcome_unknown", "is_error": true }),
        unknown: true,
    };
    let recorded = world.store.record_call(&hold, &record, (&[], &[]), now);
    recorded.await.unwrap();
    let ending = Ending::plain(Outcome::Success);
    world.store.finish(&hold, &ending, &[], now).await.unwrap();
    let waiting = async || {
        let query = "&needs_review=true";
        let logs = world.get("/v1/bot/heartbeat/logs", query).await.json();
        logs["total"].as_u64().unwrap()
    };
    assert_eq!(waiting().await, 1);
    let word = |step: u32, outcome: &str| json!({ "execution_id": hold.execution_id, "step": step, "outcome": outcome });
    let path = "/v1/bot/heartbeat/review";
    let wrong = world.post(path, word(2, "perhaps")).await;
    wrong.refused(400, "INVALID_PARAMETER");
    let missing = world.post(path, word(7, "done")).await;
    missing.refused(404, "STEP_NOT_FOUND");
    assert_eq!(waiting().await, 1);
    for _ in 0..2 {
        let answer = world.post(path, word(2, "not_done")).await.json();
        assert_eq!(answer["needs_review"], false);
        assert_eq!(answer["step"]["decision"], "not_done");
        let by = answer["step"]["decided_by"].as_str().unwrap();
        assert!(by.starts_with("key "), "{by}");
    }
    assert_eq!(waiting().await, 0);
}

#[tokio::test]
async fn stats_answer_byte_for_byte() {
    let (world, _) = with_history().await;
    assert_eq!(
        world.get("/v1/bot/heartbeat/stats", "&days=1").await.text,
        concat!(
            r#"{"stats":{"total_executions":2,"success_count":1,"error_count":1,"#,
            r#""skipped_count":0,"success_rate":50.0,"total_tokens":1822,"total_credits":4,"#,
            r#""avg_duration_ms":3890.0,"active_heartbeats":1,"#,
            r#""by_type":{"heartbeat":{"count":2,"success_rate":50.0}},"#,
            r#""time_series":[{"date":"2026-05-04","total":2,"success":1,"error":1}],"#,
            r#""cancelled_count":0}}"#,
        )
    );
}

#[tokio::test]
async fn what_ran_shows_on_the_heartbeat() {
    let (world, id) = with_history().await;
    let read = world
        .get("/v1/bot/heartbeat/read", &format!("&heartbeat_id={id}"))
        .await
        .json();
    let heartbeat = &read["heartbeat"];
    assert_eq!(
        (&heartbeat["execution_count"], &heartbeat["error_count"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        (&heartbeat["credits_used"], &heartbeat["last_status"]),
        (&json!(4), &json!("error"))
    );
    assert_eq!(heartbeat["last_executed_at"], "2026-05-04T08:12:04Z");
    assert_eq!(heartbeat["next_run_at"], "2026-05-04T08:42:00Z");
}

#[tokio::test]
async fn while_one_runs_the_next_fire_is_the_one_after() {
    let world = World::new().await;
    let id = world
        .heartbeat(json!({ "prompt": "p", "enabled": true }))
        .await;
    world.clock.advance(SignedDuration::from_mins(30));
    world.claim(world.node().await).await;
    let read = world
        .get("/v1/bot/heartbeat/read", &format!("&heartbeat_id={id}"))
        .await
        .json();
    assert_eq!(read["heartbeat"]["next_run_at"], "2026-05-04T08:12:00Z");
}
