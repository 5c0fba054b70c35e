//! `web_fetch` over the wire.

use heartbeat_tools::{FetchAsk, Outgoing, WebFetch};

use crate::support::{Reply, Scripted, install_tls};

fn ask(url: String) -> FetchAsk {
    FetchAsk {
        url,
        allow_networks: vec!["loopback".into()],
        hosts: None,
    }
}

fn web() -> WebFetch {
    install_tls();
    WebFetch::new(Outgoing::default())
}

#[tokio::test]
async fn a_page_behind_a_redirect_is_read_and_says_where_it_came_from() {
    let server = Scripted::start(|request| {
        Some(match request.path.as_str() {
            "/old" => Reply::WithHeader(301, "location", "/new".into()),
            _ => Reply::Status(
                200,
                "text/html",
                "<h1>News</h1><p>All is <i>well</i>.".into(),
            ),
        })
    })
    .await;
    let fetched = web().fetch(&ask(server.url("/old"))).await.unwrap();
    assert_eq!(fetched.url, server.url("/new"));
    assert_eq!(fetched.redirects, [server.url("/new")]);
    assert_eq!(
        (fetched.status, fetched.content_type.as_str()),
        (200, "text/html")
    );
    assert!(fetched.text.contains("News"), "{}", fetched.text);
    assert!(!fetched.text.contains('<'), "{}", fetched.text);
}

#[tokio::test]
async fn a_page_of_an_error_is_read_too() {
    let server = Scripted::start(|_| Some(Reply::Status(404, "text/plain", "gone".into()))).await;
    let fetched = web().fetch(&ask(server.url("/"))).await.unwrap();
    assert_eq!((fetched.status, fetched.text.as_str()), (404, "gone"));
}

#[tokio::test]
async fn an_agent_with_a_list_reaches_nothing_beside_it() {
    let server = Scripted::correct().await;
    let listed = FetchAsk {
        hosts: Some(vec!["docs.example".into()]),
        ..ask(server.url("/?secret"))
    };
    let refused = web().fetch(&listed).await.unwrap_err();
    assert!(refused.message.contains("web_hosts"), "{refused}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_redirect_off_the_list_is_not_followed() {
    let other = Scripted::start_on("127.0.0.2:0", |_| None).await;
    let to = other.url("/?secret");
    let door = Scripted::start(move |_| Some(Reply::WithHeader(302, "location", to.clone()))).await;
    let listed = FetchAsk {
        hosts: Some(vec!["127.0.0.1".into()]),
        ..ask(door.url("/"))
    };
    let refused = web().fetch(&listed).await.unwrap_err();
    assert!(refused.message.contains("redirect"), "{refused}");
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn closed_addresses_and_other_schemes_are_refused_in_words() {
    for url in [
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "file:///etc/passwd",
        "gopher://example.org/",
    ] {
        let refused = web().fetch(&ask(url.into())).await.unwrap_err();
        assert!(
            refused.message.starts_with("the page was not fetched"),
            "{refused}"
        );
    }
}
