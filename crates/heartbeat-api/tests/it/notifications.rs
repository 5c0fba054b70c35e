//! Messages to people.

use heartbeat_domain::execution::Outcome;
use heartbeat_domain::notice::{NoticeDraft, Priority};
use jiff::SignedDuration;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_message_is_listed_and_acknowledged() {
    let world = World::new().await;
    let id = world
        .heartbeat(json!({ "prompt": "p", "enabled": true }))
        .await;
    world.clock.advance(SignedDuration::from_mins(30));
    let notice = NoticeDraft {
        title: "Disk".into(),
        message: "9 % free".into(),
        priority: Priority::Urgent,
        ..NoticeDraft::default()
    };
    world
        .carry_out_telling(Outcome::Success, "", vec![notice])
        .await;

    let answer = world.get("/v1/bot/notification/readall", "").await;
    let message = answer.json()["notifications"][0].clone();
    let uuid = message["uuid"].as_str().unwrap().to_owned();
    let execution = message["execution_id"].as_str().unwrap().to_owned();
    assert_eq!(
        answer.named(&[
            (&uuid, "<uuid>"),
            (&execution, "<execution>"),
            (&id, "<hb>")
        ]),
        concat!(
            r#"{"total":1,"notifications":[{"uuid":"<uuid>","title":"Disk","message":"9 % free","#,
            r#""priority":"urgent","action_url":null,"topic":null,"state":null,"#,
            r#""heartbeat_id":"<hb>","execution_id":"<execution>","status":"unread","#,
            r#""created_at":"2026-05-04T07:42:03Z"}],"#,
            r#""pagination":{"page":1,"per_page":20,"total":1,"total_pages":1}}"#,
        )
    );
    for _ in 0..2 {
        let ack = world
            .post(
                "/v1/bot/notification/ack",
                json!({ "notification_id": uuid }),
            )
            .await;
        assert_eq!(ack.json()["notification"]["status"], "read");
    }
    let unread = world
        .get("/v1/bot/notification/readall", "&unread=1")
        .await
        .json();
    assert_eq!(
        (&unread["total"], &unread["notifications"]),
        (&json!(0), &json!([]))
    );
    let all = world
        .get("/v1/bot/notification/readall", "&unread=false")
        .await
        .json();
    assert_eq!(all["total"], 1);
}

#[tokio::test]
async fn an_unknown_message_is_not_found() {
    let world = World::new().await;
    for id in ["N-1", "0f4d1c7e-6a0b-4c39-8d3e-2b7f5e9a0003"] {
        let answer = world
            .post("/v1/bot/notification/ack", json!({ "notification_id": id }))
            .await;
        answer.refused(404, "NOTIFICATION_NOT_FOUND");
    }
    let answer = world.post("/v1/bot/notification/ack", json!({})).await;
    assert_eq!(
        answer.refused(400, "INVALID_PARAMETER")["field"],
        "notification_id"
    );
}
