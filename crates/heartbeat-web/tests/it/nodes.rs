//! The page of the nodes, for whoever runs the installation.

use axum::http::StatusCode;
use heartbeat_domain::claim::{LEASE, Node, NodeWork};
use heartbeat_domain::ids::NodeId;
use jiff::SignedDuration;

use crate::world::World;

async fn node(world: &World) {
    let now = world.control.now();
    let node = Node {
        id: NodeId::new(&world.ids, now),
        name: "ada:4711".into(),
        version: "1.2.3".into(),
        started_at: now,
        awake_since: now,
        lease_until: now + LEASE,
        ended_at: None,
        work: NodeWork {
            slots: 1_000,
            busy: 17,
            is_draining: false,
            clock_offset: Some(SignedDuration::from_millis(-42)),
        },
    };
    world.store.register_node(&node, now).await.unwrap();
}

#[tokio::test]
async fn somebody_who_signed_in_to_a_project_sees_no_nodes() {
    let world = World::new().await;
    node(&world).await;
    let cookie = world.sign_in().await;
    let page = world.get("/nodes", &cookie).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(
        page.text.contains("heartbeat login --operator"),
        "{}",
        page.text
    );
    assert!(!page.text.contains("ada:4711"), "{}", page.text);
    let home = world.get("/", &cookie).await;
    assert!(!home.text.contains("href=\"/nodes\""), "{}", home.text);
}

#[tokio::test]
async fn the_operator_sees_how_each_node_is() {
    let world = World::new().await;
    node(&world).await;
    let cookie = world.sign_in_as_operator().await;
    let home = world.get("/", &cookie).await;
    assert!(home.text.contains("href=\"/nodes\""), "{}", home.text);
    let page = world.get("/nodes", &cookie).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    for text in ["ada:4711", "1.2.3", "17 of 1000", "-42 ms", "mark-live"] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    world.clock.advance(SignedDuration::from_secs(11));
    let page = world.get("/nodes", &cookie).await;
    assert!(page.text.contains("mark-silent"), "{}", page.text);
}
