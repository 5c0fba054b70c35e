//! Nodes, claims, triggers, ends.

use heartbeat_domain::execution::{Outcome, Phase, Status, Trigger};

use crate::world::{World, minute};

pub(crate) async fn a_due_heartbeat_is_claimed_started_finished_and_claimed_again(w: &World) {
    let heartbeat = w.every(30, minute(0)).await;
    let node = w.node(minute(0)).await;
    assert!(w.claim(node, 10, minute(0)).await.is_empty());
    assert_eq!(w.store.next_claimable_at(minute(0)).await.unwrap(), Some(minute(30)));
    w.renew(node, minute(30)).await;
    let claim = w.claim_one(node, minute(30)).await;
    assert_eq!(claim.execution.due_at, minute(30));
    assert_eq!(claim.execution.trigger, Trigger::Schedule);
    assert_eq!((claim.hold.fence, claim.taken_over, claim.missed), (1, false, None));
    assert!(w.claim(node, 10, minute(30)).await.is_empty());
    w.store.start(&claim.hold, minute(31)).await.unwrap();
    let settled = w.finish(&claim.hold, Outcome::Success, minute(32)).await.unwrap();
    assert_eq!(settled.execution.phase, Phase::Ended);
    let heartbeat = w.read(heartbeat.id, minute(32)).await;
    assert_eq!(heartbeat.next.unwrap().at, minute(60));
    assert_eq!(heartbeat.claimable_at, Some(minute(60)));
    assert_eq!((heartbeat.open, heartbeat.execution_count), (None, 1));
    let rows = w.ended().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0], settled.execution);
    assert_eq!(rows[0].status, Some(Status::Success));
    w.renew(node, minute(60)).await;
    assert_eq!(w.claim_one(node, minute(60)).await.execution.due_at, minute(60));
}
