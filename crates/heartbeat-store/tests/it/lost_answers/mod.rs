//! Every case of the conformance once more, on a way that loses the answer of every verb that
//! writes: what is asked again finds the first write, gives the first answer and has one effect.
//!
//! In each case the first two answers of each verb. With `HEARTBEAT_LOST_ANSWERS=1000` all of them,
//! and all cases again until so many answers were lost.

mod repeating;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{FutureExt as _, StreamExt as _};
use heartbeat_domain::execution::Outcome;
use heartbeat_store::verbs::{Channel, ClaimAsk};
use heartbeat_store::{Store, StoreError};
use heartbeat_testkit::losing_way::LosingWay;
use heartbeat_testkit::postgres::cluster;

use self::repeating::{Repeating, Tally};
use crate::groups::{self, Case};
use crate::world::{World, minute, notice};

/// Cases at work at once.
const AT_ONCE: usize = 4;

/// Runs every case on a way of its own that loses answers; answers those that failed.
async fn failed_cases(tally: &Tally, most: u64) -> Vec<&'static str> {
    let run = async |(name, case): (&'static str, Case)| {
        let (way, url) = LosingWay::to(&cluster().database()).await;
        let tally = Arc::clone(tally);
        let between = |store| {
            Arc::new(Repeating {
                store,
                way,
                tally,
                most,
                lost: Mutex::default(),
            }) as Arc<dyn Store>
        };
        let world = World::postgres_through(&url, between).await;
        let end = AssertUnwindSafe(case(&world)).catch_unwind().await;
        end.is_err().then_some(name)
    };
    let ends = futures::stream::iter(groups::all()).map(run);
    let ends: Vec<_> = ends.buffer_unordered(AT_ONCE).collect().await;
    ends.into_iter().flatten().collect()
}

#[tokio::test]
async fn what_is_asked_again_after_a_lost_answer_gives_the_first_and_has_one_effect() {
    let (wanted, most) = match std::env::var("HEARTBEAT_LOST_ANSWERS") {
        Ok(text) => (text.parse().expect("a number of answers"), u64::MAX),
        Err(_) => (1, 2),
    };
    let tally = Tally::default();
    let lost = || -> u64 {
        let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.values().map(|(_, lost)| lost).sum()
    };
    while lost() < wanted {
        let failed = failed_cases(&tally, most).await;
        assert!(failed.is_empty(), "these do not hold: {failed:#?}");
    }
    println!("{} answers lost", lost());
    let tally = tally.lock().unwrap();
    for (verb, (asked, lost)) in tally.iter() {
        println!("{verb}: {lost} of {asked} lost");
    }
    let never: Vec<_> = repeating::verbs()
        .filter(|verb| tally.get(verb).is_none_or(|(_, lost)| *lost == 0))
        .collect();
    assert!(never.is_empty(), "no answer of these was lost: {never:?}");
}

/// A claim has no key of its own: whoever did not see its answer asks what it holds.
#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_found_again_and_leaves_one_row() {
    let (way, url) = LosingWay::to(&cluster().database()).await;
    let w = World::postgres_at(&url).await;
    let heartbeat = w.every(30, minute(0)).await;
    let node = w.node(minute(30)).await;
    let ask = ClaimAsk {
        node_id: node,
        want: 10,
    };
    way.lose_next();
    let claimed = w.store.claim_due(ask, minute(30)).await;
    assert!(
        matches!(claimed, Err(StoreError::Unavailable(_))),
        "{claimed:?}"
    );
    assert_eq!(way.lost(), 1);
    assert!(w.claim(node, 10, minute(30)).await.is_empty(), "it is held");
    let held = w.store.held_by(node).await.unwrap();
    let [hold] = held.as_slice() else {
        panic!("one is held: {held:?}")
    };
    w.store.release(hold, minute(30)).await.unwrap();
    let claim = w.claim_one(node, minute(30)).await;
    assert_eq!(claim.hold.execution_id, hold.execution_id);
    w.finish(&claim.hold, Outcome::Success, minute(31))
        .await
        .unwrap();
    let rows = w.ended().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].heartbeat_id, Some(heartbeat.id));
}

/// Deliveries that were taken without anybody knowing come again once their time has passed.
#[tokio::test]
async fn deliveries_whose_taking_was_not_answered_come_again() {
    let (way, url) = LosingWay::to(&cluster().database()).await;
    let w = World::postgres_at(&url).await;
    let draft = notice("Disk", None);
    let told = w
        .store
        .tell(w.project.id, &draft, &[Channel::Webhook], minute(0));
    assert!(told.await.unwrap());
    way.lose_next();
    let lost = w.store.due_deliveries(10, minute(1), minute(0)).await;
    assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
    assert!(
        w.store
            .due_deliveries(10, minute(1), minute(0))
            .await
            .unwrap()
            .is_empty()
    );
    let again = w
        .store
        .due_deliveries(10, minute(2), minute(1))
        .await
        .unwrap();
    assert_eq!(again.len(), 1, "under the same id, and once");
}
