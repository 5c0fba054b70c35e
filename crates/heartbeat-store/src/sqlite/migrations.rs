//! Brings a database file up to this version. Refuses one that is not ours, or from which a newer
//! version took away what this one uses.

use sqlx::Row;
use sqlx::SqliteConnection;

use super::failure::failure;
use super::tx::sql;
use crate::StoreError;
use crate::upgrades::Asks::Nothing;
use crate::upgrades::{Migration, Schema, admit};
use crate::verbs::Result;

macro_rules! migrations {
    ($($number:literal $name:literal $asks:expr),* $(,)?) => {
        /// Every migration, in order.
        const ALL: &[Migration] = &[$((
            $number,
            $name,
            $asks,
            include_str!(concat!("migrations/", $name, ".sql")),
        )),*];
    };
}

migrations! {
    1 "0001_projects" Nothing,
    2 "0002_keys" Nothing,
    3 "0003_sign_ins" Nothing,
    4 "0004_sessions" Nothing,
    5 "0005_bots" Nothing,
    6 "0006_nodes" Nothing,
    7 "0007_heartbeats" Nothing,
    8 "0008_pauses" Nothing,
    9 "0009_executions" Nothing,
    10 "0010_steps" Nothing,
    11 "0011_budgets" Nothing,
    12 "0012_rollups" Nothing,
    13 "0013_notices" Nothing,
    14 "0014_topics" Nothing,
    15 "0015_deliveries" Nothing,
    16 "0016_facts" Nothing,
    17 "0017_tool_servers" Nothing,
    18 "0018_ledger" Nothing,
    19 "0019_budget_levels" Nothing,
    20 "0020_members" Nothing,
    21 "0021_credit_ledger" Nothing,
    22 "0022_web_hosts" Nothing,
    23 "0023_node_work" Nothing,
    24 "0024_operators" Nothing,
    25 "0025_receipts" Nothing,
    26 "0026_switches" Nothing,
    27 "0027_history_by_month" Nothing,
}

const TABLES: &str = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table'";
const HAS_VERSIONS: &str =
    "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'migrations'";
const CREATE: &str = "CREATE TABLE migrations (number BIGINT NOT NULL, name TEXT NOT NULL, \
    needs BIGINT, CONSTRAINT migrations_pkey PRIMARY KEY (number))";
/// A table of a version that did not say what later ones need.
const WIDEN: &str = "ALTER TABLE migrations ADD COLUMN needs BIGINT";
/// Whether the table says what programs must know.
const SAYS: &str = "SELECT COUNT(*) FROM pragma_table_info('migrations') WHERE name = 'needs'";
const VERSION: &str = "SELECT COALESCE(MAX(number), 0) FROM migrations";
const NEEDS: &str = "SELECT MAX(needs) FROM migrations";
const RECORD: &str = "INSERT INTO migrations (number, name, needs) VALUES ($1, $2, $3)";

/// Applies what is missing, in one transaction.
pub(super) async fn migrate(conn: &mut SqliteConnection) -> Result<()> {
    if version(conn).await? >= latest() {
        return Ok(());
    }
    run(conn, "BEGIN IMMEDIATE").await?;
    let done = apply(conn).await;
    run(conn, if done.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
    done
}

fn latest() -> i64 {
    ALL.last().map_or(0, |(number, ..)| *number)
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
        let schema = Schema {
            newest: version,
            needs: needs(conn).await?,
        };
        admit(schema, latest())?;
    }
    Ok(version)
}

/// The oldest schema that a program must know. A table that does not say so is of a program that
/// knew of no other.
async fn needs(conn: &mut SqliteConnection) -> Result<Option<i64>> {
    if number(conn, SAYS).await? == 0 {
        return Ok(None);
    }
    let row = sql(NEEDS).fetch_one(conn).await;
    let row = row.map_err(|error| failure(&error))?;
    row.try_get(0).map_err(|error| failure(&error))
}

async fn apply(conn: &mut SqliteConnection) -> Result<()> {
    // Another process may have migrated between the look and the lock.
    let version = version(conn).await?;
    if version == 0 {
        run(conn, CREATE).await?;
    }
    if number(conn, SAYS).await? == 0 {
        run(conn, WIDEN).await?;
    }
    for (number, name, asks, text) in ALL.iter().filter(|(number, ..)| *number > version) {
        run(conn, text).await?;
        let record = sql(RECORD)
            .bind(*number)
            .bind(*name)
            .bind(asks.needs())
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
