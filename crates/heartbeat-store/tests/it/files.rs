//! Files that cannot be used say why and what to do; what is corrupt inside hurts nothing else.

use std::sync::Arc;
use std::time::Duration;

use heartbeat_domain::ids::IdSource;
use heartbeat_domain::reason::Reason;
use heartbeat_store::sqlite::{OpenOptions, SqliteStore, lock_for_serving};
use heartbeat_store::{Address, Database, StoreError};
use sqlx::ConnectOptions as _;

use crate::schema::connect;
use crate::world::{World, minute, open_file, project};

#[tokio::test]
async fn addresses_are_relative_absolute_or_refused() {
    let ids = || Arc::new(IdSource::from_seed(1));
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/a.db", directory.path().display());
    let how = heartbeat_store::OpenOptions::default();
    let address: Address = url.parse().unwrap();
    let database = Database::open(&address, ids(), how).await.unwrap();
    assert_eq!(database.store().projects().await.unwrap(), []);
    for (url, word) in [
        ("mysql://x", "sqlite://heartbeat.db"),
        ("sqlite://", "sqlite://heartbeat.db"),
        ("postgres://host:port/name", "postgres://user:password@host"),
    ] {
        let refused = url.parse::<Address>().unwrap_err();
        assert!(refused.to_string().contains(word), "{refused}");
    }
}

#[tokio::test]
async fn the_address_of_a_server_is_shown_without_its_password() {
    let url = "postgres://me:hunter2@db.example:6543/beats?sslmode=require";
    let address: Address = url.parse().unwrap();
    assert_eq!(address.to_string(), "postgres://db.example:6543/beats");
    assert!(!format!("{address:?}").contains("hunter2"));
    let nobody: Address = "postgres://me:hunter2@127.0.0.1:1/beats".parse().unwrap();
    let ids = Arc::new(IdSource::from_seed(1));
    let refused = Database::open(&nobody, ids, heartbeat_store::OpenOptions::default()).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("127.0.0.1:1/beats"), "{refused}");
    assert!(!refused.contains("hunter2"), "{refused}");
}

#[tokio::test]
async fn a_missing_file_or_directory_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nowhere").join("a.db");
    let refused = open_file(&path).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Unavailable(why) if why.contains("directory")),
        "{refused}"
    );
    let options = OpenOptions {
        create: false,
        ..OpenOptions::default()
    };
    let path = directory.path().join("a.db");
    let refused = SqliteStore::open(&path, Arc::new(IdSource::from_seed(1)), options).await;
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("there is no file")
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    std::fs::write(&path, "Dear diary, ".repeat(1_000)).unwrap();
    let refused = open_file(&path).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Corrupt(why) if why.contains("not a SQLite")),
        "{refused}"
    );
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true);
    let mut conn = options.connect().await.unwrap();
    sqlx::query("CREATE TABLE songs (id INTEGER)")
        .execute(&mut conn)
        .await
        .unwrap();
    let refused = open_file(&path).await.unwrap_err();
    assert!(refused.to_string().contains("another program"), "{refused}");
}

#[tokio::test]
async fn a_locked_file_is_said_and_hurts_only_those_who_write() {
    let w = World::sqlite().await;
    let ids = Arc::new(IdSource::from_seed(9));
    let patience = Duration::from_millis(20);
    let options = OpenOptions {
        durable: false,
        patience,
        ..OpenOptions::default()
    };
    let impatient = SqliteStore::open(&w.path, ids, options).await.unwrap();
    let mut conn = connect(&w.path).await;
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut conn)
        .await
        .unwrap();
    use heartbeat_store::verbs::Access as _;
    let other = project(&w.ids, "other");
    let refused = impatient.create_project(&other).await.unwrap_err();
    assert!(refused.to_string().contains("another process"), "{refused}");
    assert_eq!(impatient.projects().await.unwrap().len(), 1);
    sqlx::query("ROLLBACK").execute(&mut conn).await.unwrap();
    impatient.create_project(&other).await.unwrap();
    assert_eq!(
        w.store.projects().await.unwrap().len(),
        2,
        "what others write is seen at once"
    );
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_file(&directory.path().join("a.db")).await.unwrap();
    store.close().await;
    store.close().await;
    use heartbeat_store::verbs::Access as _;
    let refused = store.end_session(&[0; 32]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)));
}

#[test]
fn a_second_serve_is_refused_and_the_first_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let first = lock_for_serving(&path).unwrap();
    let refused = lock_for_serving(&path).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains(&std::process::id().to_string()),
        "{refused}"
    );
    drop(first);
    lock_for_serving(&path).unwrap();
}

#[tokio::test]
async fn a_heartbeat_that_cannot_be_read_does_not_stop_the_others() {
    let w = World::sqlite().await;
    let (zone, watch) = (w.every(30, minute(0)).await, w.every(30, minute(0)).await);
    let well = w.every(30, minute(0)).await;
    let mut conn = connect(&w.path).await;
    let spoil = "UPDATE heartbeats SET timezone = 'Mars/Olympus' WHERE id = $1";
    sqlx::query(spoil)
        .bind(zone.id.0)
        .execute(&mut conn)
        .await
        .unwrap();
    let spoil = "UPDATE heartbeats SET watch = '{' WHERE id = $1";
    sqlx::query(spoil)
        .bind(watch.id.0)
        .execute(&mut conn)
        .await
        .unwrap();
    let node = w.node(minute(0)).await;
    w.renew(node, minute(30)).await;
    let claim = w.claim_one(node, minute(30)).await;
    assert_eq!(claim.execution.heartbeat_id, Some(well.id));
    let paused = w.read(zone.id, minute(30)).await.paused.unwrap();
    assert_eq!(paused.reason, Reason::Internal);
    let read = w.store.heartbeat(w.key(watch.id), minute(30)).await;
    assert!(matches!(read, Err(StoreError::Corrupt(_))));
    assert!(w.claim(node, 9, minute(30)).await.is_empty());
}

#[cfg(feature = "testing")]
#[tokio::test]
async fn simulations_can_look_and_break() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_file(&directory.path().join("a.db")).await.unwrap();
    let broken = "INSERT INTO topics VALUES (x'ab', 'disk', NULL)".to_owned();
    assert_eq!(store.execute_unchecked(broken).await.unwrap(), 1);
    let rows = store
        .query_json("SELECT *, 7 AS n FROM topics".into())
        .await
        .unwrap();
    let row = serde_json::Value::Object(rows[0].clone());
    assert_eq!(
        row,
        serde_json::json!({"project_id": "ab", "topic": "disk", "state": null, "n": 7})
    );
}
