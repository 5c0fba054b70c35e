//! `schema.sql` is what a fresh database gets; `HEARTBEAT_WRITE_SCHEMA=1` writes it anew.

use std::path::Path;

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::world::{open_database, open_file};

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

/// Tables with their columns and constraints, and what indexes there are beside those.
const TABLES: &str = "SELECT c.relname::TEXT, \
    COALESCE(' PARTITION BY ' || pg_get_partkeydef(c.oid), ''), string_agg(a.attname || ' ' \
    || format_type(a.atttypid, a.atttypmod) \
    || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END \
    || CASE a.attidentity WHEN 'a' THEN ' GENERATED ALWAYS AS IDENTITY' ELSE '' END, \
    E',\\n    ' ORDER BY a.attnum) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') \
    AND NOT c.relispartition \
    AND a.attnum > 0 AND NOT a.attisdropped GROUP BY c.oid, c.relname ORDER BY c.oid";
const CONSTRAINTS: &str = "SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint \
    WHERE conrelid = $1::regclass AND contype <> 'n' ORDER BY oid";
const INDEXES: &str = "SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i \
    WHERE i.indrelid = $1::regclass \
    AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid) \
    ORDER BY i.indexrelid";

/// Parts of tables: theirs is what their table has.
const PARTS: &str = "SELECT 'CREATE TABLE ' || c.relname || ' PARTITION OF ' \
    || i.inhparent::regclass::TEXT || ' ' || pg_get_expr(c.relpartbound, c.oid) \
    FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid \
    WHERE i.inhparent = $1::regclass AND c.relkind = 'r' ORDER BY c.oid";

/// The same of a database of a server.
pub(crate) async fn of_database(url: &str) -> String {
    let mut conn = PgConnection::connect(url).await.unwrap();
    let tables: Vec<(String, String, String)> =
        sqlx::query_as(TABLES).fetch_all(&mut conn).await.unwrap();
    let mut text = Vec::new();
    for (name, divided, columns) in tables {
        let mut table = format!("CREATE TABLE {name} (\n    {columns}");
        for constraint in strings(&mut conn, CONSTRAINTS, &name).await {
            table.push_str(&format!(",\n    CONSTRAINT {constraint}"));
        }
        text.push(format!("{table}\n){divided};\n"));
        for part in strings(&mut conn, PARTS, &name).await {
            text.push(format!("{part};\n"));
        }
        for index in strings(&mut conn, INDEXES, &name).await {
            text.push(format!("{};\n", index.replace(" ON public.", " ON ")));
        }
    }
    conn.close().await.unwrap();
    text.join("\n")
}

async fn strings(conn: &mut PgConnection, query: &'static str, table: &str) -> Vec<String> {
    let rows = sqlx::query_scalar(query).bind(table).fetch_all(conn).await;
    rows.unwrap()
}

#[tokio::test]
async fn the_schema_file_is_what_a_fresh_file_has() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    open_file(&path).await.unwrap().close().await;
    check(&of_file(&path).await, "/src/sqlite/schema.sql");
}

#[tokio::test]
async fn the_schema_file_is_what_a_fresh_database_of_a_server_has() {
    let url = heartbeat_testkit::postgres::cluster().database();
    open_database(&url).await.unwrap().close().await;
    check(&of_database(&url).await, "/src/postgres/schema.sql");
}

fn check(fresh: &str, file: &str) {
    let head =
        "-- What the migrations come to. Kept equal by a test; change migrations, not this.\n\n";
    let fresh = format!("{head}{fresh}");
    let file = format!("{}{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("HEARTBEAT_WRITE_SCHEMA").is_some() {
        std::fs::write(&file, &fresh).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        kept, fresh,
        "run with HEARTBEAT_WRITE_SCHEMA=1 to write it anew"
    );
}
