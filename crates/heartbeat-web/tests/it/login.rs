//! The way in and out.

use axum::http::StatusCode;
use jiff::SignedDuration;

use crate::world::World;

#[tokio::test]
async fn a_visitor_who_is_signed_out_learns_how_to_get_in() {
    let world = World::new().await;
    for path in [
        "/",
        "/inbox",
        "/live",
        "/agents/1",
        "/heartbeats/x",
        "/executions/x",
    ] {
        let page = world.get(path, "").await;
        assert_eq!(
            (page.status, page.location()),
            (StatusCode::SEE_OTHER, "/login"),
            "{path}"
        );
    }
    let page = world.get("/login", "").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("heartbeat login"), "{}", page.text);
}

#[tokio::test]
async fn looking_at_a_link_does_not_use_it_up_and_pressing_the_button_does() {
    let world = World::new().await;
    let code = world
        .control
        .create_sign_in(world.project.id)
        .await
        .unwrap();
    let link = format!("/login?code={code}");
    world.get(&link, "").await;
    let form = world.get(&link, "").await;
    let fields = format!("code={code}&token={}", form.token());
    let first = world.post("/login", &form.cookies(), &fields).await;
    assert_eq!(
        (first.status, first.location()),
        (StatusCode::SEE_OTHER, "/")
    );
    assert_eq!(
        world.get("/", &first.cookies()).await.status,
        StatusCode::OK
    );
    let again = world.post("/login", &form.cookies(), &fields).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    assert!(again.text.contains("used before"), "{}", again.text);
}

#[tokio::test]
async fn a_whole_link_may_be_pasted_and_an_old_one_is_refused() {
    let world = World::new().await;
    let code = world
        .control
        .create_sign_in(world.project.id)
        .await
        .unwrap();
    let form = world.get("/login", "").await;
    let pasted = format!("http%3A%2F%2Flocalhost%3A7391%2Flogin%3Fcode%3D{code}");
    let fields = format!("code={pasted}&token={}", form.token());
    world.clock.advance(SignedDuration::from_mins(14));
    let answer = world.post("/login", &form.cookies(), &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);

    let code = world
        .control
        .create_sign_in(world.project.id)
        .await
        .unwrap();
    world.clock.advance(SignedDuration::from_mins(16));
    let fields = format!("code={code}&token={}", form.token());
    let answer = world.post("/login", &form.cookies(), &fields).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn another_site_cannot_sign_a_browser_in_with_its_own_code() {
    let world = World::new().await;
    let code = world
        .control
        .create_sign_in(world.project.id)
        .await
        .unwrap();
    let theirs = world.get("/login", "").await;
    let ours = world.get("/login", "").await;
    let fields = format!("code={code}&token={}", theirs.token());
    let answer = world.post("/login", &ours.cookies(), &fields).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let fields = format!("code={code}&token={}", ours.token());
    let answer = world.post("/login", &ours.cookies(), &fields).await;
    assert_eq!(
        answer.status,
        StatusCode::SEE_OTHER,
        "the refused form burnt the code"
    );
}

#[tokio::test]
async fn signing_out_ends_the_session_for_good() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let home = world.get("/", &cookie).await;
    let out = world
        .post("/logout", &cookie, &format!("token={}", home.token()))
        .await;
    assert_eq!(
        (out.status, out.location()),
        (StatusCode::SEE_OTHER, "/login")
    );
    assert_eq!(world.get("/", &cookie).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_session_ends_by_itself() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    world.clock.advance(SignedDuration::from_hours(24 * 30 + 1));
    assert_eq!(world.get("/", &cookie).await.status, StatusCode::SEE_OTHER);
}
