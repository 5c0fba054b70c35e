//! Brings a database up to this version, and refuses one that is newer or not ours.

use sqlx::{Connection as _, PgConnection};

use super::failure::failure;
use super::rows::Cursor;
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

/// Whether our first table is there, and any other: both as of one moment, since another node may be
/// about to make them.
const TABLES: &str = "SELECT COUNT(*) FILTER (WHERE tablename = 'migrations'), COUNT(*) \
    FROM pg_catalog.pg_tables WHERE schemaname = current_schema()";
const CREATE: &str = "CREATE TABLE IF NOT EXISTS migrations (number BIGINT NOT NULL, \
    name TEXT NOT NULL, CONSTRAINT migrations_pkey PRIMARY KEY (number))";
const LOCK: &str = "LOCK TABLE migrations IN ACCESS EXCLUSIVE MODE";
const VERSION: &str = "SELECT COALESCE(MAX(number), 0) FROM migrations";
const RECORD: &str = "INSERT INTO migrations (number, name) VALUES ($1, $2)";

/// Applies what is missing, in one transaction. Nodes that start together wait for each other.
pub(super) async fn migrate(conn: &mut PgConnection, create: bool) -> Result<()> {
    match version(conn).await? {
        0 if !create => {
            return Err(StoreError::Unavailable(
                "there are no tables of Heartbeat in it; `heartbeat serve` or `heartbeat project \
                 create NAME` makes them"
                    .into(),
            ));
        }
        version if version == latest() => return Ok(()),
        _ => {}
    }
    // Two that make the first table at one moment: one of them is refused, and finds it then.
    if let Err(error) = run(conn, CREATE).await {
        version(conn).await.map_err(|_| error)?;
    }
    let mut tx = conn.begin().await.map_err(|error| failure(&error))?;
    apply(&mut tx).await?;
    tx.commit().await.map_err(|error| failure(&error))
}

fn latest() -> i64 {
    ALL.last().map_or(0, |(number, _, _)| *number)
}

/// The version of a database; 0 if it is empty.
async fn version(conn: &mut PgConnection) -> Result<i64> {
    let found = sql(TABLES).fetch_one(&mut *conn).await;
    let found = found.map_err(|error| failure(&error))?;
    let mut c = Cursor::new(&found);
    match (c.count()?, c.count()?) {
        (0, 0) => return Ok(0),
        (0, _) => {
            return Err(StoreError::Conflict(
                "this database holds tables of another program; name another database".into(),
            ));
        }
        _ => {}
    }
    let newest = sql(VERSION).fetch_one(&mut *conn).await;
    let version: i64 = Cursor::new(&newest.map_err(|error| failure(&error))?).take()?;
    if version > latest() {
        return Err(StoreError::Conflict(format!(
            "this database was written by a newer version of Heartbeat (schema {version}, this \
             one knows {}); upgrade the program, or restore a backup made before the upgrade",
            latest()
        )));
    }
    Ok(version)
}

async fn apply(conn: &mut PgConnection) -> Result<()> {
    run(conn, LOCK).await?;
    // Another node may have migrated between the look and the lock.
    let version = version(conn).await?;
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

async fn run(conn: &mut PgConnection, text: &'static str) -> Result<()> {
    sqlx::raw_sql(text)
        .execute(conn)
        .await
        .map(|_| ())
        .map_err(|error| failure(&error))
}
