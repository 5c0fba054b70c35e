//! What people do with buttons.

use axum::http::StatusCode;
use heartbeat_domain::execution::Trigger;
use heartbeat_store::verbs::{LogFilter, LogState, NoticeFilter, Page};
use jiff::SignedDuration;

use crate::story::{key, notice};
use crate::world::World;

const FIRST: Page = Page {
    number: 1,
    size: 10,
};

#[tokio::test]
async fn a_heartbeat_is_disabled_and_enabled_by_its_buttons() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let bot = world.bot("Watcher", "demo").await;
    let heartbeat = world.heartbeat(&bot, "Round", "Look").await;
    let path = format!("/heartbeats/{}", heartbeat.id);
    let page = world.get(&path, &cookie).await;
    assert!(
        page.text.contains("Disable") && !page.text.contains("Enable<"),
        "{}",
        page.text
    );
    let form = format!("token={}&back={path}", page.token());
    let answer = world.post(&format!("{path}/disable"), &cookie, &form).await;
    assert_eq!(
        (answer.status, answer.location()),
        (StatusCode::SEE_OTHER, path.as_str())
    );
    let page = world.get(&path, &cookie).await;
    assert!(
        page.text.contains("mark-off") && page.text.contains("Enable<"),
        "{}",
        page.text
    );
    world.post(&format!("{path}/enable"), &cookie, &form).await;
    let now = world.control.now();
    assert!(
        world
            .store
            .heartbeat(key(&heartbeat), now)
            .await
            .unwrap()
            .enabled
    );
}

#[tokio::test]
async fn a_trigger_leads_to_its_execution_and_cancel_stops_it() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let bot = world.bot("Watcher", "demo").await;
    let heartbeat = world.heartbeat(&bot, "Round", "Look").await;
    let path = format!("/heartbeats/{}", heartbeat.id);
    let form = format!("token={}", world.get(&path, &cookie).await.token());
    let answer = world.post(&format!("{path}/trigger"), &cookie, &form).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let page = world.get(answer.location(), &cookie).await;
    assert!(
        page.text.contains("mark-running") && page.text.contains("manual"),
        "{}",
        page.text
    );
    world.post(&format!("{path}/cancel"), &cookie, &form).await;
    let running = LogState::Open(heartbeat_domain::execution::Phase::Running);
    let filter = LogFilter {
        state: Some(running),
        ..LogFilter::default()
    };
    let open = world
        .store
        .logs(world.project.id, &filter, FIRST)
        .await
        .unwrap();
    let open = open.rows.first().unwrap();
    assert_eq!(open.trigger, Trigger::Manual);
    assert!(open.cancel_requested.is_some());
}

#[tokio::test]
async fn a_refusal_says_why_and_a_foreign_thing_is_not_there() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let other = world
        .control
        .create_project("other", "self_hosted")
        .await
        .unwrap()
        .project;
    let ours = world.bot("Watcher", "demo").await;
    let heartbeat = world.heartbeat(&ours, "Round", "Look").await;
    let token = world.get("/", &cookie).await.token();
    let path = format!("/heartbeats/{}/cancel", heartbeat.id);
    let nothing_runs = world.post(&path, &cookie, &format!("token={token}")).await;
    assert_eq!(nothing_runs.status, StatusCode::NOT_FOUND);

    let code = world.control.create_sign_in(other.id).await.unwrap();
    let form = world.get("/login", "").await;
    let fields = format!("code={code}&token={}", form.token());
    let theirs = world
        .post("/login", &form.cookies(), &fields)
        .await
        .cookies();
    let page = world
        .get(&format!("/heartbeats/{}", heartbeat.id), &theirs)
        .await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    let page = world
        .get(&format!("/agents/{}", ours.number), &theirs)
        .await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(!world.get("/", &theirs).await.text.contains("Round"));
}

#[tokio::test]
async fn a_message_is_read_by_its_button() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let draft = notice("Disk nearly full", "93 % used");
    let now = world.control.now();
    world
        .store
        .tell(world.project.id, &draft, &[], now)
        .await
        .unwrap();
    let page = world.get("/", &cookie).await;
    assert!(page.text.contains("Disk nearly full") && page.text.contains("Mark as read"));
    let unread = NoticeFilter {
        unread: true,
        ..NoticeFilter::default()
    };
    let listed = world
        .store
        .notices(world.project.id, &unread, FIRST)
        .await
        .unwrap();
    let path = format!("/inbox/{}/ack", listed.rows[0].id);
    let form = format!("token={}&back=/inbox", page.token());
    let answer = world.post(&path, &cookie, &form).await;
    assert_eq!(answer.location(), "/inbox");
    let page = world.get("/inbox", &cookie).await;
    assert!(page.text.contains("Disk nearly full") && !page.text.contains("Mark as read"));
}

#[tokio::test]
async fn a_persons_word_on_an_unknown_call_is_kept_by_its_button() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let bot = world.bot("Watcher", "demo").await;
    let heartbeat = world.heartbeat(&bot, "Round", "Look").await;
    world.clock.advance(SignedDuration::from_mins(30));
    let claim = world.take(&heartbeat).await;
    world.unknown_call(&claim).await;
    let path = format!("/executions/{}", claim.hold.execution_id);
    let page = world.get(&path, &cookie).await;
    assert!(page.text.contains("It did not</button>"), "{}", page.text);
    assert!(
        page.text.contains("a node that had lost its hold"),
        "{}",
        page.text
    );
    let form = format!("token={}&back={path}", page.token());
    let button = format!("{path}/steps/2/not_done");
    let forged = world.post(&button, &cookie, "token=x").await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let answer = world.post(&button, &cookie, &form).await;
    assert_eq!(
        (answer.status, answer.location()),
        (StatusCode::SEE_OTHER, path.as_str())
    );
    let page = world.get(&path, &cookie).await;
    assert!(
        page.text.contains("It did not happen: said at"),
        "{}",
        page.text
    );
    assert!(
        !page.text.contains("may or may not have happened"),
        "{}",
        page.text
    );
}
