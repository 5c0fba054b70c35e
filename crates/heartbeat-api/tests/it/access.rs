//! Keys, projects and rates.

use axum::body::Body;
use axum::http::Request;
use heartbeat_store::verbs::KeyScope;
use jiff::SignedDuration;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn without_a_known_key_everything_is_unauthorized() {
    let world = World::new().await;
    let bare = Request::get("/v1/bot/readall").body(Body::empty()).unwrap();
    let answer = world.ask(bare).await;
    let body = answer.refused(401, "UNAUTHORIZED");
    assert!(body["message"].as_str().unwrap().contains("Unauthorized"));
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    let answer = world
        .send_as("K-1", "POST", "/v1/bot/heartbeat/configure", "{")
        .await;
    answer.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_key_that_may_read_reads_and_changes_nothing() {
    let world = World::new().await;
    let key = world.another_key(KeyScope::ReadOnly).await;
    let path = format!("/v1/bot/readall?project_id={}", world.project);
    assert_eq!(world.send_as(&key, "GET", &path, "").await.status, 200);
    let body = json!({ "project_id": world.project, "bot_id": world.bot, "prompt": "p" });
    let path = "/v1/bot/heartbeat/configure";
    let answer = world.send_as(&key, "POST", path, &body.to_string()).await;
    answer.refused(403, "READ_ONLY_KEY");
}

#[tokio::test]
async fn another_projects_things_do_not_exist() {
    let world = World::new().await;
    let heartbeat = world.heartbeat(json!({ "prompt": "p" })).await;
    let other = world
        .control
        .create_project("second", "self_hosted")
        .await
        .unwrap();
    let own = |path: &str, project: &str| {
        format!(
            "{path}?project_id={project}&bot_id={}&heartbeat_id={heartbeat}",
            world.bot
        )
    };
    for path in ["read", "readall", "logs", "stats"] {
        let path = format!("/v1/bot/heartbeat/{path}");
        let theirs = own(&path, &world.project.to_string());
        world
            .send_as(&other.api_key, "GET", &theirs, "")
            .await
            .refused(404, "PROJECT_NOT_FOUND");
        let mixed = own(&path, &other.project.id.to_string());
        world
            .send_as(&other.api_key, "GET", &mixed, "")
            .await
            .refused(404, "BOT_NOT_FOUND");
    }
}

#[tokio::test]
async fn an_admin_key_opens_every_project_that_exists() {
    let world = World::new().await;
    let admin = world.another_key(KeyScope::Admin).await;
    let other = world
        .control
        .create_project("second", "self_hosted")
        .await
        .unwrap();
    let path = format!("/v1/bot/readall?project_id={}", other.project.id);
    assert_eq!(world.send_as(&admin, "GET", &path, "").await.status, 200);
    let path = "/v1/bot/readall?project_id=0f4d1c7e-6a0b-4c39-8d3e-2b7f5e9a0003";
    world
        .send_as(&admin, "GET", path, "")
        .await
        .refused(404, "PROJECT_NOT_FOUND");
}

#[tokio::test]
async fn rates_are_told_and_held() {
    let world = World::on("free").await;
    let path = format!("/v1/bot/readall?project_id={}", world.project);
    for left in (0..20).rev() {
        let answer = world.send("GET", &path, "").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-ratelimit-limit"), Some("20"));
        assert_eq!(
            answer.header("x-ratelimit-remaining"),
            Some(&*left.to_string())
        );
        assert_eq!(answer.header("x-ratelimit-reset"), Some("1777878780"));
    }
    let answer = world.send("GET", &path, "").await;
    let body = answer.refused(429, "RATE_LIMITED");
    assert!(body["message"].as_str().unwrap().contains("Rate limit"));
    assert_eq!((&body["limit"], &body["used"]), (&json!(20), &json!(20)));
    assert_eq!(body["resets_at"], "2026-05-04T07:13:00Z");
    assert_eq!(answer.header("retry-after"), Some("60"));
    assert_eq!(answer.header("x-ratelimit-remaining"), Some("0"));
    world.clock.advance(SignedDuration::from_mins(1));
    assert_eq!(world.send("GET", &path, "").await.status, 200);
}

#[tokio::test]
async fn a_plan_without_rates_has_no_headers_for_them() {
    let world = World::new().await;
    let path = format!("/v1/bot/readall?project_id={}", world.project);
    let answer = world.send("GET", &path, "").await;
    assert_eq!(answer.header("x-ratelimit-limit"), None);
}

#[tokio::test]
async fn every_answer_has_an_id_and_stays_out_of_caches() {
    let world = World::new().await;
    let first = world.send("GET", "/healthz", "").await;
    let second = world.send("GET", "/v1/nothing", "").await;
    assert_ne!(
        first.header("x-request-id").unwrap(),
        second.header("x-request-id").unwrap()
    );
    for answer in [first, second] {
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}
