//! Bare SQL leaves the rows that fires leave: otherwise nothing that is measured beside it counts.

#![cfg(feature = "testing")]

use std::sync::Arc;

use heartbeat_domain::execution::{Execution, Outcome};
use heartbeat_domain::heartbeat::Heartbeat;
use heartbeat_domain::ids::{ExecutionId, HeartbeatId};
use heartbeat_domain::step::Step;
use heartbeat_store::bare::{BareFire, BareSession, BareWrites};
use heartbeat_store::{postgres, sqlite};
use heartbeat_testkit::postgres::cluster;

use crate::world::{World, minute, start};

enum Bare {
    File(sqlite::Bare),
    Server(postgres::Bare),
}

impl Bare {
    async fn due(&mut self) -> Vec<BareFire> {
        match self {
            Self::File(bare) => bare.due(10, minute(30)).await,
            Self::Server(bare) => bare.due(10, minute(30)).await,
        }
        .unwrap()
    }

    async fn only_one(&mut self) -> Vec<BareFire> {
        let fires = self.due().await;
        assert_eq!(fires.len(), 1);
        fires
    }

    async fn empty(&mut self, fires: &[BareFire], writes: BareWrites) {
        match self {
            Self::File(bare) => bare.empty(fires, writes, minute(30)).await,
            Self::Server(bare) => bare.empty(fires, writes, minute(30)).await,
        }
        .unwrap();
    }

    async fn journaled(&mut self, fires: &[BareFire], writes: BareWrites) {
        let session = session();
        match self {
            Self::File(bare) => bare.journaled(fires, &session, writes, minute(30)).await,
            Self::Server(bare) => bare.journaled(fires, &session, writes, minute(30)).await,
        }
        .unwrap();
    }
}

async fn on_sqlite() -> (World, Bare) {
    let w = World::sqlite().await;
    let bare = sqlite::Bare::open(&w.path, Arc::clone(&w.ids), start()).await;
    (w, Bare::File(bare.unwrap()))
}

async fn on_postgres() -> (World, Bare) {
    let url = cluster().database();
    let w = World::postgres_at(&url).await;
    let bare = postgres::Bare::open(&url, Arc::clone(&w.ids), start()).await;
    (w, Bare::Server(bare.unwrap()))
}

fn session() -> BareSession {
    let text = |name: &str| {
        (
            name.to_owned(),
            r#"{"n":1}"#.to_owned(),
            r#"{"m":2}"#.to_owned(),
        )
    };
    BareSession {
        request: r#"{"system":"be brief"}"#.to_owned(),
        turn: text("openai/gpt-5.5"),
        call: text("nothing_to_report"),
        response: "All is well.".to_owned(),
        tokens: 930,
        micro: (5_000_000, 930_000),
    }
}

/// What is the same for fires alike.
fn alike(w: &World, mut row: Execution, mut heartbeat: Heartbeat) -> (Execution, Heartbeat) {
    row.id = ExecutionId(w.project.id.0);
    row.heartbeat_id = None;
    heartbeat.id = HeartbeatId(w.project.id.0);
    (row, heartbeat)
}

async fn left_by(w: &World, id: HeartbeatId) -> (Execution, Heartbeat) {
    let rows = w.ended().await;
    let row = rows.into_iter().find(|row| row.heartbeat_id == Some(id));
    alike(w, row.unwrap(), w.read(id, minute(31)).await)
}

async fn empty_fires_leave_the_same(w: &World, bare: &mut Bare) {
    let node = w.node(start()).await;
    let engines = w.every(30, start()).await;
    w.renew(node, minute(30)).await;
    let claim = w.claim_one(node, minute(30)).await;
    w.finish(&claim.hold, Outcome::Success, minute(30))
        .await
        .unwrap();
    let left = left_by(w, engines.id).await;
    for writes in [BareWrites::Stages, BareWrites::FinalRows] {
        let heartbeat = w.every(30, start()).await;
        let fires = bare.only_one().await;
        bare.empty(&fires, writes).await;
        assert_eq!(left_by(w, heartbeat.id).await, left, "{writes:?}");
        assert!(bare.due().await.is_empty());
    }
}

async fn steps_of(w: &World, id: HeartbeatId) -> Vec<Step> {
    let rows = w.ended().await;
    let row = rows
        .iter()
        .find(|row| row.heartbeat_id == Some(id))
        .unwrap();
    let mut steps = w.store.steps(w.project.id, row.id).await.unwrap();
    for step in &mut steps {
        step.effect_id = step
            .effect_id
            .as_ref()
            .map(|id| id.replace(&row.id.to_string(), ""));
    }
    steps
}

async fn sessions_leave_the_same(w: &World, bare: &mut Bare) {
    let by_stages = w.every(30, start()).await;
    let fires = bare.only_one().await;
    bare.journaled(&fires, BareWrites::Stages).await;
    let left = (
        left_by(w, by_stages.id).await,
        steps_of(w, by_stages.id).await,
    );
    assert_eq!(left.1.len(), 3);
    assert_eq!(left.0.0.credits_charged, 1);
    let at_once = w.every(30, start()).await;
    let fires = bare.only_one().await;
    bare.journaled(&fires, BareWrites::FinalRows).await;
    let again = (left_by(w, at_once.id).await, steps_of(w, at_once.id).await);
    assert_eq!(left, again);
}

#[tokio::test]
async fn bare_sql_leaves_what_an_empty_fire_leaves_on_sqlite() {
    let (w, mut bare) = on_sqlite().await;
    empty_fires_leave_the_same(&w, &mut bare).await;
}

#[tokio::test]
async fn bare_sql_leaves_what_an_empty_fire_leaves_on_postgres() {
    let (w, mut bare) = on_postgres().await;
    empty_fires_leave_the_same(&w, &mut bare).await;
}

#[tokio::test]
async fn bare_sql_leaves_the_same_of_a_session_by_stages_and_at_once_on_sqlite() {
    let (w, mut bare) = on_sqlite().await;
    sessions_leave_the_same(&w, &mut bare).await;
}

#[tokio::test]
async fn bare_sql_leaves_the_same_of_a_session_by_stages_and_at_once_on_postgres() {
    let (w, mut bare) = on_postgres().await;
    sessions_leave_the_same(&w, &mut bare).await;
}
