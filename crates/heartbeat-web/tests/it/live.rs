//! The live view: events of one's own project, until the session ends.

use axum::body::BodyDataStream;
use futures::StreamExt;
use heartbeat_domain::ids::ProjectId;
use heartbeat_engine::events::{Event, EventKind};

use crate::world::{World, get};

fn event(project_id: ProjectId, kind: EventKind) -> Event {
    Event {
        project_id,
        heartbeat_id: None,
        execution_id: None,
        kind,
    }
}

async fn next(body: &mut BodyDataStream) -> Option<String> {
    let bytes = body.next().await?.unwrap();
    Some(String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn a_visitor_sees_the_events_of_the_own_project_alone() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let other = world
        .control
        .create_project("other", "self_hosted")
        .await
        .unwrap()
        .project;
    let mut body = world
        .open(get("/live", &cookie))
        .await
        .into_body()
        .into_data_stream();
    let delta = EventKind::Delta {
        seq: 1,
        text: "line\none".into(),
    };
    world.live.announce(event(other.id, EventKind::Notice));
    world.live.announce(event(world.project.id, delta));
    let seen = next(&mut body).await.unwrap();
    assert!(
        seen.contains("event: delta") && seen.contains("line\\none"),
        "{seen}"
    );
    world.live.announce(event(
        world.project.id,
        EventKind::Ended { status: "success" },
    ));
    let seen = next(&mut body).await.unwrap();
    assert!(seen.contains("event: ended"), "{seen}");
}

#[tokio::test]
async fn the_view_ends_with_the_session() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let mut body = world
        .open(get("/live", &cookie))
        .await
        .into_body()
        .into_data_stream();
    let token = world.get("/", &cookie).await.token();
    world
        .post("/logout", &cookie, &format!("token={token}"))
        .await;
    world
        .live
        .announce(event(world.project.id, EventKind::Notice));
    assert_eq!(next(&mut body).await, None);
}
