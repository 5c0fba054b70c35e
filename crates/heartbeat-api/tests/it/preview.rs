//! When something fires.

use jiff::SignedDuration;
use serde_json::json;

use crate::world::World;

const PREVIEW: &str = "/v1/bot/heartbeat/preview";

#[tokio::test]
async fn a_schedule_is_previewed_from_a_moment() {
    let world = World::new().await;
    let query = "&interval_minutes=1440&active_days=1-5&timezone=Europe/Berlin\
                 &from=2026-03-27T08:15:00Z&count=2";
    assert_eq!(
        world.get(PREVIEW, query).await.text,
        r#"{"fires":["2026-03-30T07:15:00Z","2026-03-31T07:15:00Z"]}"#
    );
    let path = format!(
        "{PREVIEW}?project_id={}&cron_pattern=0+9+*+*+1&count=1",
        world.project
    );
    assert_eq!(
        world.send("GET", &path, "").await.text,
        r#"{"fires":["2026-05-04T09:00:00Z"]}"#
    );
    let default = world.get(PREVIEW, "").await.json();
    assert_eq!(default["fires"].as_array().unwrap().len(), 10);
    assert_eq!(default["fires"][0], "2026-05-04T07:42:00Z");
}

#[tokio::test]
async fn a_heartbeat_is_previewed_at_exactly_its_fires() {
    let world = World::new().await;
    let id = world
        .heartbeat(json!({ "prompt": "p", "enabled": true }))
        .await;
    world.clock.advance(SignedDuration::from_mins(7));
    let answer = world
        .get(PREVIEW, &format!("&heartbeat_id={id}&count=2"))
        .await;
    assert_eq!(
        answer.text,
        r#"{"fires":["2026-05-04T07:42:00Z","2026-05-04T08:12:00Z"]}"#
    );
    let path = format!("{PREVIEW}?project_id={}&heartbeat_id={id}", world.project);
    let body = world
        .send("GET", &path, "")
        .await
        .refused(400, "INVALID_PARAMETER");
    assert_eq!(body["field"], "bot_id");
}
