//! Hosts, origins, tokens and headers.

use axum::http::{HeaderValue, StatusCode, header};

use crate::story::key;
use crate::world::{World, get, post};

#[tokio::test]
async fn a_request_by_another_name_gets_nothing() {
    let world = World::new().await;
    for path in ["/", "/login", "/live", "/assets/app.css"] {
        let mut request = get(path, "");
        request
            .headers_mut()
            .insert(header::HOST, HeaderValue::from_static("evil.example"));
        let page = world.send(request).await;
        assert_eq!(page.status, StatusCode::MISDIRECTED_REQUEST, "{path}");
        assert!(page.text.contains("public_url"), "{}", page.text);
    }
}

#[tokio::test]
async fn a_form_from_another_site_changes_nothing() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let bot = world.bot("Watcher", "demo").await;
    let heartbeat = world.heartbeat(&bot, "Round", "Look").await;
    let path = format!("/heartbeats/{}/disable", heartbeat.id);
    let token = world.get("/", &cookie).await.token();
    let form = format!("token={token}");

    let mut foreign = post(&path, &cookie, &form);
    foreign.headers_mut().insert(
        header::ORIGIN,
        HeaderValue::from_static("https://evil.example"),
    );
    assert_eq!(world.send(foreign).await.status, StatusCode::FORBIDDEN);
    let mut cross = post(&path, &cookie, &form);
    cross.headers_mut().remove(header::ORIGIN);
    cross
        .headers_mut()
        .insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
    assert_eq!(world.send(cross).await.status, StatusCode::FORBIDDEN);
    for form in ["", "token=", "token=AAAA", "back=/"] {
        assert_eq!(
            world.post(&path, &cookie, form).await.status,
            StatusCode::FORBIDDEN,
            "{form}"
        );
    }
    let other = world.sign_in().await;
    let theirs = world.get("/", &other).await.token();
    let page = world.post(&path, &cookie, &format!("token={theirs}")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);

    let now = world.control.now();
    let same = world.store.heartbeat(key(&heartbeat), now).await.unwrap();
    assert!(same.enabled, "one of the forms got through");
    assert_eq!(
        world.post(&path, &cookie, &form).await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn pages_are_sealed_and_not_kept() {
    let world = World::new().await;
    let page = world.get("/login", "").await;
    let policy = page.headers[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap();
    for rule in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(page.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert_eq!(page.headers[header::REFERRER_POLICY], "same-origin");
}

#[tokio::test]
async fn assets_are_asked_for_again_only_when_they_changed() {
    let world = World::new().await;
    let first = world.get("/assets/app.css", "").await;
    assert_eq!(
        first.headers[header::CONTENT_TYPE],
        "text/css; charset=utf-8"
    );
    let mut again = get("/assets/app.css", "");
    again
        .headers_mut()
        .insert(header::IF_NONE_MATCH, first.headers[header::ETAG].clone());
    let again = world.send(again).await;
    assert_eq!(
        (again.status, again.text.as_str()),
        (StatusCode::NOT_MODIFIED, "")
    );
    assert_eq!(
        world.get("/assets/other", "").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn behind_a_public_url_cookies_are_secure_and_its_name_is_ours() {
    let world = World::at("2026-11-23T08:00:00Z", Some("https://beats.example")).await;
    let mut request = get("/login", "");
    request
        .headers_mut()
        .insert(header::HOST, HeaderValue::from_static("beats.example"));
    let page = world.send(request).await;
    assert_eq!(page.status, StatusCode::OK);
    let cookie = page.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(
        cookie.starts_with("__Host-") && cookie.ends_with("; Secure"),
        "{cookie}"
    );
}
