//! Every case of the conformance once more, on a way that loses the answer of every verb that
//! writes: what is asked again finds the first write, gives the first answer and has one effect.
//!
//! In each case the first two answers of each verb. With `HEARTBEAT_LOST_ANSWERS=1000` all of them,
//! and all cases again until so many answers were lost.

mod repeating;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{FutureExt as _, StreamExt as _};
use heartbeat_domain::claim::Claim;
use heartbeat_domain::execution::Outcome;
use heartbeat_domain::ids::NodeId;
use heartbeat_store::verbs::{Attempt, Channel, ClaimAsk};
use heartbeat_store::{Store, StoreError};
use heartbeat_testkit::losing_way::LosingWay;
use heartbeat_testkit::postgres::cluster;
use sqlx::{Connection as _, PgConnection};

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

/// What the server remembers of verbs that were answered: nothing for long.
async fn receipts(url: &str) -> i64 {
    let mut conn = PgConnection::connect(url).await.unwrap();
    let count = sqlx::query_scalar("SELECT COUNT(*) FROM receipts");
    count.fetch_one(&mut conn).await.unwrap()
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_answered_as_it_was_made() {
    let server = cluster().database();
    let (way, url) = LosingWay::to(&server).await;
    let w = World::postgres_at(&url).await;
    let heartbeat = w.every(30, minute(0)).await;
    w.every(45, minute(0)).await;
    let node = w.node(minute(30)).await;
    way.lose_next();
    let claim = w.claim_one(node, minute(30)).await;
    assert_eq!(way.lost(), 1);
    assert_eq!(claim.execution.heartbeat_id, Some(heartbeat.id));
    let held = w.store.held_by(node).await.unwrap();
    assert_eq!(
        held,
        [claim.hold],
        "it is held once, and by who was answered"
    );
    assert!(
        w.claim(node, 10, minute(30)).await.is_empty(),
        "it is taken"
    );
    w.finish(&claim.hold, Outcome::Success, minute(31))
        .await
        .unwrap();
    let rows = w.ended().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].heartbeat_id, Some(heartbeat.id));

    // A look that finds nothing, too.
    w.renew(node, minute(31)).await;
    way.lose_next();
    assert!(w.claim(node, 10, minute(31)).await.is_empty());
    assert_eq!(way.lost(), 2);
    assert!(w.claim(node, 10, minute(31)).await.is_empty());
    assert!(
        receipts(&server).await <= 2,
        "each claim clears up after others"
    );
}

/// What comes of a claim whose answer was lost, with something in between.
async fn claim_around(
    between: impl AsyncFnOnce(&World, NodeId),
) -> (World, NodeId, Result<Vec<Claim>, StoreError>) {
    let server = cluster().database();
    let (way, url) = LosingWay::to(&server).await;
    let asking = World::postgres_at(&url).await;
    let other = asking.beside(&server).await;
    asking.every(30, minute(0)).await;
    let node = asking.node(minute(30)).await;
    let ask = ClaimAsk {
        node_id: node,
        want: 10,
    };
    way.lose_next_and_close();
    let claims = asking.store.claim_due(ask, minute(30));
    let between = async {
        way.closed().await;
        between(&other, node).await;
        way.open();
    };
    let (claims, ()) = tokio::join!(claims, between);
    assert_eq!(way.lost(), 1);
    (other, node, claims)
}

#[tokio::test]
async fn a_claim_that_another_node_took_over_before_it_was_asked_again_is_not_answered() {
    let take_over = async |w: &World, node: NodeId| {
        w.store.end_node(node, minute(30)).await.unwrap();
        let other = w.node(minute(30)).await;
        assert_eq!(w.claim(other, 10, minute(30)).await.len(), 1);
    };
    let (_, _, claims) = claim_around(take_over).await;
    assert_eq!(claims, Err(StoreError::Fenced));
}

#[tokio::test]
async fn what_of_a_claim_was_given_back_before_it_was_asked_again_is_not_answered() {
    let give_back = async |w: &World, node: NodeId| {
        let held = w.store.held_by(node).await.unwrap();
        assert_eq!(held.len(), 1, "the first asking took it");
        w.store.release(&held[0], minute(30)).await.unwrap();
    };
    let (w, node, claims) = claim_around(give_back).await;
    assert_eq!(claims, Ok(Vec::new()));
    let claim = w.claim_one(node, minute(30)).await;
    assert_eq!(claim.hold.fence, 2);
    // Nothing in between: the first answer.
    let (w, node, claims) = claim_around(async |_, _| {}).await;
    let holds: Vec<_> = claims.unwrap().iter().map(|claim| claim.hold).collect();
    assert_eq!(holds, w.store.held_by(node).await.unwrap());
    assert_eq!(holds.len(), 1);
}

#[tokio::test]
async fn deliveries_whose_taking_was_not_answered_are_answered_once() {
    let server = cluster().database();
    let (way, url) = LosingWay::to(&server).await;
    let w = World::postgres_at(&url).await;
    for title in ["Disk", "Memory"] {
        let draft = notice(title, None);
        let told = w
            .store
            .tell(w.project.id, &draft, &[Channel::Webhook], minute(0));
        assert!(told.await.unwrap());
    }
    let take = |until: i64| w.store.due_deliveries(10, minute(until), minute(until - 1));
    way.lose_next();
    let taken = take(1).await.unwrap();
    assert_eq!(way.lost(), 1);
    assert_eq!(taken.len(), 2, "as if nothing had been lost");
    let held = w.store.due_deliveries(10, minute(1), minute(0)).await;
    assert_eq!(held, Ok(Vec::new()), "and nobody else has them");

    // One of them is recorded by hand before the taking is asked again: it does not come back.
    way.lose_next_and_close();
    let other = w.beside(&server).await;
    let record = async {
        way.closed().await;
        let done = other
            .store
            .record_attempt(&taken[0], &Attempt::Delivered, minute(1));
        done.await.unwrap();
        way.open();
    };
    let (again, ()) = tokio::join!(take(2), record);
    let left: Vec<_> = again.unwrap().iter().map(|one| one.id).collect();
    assert_eq!(left, [taken[1].id]);
    assert_eq!(way.lost(), 2);
}
