//! A server that is gone without a word: connections neither answer nor end.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use heartbeat_domain::bot::Project;
use heartbeat_domain::ids::IdSource;
use heartbeat_store::StoreError;
use heartbeat_store::postgres::{OpenOptions, PostgresStore};
use heartbeat_store::verbs::Access as _;
use heartbeat_testkit::losing_way::LosingWay;
use heartbeat_testkit::postgres::cluster;

use crate::world::project;

/// More verbs than there are connections.
const VERBS: usize = 7;

/// Several times what one verb may take with the limits below.
const PATIENCE: Duration = Duration::from_secs(60);

async fn create(store: &PostgresStore, projects: &[Project]) -> Vec<Result<Project, StoreError>> {
    let verbs = join_all(projects.iter().map(|project| store.create_project(project)));
    let answers = tokio::time::timeout(PATIENCE, verbs).await;
    answers.expect("nobody waits for good")
}

#[tokio::test]
async fn a_server_that_falls_silent_keeps_nobody_and_no_connection_for_good() {
    let (way, url) = LosingWay::to(&cluster().database()).await;
    let ids = Arc::new(IdSource::from_seed(3));
    let limits = OpenOptions {
        connections: 4,
        patience: Duration::from_secs(1),
        statement_timeout: Duration::from_secs(1),
        ..OpenOptions::default()
    };
    let store = PostgresStore::open(&url, Arc::clone(&ids), limits)
        .await
        .unwrap();
    let names = (0..VERBS).map(|number| project(&ids, &format!("project {number}")));
    let projects: Vec<Project> = names.collect();
    assert!(
        create(&store, &projects[..2])
            .await
            .iter()
            .all(Result::is_ok)
    );

    way.fall_silent();
    for answer in create(&store, &projects).await {
        assert!(
            matches!(answer, Err(StoreError::Unavailable(_))),
            "{answer:?}"
        );
    }
    let read = tokio::time::timeout(PATIENCE, store.projects()).await;
    let read = read.expect("nobody waits for good");
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");

    way.speak_again();
    let again = async { while !create(&store, &projects).await.iter().all(Result::is_ok) {} };
    tokio::time::timeout(PATIENCE, again)
        .await
        .expect("new connections are made");
    assert_eq!(store.projects().await.unwrap().len(), VERBS);
    tokio::time::timeout(PATIENCE, store.close())
        .await
        .expect("it closes");
}
