//! Migrations are paired with their files and applied once.

use heartbeat_store::StoreError;
use sqlx::Connection as _;

use crate::world::{open_database, open_file};

#[tokio::test]
async fn opening_again_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let first = open_file(&path).await.unwrap();
    first.close().await;
    let before = crate::schema::of_file(&path).await;
    open_file(&path).await.unwrap().close().await;
    assert_eq!(crate::schema::of_file(&path).await, before);
}

#[tokio::test]
async fn every_file_of_the_folder_is_applied_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    open_file(&path).await.unwrap().close().await;
    let mut conn = crate::schema::connect(&path).await;
    let applied: Vec<(i64, String)> =
        sqlx::query_as("SELECT number, name FROM migrations ORDER BY number")
            .fetch_all(&mut conn)
            .await
            .unwrap();
    check(&applied, "sqlite");
}

#[tokio::test]
async fn every_file_of_the_other_folder_is_applied_in_order_by_nodes_that_start_together() {
    let url = heartbeat_testkit::postgres::cluster().database();
    let opened = futures::future::join_all((0..4).map(|_| open_database(&url))).await;
    for store in opened {
        store.unwrap().close().await;
    }
    let mut conn = sqlx::PgConnection::connect(&url).await.unwrap();
    let applied: Vec<(i64, String)> =
        sqlx::query_as("SELECT number, name FROM migrations ORDER BY number")
            .fetch_all(&mut conn)
            .await
            .unwrap();
    check(&applied, "postgres");
}

#[tokio::test]
async fn a_database_of_a_server_that_needs_a_newer_program_or_is_anothers_is_refused() {
    let cluster = heartbeat_testkit::postgres::cluster();
    let url = cluster.database();
    open_database(&url).await.unwrap().close().await;
    let mut conn = sqlx::PgConnection::connect(&url).await.unwrap();
    let newer = "INSERT INTO migrations (number, name, needs) VALUES (9999, '9999_future', 9998)";
    sqlx::query(newer).execute(&mut conn).await.unwrap();
    let refused = open_database(&url).await.unwrap_err();
    for said in ["upgrade the program", "schema 9999", "know schema 9998"] {
        assert!(refused.to_string().contains(said), "{refused}");
    }
    let url = cluster.database();
    let mut conn = sqlx::PgConnection::connect(&url).await.unwrap();
    let songs = "CREATE TABLE songs (id BIGINT)";
    sqlx::query(songs).execute(&mut conn).await.unwrap();
    let refused = open_database(&url).await.unwrap_err();
    assert!(refused.to_string().contains("another program"), "{refused}");
    let refused = open_database(&cluster.address("nowhere"))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("createdb"), "{refused}");
}

fn check(applied: &[(i64, String)], database: &str) {
    let folder = format!("{}/src/{database}/migrations", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            file.unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    files.sort();
    let names: Vec<&str> = applied.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, files);
    for (number, name) in applied {
        assert!(name.starts_with(&format!("{number:04}_")), "{name}");
    }
}

#[tokio::test]
async fn a_newer_schema_that_took_something_away_is_refused_and_says_to_upgrade() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    open_file(&path).await.unwrap().close().await;
    let mut conn = crate::schema::connect(&path).await;
    let newer = "INSERT INTO migrations (number, name, needs) VALUES (9999, '9999_future', 9998)";
    sqlx::query(newer).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    let refused = open_file(&path).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict(_)));
    assert!(
        refused.to_string().contains("upgrade the program"),
        "{refused}"
    );
}
