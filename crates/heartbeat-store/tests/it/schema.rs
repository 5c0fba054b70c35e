//! `schema.sql` is what a fresh file gets; `HEARTBEAT_WRITE_SCHEMA=1` writes it anew.

use std::path::Path;

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::world::open_file;

/// A connection beside the store's.
pub(crate) async fn connect(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path);
    SqliteConnection::connect_with(&options).await.unwrap()
}

/// The statements that made a file's tables and indexes.
pub(crate) async fn of_file(path: &Path) -> String {
    let mut conn = connect(path).await;
    let statements: Vec<(String,)> = sqlx::query_as(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' \
         ORDER BY rowid",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    conn.close().await.unwrap();
    let statements: Vec<String> = statements
        .into_iter()
        .map(|(statement,)| format!("{statement};\n"))
        .collect();
    statements.join("\n")
}

#[tokio::test]
async fn the_schema_file_is_what_a_fresh_database_has() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    open_file(&path).await.unwrap().close().await;
    let head =
        "-- What the migrations come to. Kept equal by a test; change migrations, not this.\n\n";
    let fresh = format!("{head}{}", of_file(&path).await);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sqlite/schema.sql");
    if std::env::var_os("HEARTBEAT_WRITE_SCHEMA").is_some() {
        std::fs::write(file, &fresh).unwrap();
    }
    let kept = std::fs::read_to_string(file).unwrap_or_default();
    assert_eq!(
        kept, fresh,
        "run with HEARTBEAT_WRITE_SCHEMA=1 to write it anew"
    );
}
