//! Stopping everything by the one button, and letting it go on.

use axum::http::StatusCode;
use heartbeat_domain::execution::{Ending, Outcome};
use heartbeat_domain::heartbeat::Standing;
use heartbeat_domain::reason::Reason;
use jiff::SignedDuration;

use crate::story::key;
use crate::world::World;

#[tokio::test]
async fn home_asks_before_it_pauses_and_lists_what_was_stopped() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let bot = world.bot("Watcher", "demo").await;
    let busy = world.heartbeat(&bot, "Night round", "Look").await;
    let idle = world.heartbeat(&bot, "Day round", "Look").await;
    let claim = world.claim(&busy).await;
    let home = world.get("/", &cookie).await;
    assert!(home.text.contains("action=\"/pause\""), "{}", home.text);

    let asks = world.get("/pause", &cookie).await;
    for text in [
        "Pause everything?",
        "Night round",
        "Day round",
        "mark-running",
    ] {
        assert!(asks.text.contains(text), "{text}: {}", asks.text);
    }
    let now = world.control.now();
    let untouched = world.store.heartbeat(key(&idle), now).await.unwrap();
    assert_eq!(untouched.standing(), Standing::Active, "it only asks");

    let forged = world.post("/pause", &cookie, "token=x").await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let form = format!("token={}", asks.token());
    let answer = world.post("/pause", &cookie, &form).await;
    assert_eq!(
        (answer.status, answer.location()),
        (StatusCode::SEE_OTHER, "/pause")
    );
    let told = world.get("/pause", &cookie).await;
    for text in [
        "Everything is paused",
        "1 still ending",
        "Night round",
        "Day round",
    ] {
        assert!(told.text.contains(text), "{text}: {}", told.text);
    }
    world.clock.advance(SignedDuration::from_secs(2));
    let reason = Reason::ProjectPaused;
    let ending = Ending::plain(Outcome::Cancelled { reason });
    let now = world.control.now();
    let ended = world.store.finish(&claim.hold, &ending, &[], now).await;
    ended.unwrap();
    let told = world.get("/pause", &cookie).await;
    let id = claim.hold.execution_id.to_string();
    for text in ["mark-cancelled", id.as_str()] {
        assert!(told.text.contains(text), "{text}: {}", told.text);
    }
    assert!(!told.text.contains("still ending"), "{}", told.text);
    let home = world.get("/", &cookie).await;
    for text in [
        "Everything is paused",
        "action=\"/resume\"",
        "What was stopped",
    ] {
        assert!(home.text.contains(text), "{text}: {}", home.text);
    }
}

#[tokio::test]
async fn resume_lets_it_go_on_and_forgets_what_an_earlier_pause_stopped() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let bot = world.bot("Watcher", "demo").await;
    let heartbeat = world.heartbeat(&bot, "Round", "Look").await;
    let claim = world.claim(&heartbeat).await;
    let form = format!("token={}", world.get("/pause", &cookie).await.token());
    world.post("/pause", &cookie, &form).await;
    let reason = Reason::ProjectPaused;
    let ending = Ending::plain(Outcome::Cancelled { reason });
    let now = world.control.now();
    let ended = world.store.finish(&claim.hold, &ending, &[], now).await;
    ended.unwrap();
    let answer = world.post("/resume", &cookie, &form).await;
    assert_eq!(answer.location(), "/");
    let now = world.control.now();
    let again = world.store.heartbeat(key(&heartbeat), now).await.unwrap();
    assert_eq!(again.standing(), Standing::Active);
    world.clock.advance(SignedDuration::from_mins(1));
    world.post("/pause", &cookie, &form).await;
    let told = world.get("/pause", &cookie).await;
    assert!(told.text.contains("Nothing was under way"), "{}", told.text);
    assert!(told.text.contains("Round"), "{}", told.text);
}

#[tokio::test]
async fn a_pause_reaches_the_own_project_and_no_other() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let other = world.control.create_project("other", "self_hosted").await;
    let other = other.unwrap().project.id;
    let form = format!("token={}", world.get("/pause", &cookie).await.token());
    world.post("/pause", &cookie, &form).await;
    let own = world.store.project(world.project.id).await.unwrap();
    assert!(own.paused_at.is_some());
    assert_eq!(world.store.project(other).await.unwrap().paused_at, None);
}
