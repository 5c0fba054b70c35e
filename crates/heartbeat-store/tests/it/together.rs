//! What only a server brings: many nodes at once, connections that break, texts that it cannot keep.

use futures::future::join_all;
use heartbeat_domain::execution::{Ending, Outcome, Status};
use heartbeat_domain::heartbeat::Patch;
use heartbeat_domain::ids::NodeId;
use heartbeat_store::verbs::{LogFilter, Page, Reach};
use sqlx::Connection as _;

use crate::world::{World, minute, second};

const HEARTBEATS: usize = 40;
const ROUNDS: i64 = 4;

/// Claims and ends until nothing is due any more; answers how many it ended.
async fn work(w: &World, node: NodeId, now: jiff::Timestamp) -> usize {
    let mut ended = 0;
    loop {
        let claims = w.claim(node, 7, now).await;
        if claims.is_empty() && w.store.next_claimable_at(now).await.unwrap() > Some(now) {
            return ended;
        }
        ended += claims.len();
        let ends = claims
            .iter()
            .map(|claim| w.finish(&claim.hold, Outcome::Success, now));
        for settled in join_all(ends).await {
            settled.unwrap();
        }
    }
}

#[tokio::test]
async fn nodes_that_claim_and_end_together_leave_one_row_for_each_moment() {
    let w = World::postgres().await;
    for _ in 0..HEARTBEATS {
        w.every(1, minute(0)).await;
    }
    let nodes = [
        w.node(minute(0)).await,
        w.node(minute(0)).await,
        w.node(minute(0)).await,
    ];
    for round in 1..=ROUNDS {
        let now = minute(round);
        for node in nodes {
            w.renew(node, now).await;
        }
        let ended = join_all(nodes.map(|node| work(&w, node, now))).await;
        assert_eq!(ended.iter().sum::<usize>(), HEARTBEATS, "{ended:?}");
    }
    let page = |number| Page { number, size: 100 };
    let mut rows = Vec::new();
    for number in 1..=2 {
        let logs = w
            .store
            .logs(w.project.id, &LogFilter::default(), page(number))
            .await
            .unwrap();
        assert_eq!(logs.total, 160);
        rows.extend(logs.rows);
    }
    let mut fires: Vec<_> = rows
        .iter()
        .map(|row| (row.heartbeat_id, row.due_at))
        .collect();
    fires.sort();
    fires.dedup();
    assert_eq!(fires.len(), 160);
    assert!(rows.iter().all(|row| row.status == Some(Status::Success)));
    let stats = w.store.stats(w.project.id, w.bot.id, 1, minute(5)).await;
    assert_eq!(stats.unwrap().all.success, 160, "no count was lost");
}

#[tokio::test]
async fn people_who_pause_and_edit_while_nodes_work_hurt_nobody() {
    let w = World::postgres().await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(w.every(1, minute(0)).await.id);
    }
    let nodes = [w.node(minute(0)).await, w.node(minute(0)).await];
    for round in 1..=6 {
        let now = minute(round);
        for node in nodes {
            w.renew(node, now).await;
        }
        let people = async {
            w.store.pause(Reach::All, 99, now).await.unwrap();
            for id in &ids {
                w.edit(*id, |change| change.label = Patch::Set("new".into()), now)
                    .await;
            }
            let reach = Reach::Project(w.project.id);
            w.store.resume(reach, 99, now).await.unwrap();
        };
        let working = join_all(nodes.map(|node| work(&w, node, now)));
        tokio::join!(working, people);
    }
    let rows = w.ended().await;
    let mut fires: Vec<_> = rows
        .iter()
        .map(|row| (row.heartbeat_id, row.due_at))
        .collect();
    let all = fires.len();
    fires.sort();
    fires.dedup();
    assert_eq!(fires.len(), all, "no moment has two rows");
    for id in ids {
        let heartbeat = w.read(id, minute(6)).await;
        assert_eq!(heartbeat.open, None, "nothing is left open");
        assert!(heartbeat.paused.is_none() && heartbeat.claimable_at.is_some());
    }
}

#[tokio::test]
async fn verbs_go_on_where_the_server_ended_their_connections() {
    let url = heartbeat_testkit::postgres::cluster().database();
    let w = World::postgres_at(&url).await;
    let heartbeat = w.every(30, minute(0)).await;
    let node = w.node(minute(0)).await;
    let mut other = sqlx::PgConnection::connect(&url).await.unwrap();
    for round in 0..3 {
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let ended: i64 = sqlx::query_scalar(end).fetch_one(&mut other).await.unwrap();
        assert!(ended > 0, "there were connections to end");
        let now = second(round);
        w.renew(node, now).await;
        w.read(heartbeat.id, now).await;
        assert!(w.claim(node, 1, now).await.is_empty());
    }
}

#[tokio::test]
async fn a_text_with_a_nul_is_kept_with_a_mark_in_its_place() {
    let w = World::postgres().await;
    let heartbeat = w.every(30, minute(0)).await;
    let node = w.node(minute(0)).await;
    w.trigger(heartbeat.id, second(1)).await.unwrap();
    let claim = w.claim_one(node, second(1)).await;
    let mut ending = Ending::plain(Outcome::Success);
    ending.response = "a\0b".into();
    w.store
        .finish(&claim.hold, &ending, &[], second(2))
        .await
        .unwrap();
    assert_eq!(w.ended().await[0].response, "a\u{fffd}b");
}

#[tokio::test]
async fn what_somebody_else_changes_meanwhile_is_not_claimed_as_it_was() {
    let url = heartbeat_testkit::postgres::cluster().database();
    let w = World::postgres_at(&url).await;
    let heartbeat = w.every(30, minute(0)).await;
    let node = w.node(minute(0)).await;
    w.renew(node, minute(30)).await;
    let mut other = sqlx::PgConnection::connect(&url).await.unwrap();
    let mut change = other.begin().await.unwrap();
    let moved = "UPDATE heartbeats SET claimable_at = $2 WHERE id = $1";
    sqlx::query(moved)
        .bind(heartbeat.id.0)
        .bind(minute(45).as_millisecond())
        .execute(&mut *change)
        .await
        .unwrap();
    assert!(
        w.claim(node, 1, minute(30)).await.is_empty(),
        "a row that another changes is stepped over"
    );
    change.commit().await.unwrap();
    assert!(w.claim(node, 1, minute(30)).await.is_empty());
    w.renew(node, minute(45)).await;
    let claim = w.claim_one(node, minute(45)).await;
    assert_eq!(claim.execution.due_at, minute(30));
}
