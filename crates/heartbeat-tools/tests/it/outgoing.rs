//! The one outgoing client: what is checked is what is connected to.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Method};
use heartbeat_tools::{Ask, Outgoing, OutgoingError, Reach};

use crate::support::{Names, PATIENCE, Reply, Scripted, install_tls};

fn get(url: impl Into<String>) -> Ask {
    Ask {
        method: Method::GET,
        url: url.into(),
        headers: HeaderMap::new(),
        body: None,
    }
}

fn reach(words: &[&str]) -> Reach {
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    Reach::networks(&words).unwrap()
}

const WITHIN: (Duration, usize) = (PATIENCE, 64 * 1024);

#[tokio::test]
async fn a_host_is_looked_up_once_for_a_request_and_that_answer_is_connected_to() {
    let good = Scripted::start(|_| Some(Reply::Status(200, "text/plain", "good".into()))).await;
    let names = Names::pointing(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let url = format!("http://rebind.example:{}/", good.address.port());
    let answer = names
        .outgoing()
        .fetch(&get(url), &reach(&["127.0.0.1"]), WITHIN)
        .await
        .unwrap();
    assert_eq!(&answer.body[..], b"good");
    assert_eq!(names.asked(), ["rebind.example"]);
}

#[tokio::test]
async fn a_host_that_moves_to_a_closed_address_is_not_connected_to() {
    let good = Scripted::correct().await;
    let hidden = Scripted::start_on(&format!("127.0.0.2:{}", good.address.port()), |_| None).await;
    let names = Names::pointing(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let outgoing = names.outgoing();
    let url = format!("http://rebind.example:{}/", good.address.port());
    let open = reach(&["127.0.0.1"]);
    outgoing.fetch(&get(&url), &open, WITHIN).await.unwrap();
    let refused = outgoing.fetch(&get(&url), &open, WITHIN).await.unwrap_err();
    assert!(
        matches!(&refused, OutgoingError::AddressRefused { host, .. } if host == "rebind.example"),
        "{refused:?}"
    );
    assert!(refused.nothing_was_sent());
    assert!(hidden.seen().is_empty());
}

#[tokio::test]
async fn a_name_that_points_both_ways_is_refused_as_a_whole() {
    let server = Scripted::correct().await;
    let names = Names::pointing(&[&["127.0.0.1", "10.0.0.1"]]);
    let url = format!("http://both.example:{}/", server.address.port());
    let refused = names
        .outgoing()
        .fetch(&get(url), &reach(&["loopback"]), WITHIN)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, OutgoingError::AddressRefused { .. }),
        "{refused:?}"
    );
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn names_of_closed_addresses_are_refused_before_anything_is_connected() {
    let server = Scripted::correct().await;
    for address in [
        "127.0.0.1",
        "::1",
        "169.254.169.254",
        "10.0.0.7",
        "::ffff:127.0.0.1",
    ] {
        let names = Names::pointing(&[&[address]]);
        let url = format!("http://inside.example:{}/", server.address.port());
        let refused = names
            .outgoing()
            .fetch(&get(url), &reach(&[]), WITHIN)
            .await
            .unwrap_err();
        assert!(
            matches!(refused, OutgoingError::AddressRefused { .. }),
            "{address}: {refused:?}"
        );
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_name_without_an_address_is_said_to_have_none() {
    let names = Names::pointing(&[]);
    let failed = names
        .outgoing()
        .fetch(&get("http://nowhere.example/"), &reach(&[]), WITHIN)
        .await
        .unwrap_err();
    assert!(
        matches!(failed, OutgoingError::Unresolved { .. }),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_redirect_to_a_closed_address_is_not_followed() {
    install_tls();
    let hidden = Scripted::start_on("127.0.0.2:0", |_| None).await;
    let inner = hidden.url("/latest");
    for target in [
        inner,
        "http://169.254.169.254/latest/meta-data".into(),
        "http://[::1]/".into(),
        "file:///etc/passwd".into(),
        "http://user:pass@example.org/".into(),
    ] {
        let to = target.clone();
        let door =
            Scripted::start(move |_| Some(Reply::WithHeader(302, "location", to.clone()))).await;
        let refused = Outgoing::default()
            .fetch(&get(door.url("/")), &reach(&["127.0.0.1"]), WITHIN)
            .await
            .unwrap_err();
        assert!(
            matches!(refused, OutgoingError::Redirected(_)),
            "{target}: {refused:?}"
        );
    }
    assert!(hidden.seen().is_empty());
}

#[tokio::test]
async fn a_redirect_by_name_is_looked_up_and_checked_again() {
    let door = Scripted::start(|request| match request.path.as_str() {
        "/" => Some(Reply::WithHeader(307, "location", "/next".into())),
        _ => Some(Reply::Status(200, "text/plain", "inside".into())),
    })
    .await;
    let names = Names::pointing(&[&["127.0.0.1"], &["10.0.0.1"]]);
    let url = format!("http://turns.example:{}/", door.address.port());
    let refused = names
        .outgoing()
        .fetch(&get(url), &reach(&["127.0.0.1"]), WITHIN)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, OutgoingError::AddressRefused { .. }),
        "{refused:?}"
    );
    assert_eq!(names.asked().len(), 2);
    assert_eq!(door.seen().len(), 1);
}

#[tokio::test]
async fn headers_stay_with_the_first_origin() {
    install_tls();
    let second = Scripted::start(|_| Some(Reply::Status(200, "text/plain", "there".into()))).await;
    let to = second.url("/there");
    let first =
        Scripted::start(move |_| Some(Reply::WithHeader(302, "location", to.clone()))).await;
    let mut ask = get(first.url("/"));
    ask.headers
        .insert("authorization", HeaderValue::from_static("Bearer s3cret"));
    ask.headers
        .insert("x-key", HeaderValue::from_static("s3cret"));
    let answer = Outgoing::default()
        .fetch(&ask, &reach(&["loopback"]), WITHIN)
        .await
        .unwrap();
    assert_eq!(answer.url.as_str(), second.url("/there"));
    assert_eq!(answer.redirects.len(), 1);
    assert_eq!(
        first.seen()[0].header("authorization"),
        Some("Bearer s3cret")
    );
    let arrived = &second.seen()[0];
    assert_eq!(arrived.header("authorization"), None);
    assert_eq!(arrived.header("x-key"), None);
}

#[tokio::test]
async fn a_body_is_not_carried_to_another_origin() {
    install_tls();
    let second = Scripted::correct().await;
    let to = second.url("/");
    let first =
        Scripted::start(move |_| Some(Reply::WithHeader(307, "location", to.clone()))).await;
    let ask = Ask {
        method: Method::POST,
        body: Some("private".into()),
        ..get(first.url("/"))
    };
    let refused = Outgoing::default()
        .fetch(&ask, &reach(&["loopback"]), WITHIN)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, OutgoingError::Redirected(_)),
        "{refused:?}"
    );
    assert!(second.seen().is_empty());
}

#[tokio::test]
async fn redirects_come_to_an_end() {
    install_tls();
    let server =
        Scripted::start(|_| Some(Reply::WithHeader(302, "location", "/again".into()))).await;
    let refused = Outgoing::default()
        .fetch(&get(server.url("/")), &reach(&["loopback"]), WITHIN)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, OutgoingError::Redirected(_)),
        "{refused:?}"
    );
    assert_eq!(server.seen().len(), 6);
}

#[tokio::test]
async fn an_answer_is_bounded_in_size_and_time() {
    install_tls();
    let floods = Scripted::start(|_| Some(Reply::Flood)).await;
    let refused = Outgoing::default()
        .fetch(&get(floods.url("/")), &reach(&["loopback"]), WITHIN)
        .await
        .unwrap_err();
    assert_eq!(refused, OutgoingError::TooLarge(64 * 1024));

    let hangs = Scripted::start(|_| Some(Reply::Hang)).await;
    let short = (Duration::from_millis(200), 1024);
    let late = Outgoing::default()
        .fetch(&get(hangs.url("/")), &reach(&["loopback"]), short)
        .await
        .unwrap_err();
    assert!(matches!(late, OutgoingError::TimedOut { .. }), "{late:?}");
    assert!(!late.nothing_was_sent());
}

#[tokio::test]
async fn what_nobody_listens_to_was_certainly_not_sent() {
    install_tls();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let failed = Outgoing::default()
        .fetch(
            &get(format!("http://{address}/")),
            &reach(&["loopback"]),
            WITHIN,
        )
        .await
        .unwrap_err();
    assert!(
        matches!(failed, OutgoingError::NotConnected { .. }),
        "{failed:?}"
    );
    assert!(failed.nothing_was_sent());
}

/// Looking a name up tells its owner that somebody asked, and what the name was.
#[tokio::test]
async fn a_host_that_is_not_listed_is_not_even_looked_up() {
    let names = Names::pointing(&[&["127.0.0.1"]]);
    let listed = Reach {
        hosts: Some(vec!["docs.example".to_owned()]),
        ..reach(&["127.0.0.1"])
    };
    let ask = get("http://what-was-read.evil.example/");
    let refused = names.outgoing().fetch(&ask, &listed, WITHIN).await;
    let refused = refused.unwrap_err();
    assert!(
        matches!(&refused, OutgoingError::HostNotListed { .. }),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("web_hosts"), "{refused}");
    assert!(names.asked().is_empty());
}
