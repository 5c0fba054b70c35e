//! What pages show.

use axum::http::StatusCode;
use jiff::SignedDuration;

use crate::story::notice;
use crate::world::World;

#[tokio::test]
async fn an_empty_project_is_told_the_commands_that_fill_it() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let page = world.get("/", &cookie).await;
    assert_eq!(page.status, StatusCode::OK);
    for text in [
        "No heartbeat yet",
        "heartbeat bot create",
        "heartbeat configure",
        "Nothing to tell",
    ] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    let bot = world.bot("Watcher", "demo").await;
    let page = world.get("/", &cookie).await;
    let command = format!("heartbeat configure --bot {} ", bot.number);
    assert!(page.text.contains(&command), "{}", page.text);
    assert_eq!(world.get("/inbox", &cookie).await.status, StatusCode::OK);
}

#[tokio::test]
async fn home_shows_schedule_next_fire_outcome_and_totals() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let bot = world.bot("Watcher", "demo").await;
    let heartbeat = world
        .heartbeat(&bot, "Round of the machine", "Look around")
        .await;
    let claim = world.claim(&heartbeat).await;
    world.steps(&claim, "demo, no model: all is well").await;
    world
        .succeed(&claim, "demo, no model: all is well", Vec::new())
        .await;
    world.clock.advance(SignedDuration::from_mins(5));
    let page = world.get("/", &cookie).await;
    for text in [
        "Everything is beating",
        "every 15 minutes",
        "Europe/Berlin",
        "09:15 CET",
        "in 9 min",
        "mark-success",
        "all is well",
        "demo, no model",
        "824",
        "last 1 beat: 1 success",
    ] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    let agent = world.get(&format!("/agents/{}", bot.number), &cookie).await;
    assert!(agent.text.contains("Round of the machine") && agent.text.contains("You are brief."));
}

#[tokio::test]
async fn quiet_beats_are_one_row_on_the_first_screen_and_all_stand_in_the_log() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let bot = world.bot("Watcher", "demo").await;
    let heartbeat = world.heartbeat(&bot, "Round", "Look around").await;
    for beat in 0..4 {
        world.clock.advance(SignedDuration::from_mins(15));
        let claim = world.take(&heartbeat).await;
        let told = (beat == 1).then(|| notice("Queue grew", "150"));
        world.succeed(&claim, "", Vec::from_iter(told)).await;
        let again = world
            .store
            .heartbeat(crate::story::key(&heartbeat), world.control.now());
        assert!(again.await.unwrap().open.is_none());
    }
    let rows = |text: &str| text.matches("<tr role=\"row\" data-execution=").count();
    let home = world.get("/", &cookie).await;
    assert_eq!(rows(&home.text), 2, "{}", home.text);
    assert!(home.text.contains("and 2 quiet before"), "{}", home.text);
    assert!(home.text.contains("Queue grew"), "{}", home.text);
    let path = format!("/heartbeats/{}", heartbeat.id);
    assert_eq!(rows(&world.get(&path, &cookie).await.text), 4);
}

#[tokio::test]
async fn an_execution_shows_its_steps_with_input_output_and_cost() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let bot = world.bot("Watcher", "demo").await;
    let heartbeat = world.heartbeat(&bot, "Round", "Look around").await;
    let claim = world.claim(&heartbeat).await;
    world.steps(&claim, "demo, no model: all is well").await;
    let path = format!("/executions/{}", claim.hold.execution_id);
    let running = world.get(&path, &cookie).await;
    assert!(running.text.contains("data-stream"), "{}", running.text);
    world
        .succeed(&claim, "demo, no model: all is well", Vec::new())
        .await;
    let page = world.get(&path, &cookie).await;
    for text in [
        "calls host_status",
        "free_percent",
        "all is well",
        "412 tokens",
        "0.412 credits",
        "180 ms",
        "Look around",
        "demo, no model",
    ] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    assert!(
        !page.text.contains("style="),
        "an inline style would break the content policy"
    );
}

#[tokio::test]
async fn a_heartbeat_that_needs_somebody_says_so_on_the_first_screen() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let bot = world.bot("Watcher", "demo").await;
    let heartbeat = world.heartbeat(&bot, "Round", "Look around").await;
    let claim = world.claim(&heartbeat).await;
    world.fail(&claim, "the endpoint answered 500").await;
    let page = world.get("/", &cookie).await;
    assert!(
        page.text.contains("the endpoint answered 500"),
        "{}",
        page.text
    );
    let path = format!("/heartbeats/{}", heartbeat.id);
    let log = world.get(&format!("{path}?status=error"), &cookie).await;
    assert!(log.text.contains("model_error"), "{}", log.text);
    let log = world.get(&format!("{path}?status=success"), &cookie).await;
    assert!(!log.text.contains("model_error") && log.text.contains("Nothing here"));
}

#[tokio::test]
async fn nothing_that_an_agent_writes_becomes_markup() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let evil = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'";
    let bot = world.bot(evil, "demo").await;
    let heartbeat = world.heartbeat(&bot, evil, evil).await;
    let claim = world.claim(&heartbeat).await;
    world.steps(&claim, evil).await;
    let mut told = notice(evil, evil);
    told.action_url = Some("javascript:alert(1)".into());
    let mut linked = notice("linked", "message");
    linked.action_url = Some("https://good.example@bad.example/".into());
    world.succeed(&claim, evil, vec![told, linked]).await;
    let paths = [
        "/".to_owned(),
        "/inbox".to_owned(),
        format!("/agents/{}", bot.number),
        format!("/heartbeats/{}", heartbeat.id),
        format!("/executions/{}", claim.hold.execution_id),
    ];
    for path in paths {
        let page = world.get(&path, &cookie).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(!page.text.contains("<script>"), "{path}: {}", page.text);
        assert!(!page.text.contains("<img"), "{path}: {}", page.text);
        assert!(!page.text.contains("javascript:"), "{path}: {}", page.text);
    }
    let inbox = world.get("/inbox", &cookie).await;
    assert!(inbox.text.contains("bad.example</span>"), "{}", inbox.text);
    assert!(
        inbox.text.contains("rel=\"noopener noreferrer\""),
        "{}",
        inbox.text
    );
}

#[tokio::test]
async fn a_wrong_address_is_a_page_of_its_own() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let gone = "/executions/00000000-0000-7000-8000-000000000000";
    for path in [
        "/agents/x",
        "/agents/99",
        "/heartbeats/null",
        "/executions/null",
        gone,
    ] {
        let page = world.get(path, &cookie).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert!(page.text.contains("Not found"), "{path}: {}", page.text);
    }
}
