//! Brings a database file up to this version, and refuses one that is newer or not ours.

use sqlx::Row;
use sqlx::SqliteConnection;

use super::failure::failure;
use super::tx::sql;
use crate::StoreError;
use crate::verbs::Result;

macro_rules! migrations {
    ($($number:literal $name:literal),* $(,)?) => {
        /// Number, name and text of every migration, in order.
        const ALL: &[(i64, &str, &str)] = &[$((
            $number,
            $name,
            include_str!(concat!("migrations/", $name, ".sql")),
        )),*];
    };
}

migrations! {
    1 "0001_projects",
    2 "0002_keys",
    3 "0003_sign_ins",
    4 "0004_sessions",
    5 "0005_bots",
    6 "0006_nodes",
    7 "0007_heartbeats",
    8 "0008_pauses",
    9 "0009_executions",
    10 "0010_steps",
    11 "0011_budgets",
    12 "0012_rollups",
    13 "0013_notices",
    14 "0014_topics",
    15 "0015_deliveries",
    16 "0016_facts",
    17 "0017_tool_servers",
    18 "0018_ledger",
    19 "0019_budget_levels",
    20 "0020_members",
    21 "0021_credit_ledger",
    22 "0022_web_hosts",
    23 "0023_node_work",
    24 "0024_operators",
    25 "0025_receipts",
    26 "0026_switches",
}

const TABLES: &str = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table'";
const HAS_VERSIONS: &str =
    "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'migrations'";
const CREATE: &str = "CREATE TABLE migrations (number BIGINT NOT NULL, name TEXT NOT NULL, \
    CONSTRAINT migrations_pkey PRIMARY KEY (number))";
const VERSION: &str = "SELECT COALESCE(MAX(number), 0) FROM migrations";
const RECORD: &str = "INSERT INTO migrations (number, name) VALUES ($1, $2)";

/// Applies what is missing, in one transaction.
pub(super) async fn migrate(conn: &mut SqliteConnection) -> Result<()> {
    if version(conn).await? == latest() {
        return Ok(());
    }
    run(conn, "BEGIN IMMEDIATE").await?;
    let done = apply(conn).await;
    run(conn, if done.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
    done
}

fn latest() -> i64 {
    ALL.last().map_or(0, |(number, _, _)| *number)
}

/// The version of a database; 0 if it is empty.
async fn version(conn: &mut SqliteConnection) -> Result<i64> {
    if number(conn, HAS_VERSIONS).await? == 0 {
        if number(conn, TABLES).await? > 0 {
            return Err(StoreError::Conflict(
                "this file is a database of another program; name another file".into(),
            ));
        }
        return Ok(0);
    }
    let version = number(conn, VERSION).await?;
    if version > latest() {
        return Err(StoreError::Conflict(format!(
            "this database was written by a newer version of Heartbeat (schema {version}, this \
             one knows {}); upgrade the program, or restore a backup made before the upgrade",
            latest()
        )));
    }
    Ok(version)
}

async fn apply(conn: &mut SqliteConnection) -> Result<()> {
    // Another process may have migrated between the look and the lock.
    let version = version(conn).await?;
    if version == 0 {
        run(conn, CREATE).await?;
    }
    for (number, name, text) in ALL.iter().filter(|(number, _, _)| *number > version) {
        run(conn, text).await?;
        let record = sql(RECORD)
            .bind(*number)
            .bind(*name)
            .execute(&mut *conn)
            .await;
        record.map_err(|error| failure(&error))?;
    }
    Ok(())
}

async fn run(conn: &mut SqliteConnection, text: &'static str) -> Result<()> {
    sqlx::raw_sql(text)
        .execute(conn)
        .await
        .map(|_| ())
        .map_err(|error| failure(&error))
}

async fn number(conn: &mut SqliteConnection, text: &'static str) -> Result<i64> {
    let row = sql(text)
        .fetch_one(conn)
        .await
        .map_err(|error| failure(&error))?;
    row.try_get(0).map_err(|error| failure(&error))
}
