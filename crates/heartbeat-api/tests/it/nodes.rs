//! The list of nodes.

use heartbeat_store::verbs::KeyScope;
use jiff::SignedDuration;

use crate::world::World;

#[tokio::test]
async fn only_an_admin_key_sees_the_nodes() {
    let world = World::new().await;
    for key in [
        world.key.clone(),
        world.another_key(KeyScope::ReadOnly).await,
    ] {
        let answer = world.send_as(&key, "GET", "/v1/node/readall", "").await;
        answer.refused(403, "ADMIN_KEY_REQUIRED");
    }
}

#[tokio::test]
async fn a_node_is_listed_with_how_it_is() {
    let world = World::new().await;
    let admin = world.another_key(KeyScope::Admin).await;
    let id = world.node().await.to_string();
    let list = async || {
        let answer = world.send_as(&admin, "GET", "/v1/node/readall", "").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.named(&[(&id, "<id>")])
    };
    assert_eq!(
        list().await,
        concat!(
            r#"{"total":1,"nodes":[{"uuid":"<id>","name":"node","status":"live","#,
            r#""version":"1.2.3","started_at":"2026-05-04T07:12:00Z","#,
            r#""awake_since":"2026-05-04T07:12:00Z","renewed_at":"2026-05-04T07:12:00Z","#,
            r#""lease_until":"2026-05-04T07:12:10Z","ended_at":null,"slots":0,"slots_used":0,"#,
            r#""clock_offset_ms":null}]}"#,
        )
    );
    world.clock.advance(SignedDuration::from_secs(11));
    assert!(list().await.contains(r#""status":"silent""#));
}
