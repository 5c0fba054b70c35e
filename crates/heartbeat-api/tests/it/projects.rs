//! Projects, keys, and stopping everything.

use heartbeat_store::verbs::KeyScope;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn only_an_admin_key_may() {
    let world = World::new().await;
    for (method, path) in [
        ("POST", "create"),
        ("GET", "readall"),
        ("PUT", "update"),
        ("POST", "key"),
        ("POST", "pause"),
        ("POST", "resume"),
    ] {
        let answer = world.send(method, &format!("/v1/project/{path}"), "").await;
        answer.refused(403, "ADMIN_KEY_REQUIRED");
    }
}

#[tokio::test]
async fn a_project_is_made_and_its_key_works() {
    let world = World::new().await;
    let admin = world.another_key(KeyScope::Admin).await;
    let create = r#"{"name":"second","plan":"Starter"}"#;
    let answer = world
        .send_as(&admin, "POST", "/v1/project/create", create)
        .await;
    let made = answer.json();
    let (id, key) = (
        made["project_id"].as_str().unwrap(),
        made["api_key"].as_str().unwrap(),
    );
    assert_eq!(
        answer.named(&[(id, "<id>"), (key, "<key>")]),
        concat!(
            r#"{"project_id":"<id>","api_key":"<key>","project":{"uuid":"<id>","name":"second","#,
            r#""plan":"starter","paused_at":null,"created_at":"2026-05-04T07:12:00Z"}}"#,
        )
    );
    let path = format!("/v1/bot/readall?project_id={id}");
    assert_eq!(world.send_as(key, "GET", &path, "").await.status, 200);
    let again = world
        .send_as(&admin, "POST", "/v1/project/create", create)
        .await;
    again.refused(409, "CONFLICT");
    let all = world
        .send_as(&admin, "GET", "/v1/project/readall", "")
        .await
        .json();
    assert_eq!(all["projects"].as_array().unwrap().len(), 2);

    let update = json!({ "project_id": id, "plan": "pro" }).to_string();
    let updated = world
        .send_as(&admin, "PUT", "/v1/project/update", &update)
        .await
        .json();
    assert_eq!(updated["project"]["plan"], "pro");
    let wrong = json!({ "project_id": id, "plan": "gold" }).to_string();
    let answer = world
        .send_as(&admin, "PUT", "/v1/project/update", &wrong)
        .await;
    assert_eq!(answer.refused(400, "INVALID_PARAMETER")["field"], "plan");
}

#[tokio::test]
async fn keys_are_made_with_their_scope() {
    let world = World::new().await;
    let admin = world.another_key(KeyScope::Admin).await;
    let ask = json!({ "project_id": world.project, "scope": "read_only" }).to_string();
    let made = world
        .send_as(&admin, "POST", "/v1/project/key", &ask)
        .await
        .json();
    assert_eq!(made["scope"], "read_only");
    let key = made["api_key"].as_str().unwrap();
    let answer = world.send_as(key, "POST", "/v1/bot/create", "{}").await;
    answer.refused(403, "READ_ONLY_KEY");
    let wrong = json!({ "project_id": world.project, "scope": "all" }).to_string();
    let answer = world
        .send_as(&admin, "POST", "/v1/project/key", &wrong)
        .await;
    assert_eq!(answer.refused(400, "INVALID_PARAMETER")["field"], "scope");
}

#[tokio::test]
async fn everything_stops_and_goes_on() {
    let world = World::new().await;
    let admin = world.another_key(KeyScope::Admin).await;
    let id = world
        .heartbeat(json!({ "prompt": "p", "enabled": true }))
        .await;
    for reach in [
        json!({ "project_id": world.project }),
        json!({ "project_id": world.project, "bot_id": world.bot }),
        json!({ "all": true }),
    ] {
        let reach = reach.to_string();
        let paused = world
            .send_as(&admin, "POST", "/v1/project/pause", &reach)
            .await;
        assert_eq!(
            paused.text,
            json!({ "heartbeats": [id], "executions": [] }).to_string()
        );
        let resumed = world
            .send_as(&admin, "POST", "/v1/project/resume", &reach)
            .await;
        assert_eq!(
            resumed.text,
            json!({ "heartbeats": [id] }).to_string(),
            "{reach}"
        );
    }
    let answer = world
        .send_as(&admin, "POST", "/v1/project/pause", "{}")
        .await;
    assert_eq!(
        answer.refused(400, "INVALID_PARAMETER")["field"],
        "project_id"
    );
}
