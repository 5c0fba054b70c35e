//! Brings a database up to this version. Refuses one that is not ours, or from which a newer version
//! took away what this one uses.

use sqlx::{Connection as _, PgConnection};

use super::failure::failure;
use super::rows::Cursor;
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

/// Whether our first table is there, and any other: both as of one moment, since another node may be
/// about to make them.
const TABLES: &str = "SELECT COUNT(*) FILTER (WHERE tablename = 'migrations'), COUNT(*) \
    FROM pg_catalog.pg_tables WHERE schemaname = current_schema()";
const CREATE: &str = "CREATE TABLE IF NOT EXISTS migrations (number BIGINT NOT NULL, \
    name TEXT NOT NULL, needs BIGINT, CONSTRAINT migrations_pkey PRIMARY KEY (number))";
/// Tables of versions that did not say what later ones need.
const WIDEN: &str = "ALTER TABLE migrations ADD COLUMN IF NOT EXISTS needs BIGINT";
/// Whether the table says what programs must know.
const SAYS: &str = "SELECT COUNT(*) FROM information_schema.columns \
    WHERE table_schema = current_schema() AND table_name = 'migrations' AND column_name = 'needs'";
const LOCK: &str = "LOCK TABLE migrations IN ACCESS EXCLUSIVE MODE";
/// A large table takes its time, and so may the node that these wait for; rows that verbs have locked
/// are waited for as long as ever.
const PATIENTLY: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0";
const AS_EVER: &str = "SET LOCAL lock_timeout TO DEFAULT";
const VERSION: &str = "SELECT COALESCE(MAX(number), 0) FROM migrations";
const NEEDS: &str = "SELECT MAX(needs) FROM migrations";
const RECORD: &str = "INSERT INTO migrations (number, name, needs) VALUES ($1, $2, $3)";

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
        version if version >= latest() => return Ok(()),
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
    ALL.last().map_or(0, |(number, ..)| *number)
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
async fn needs(conn: &mut PgConnection) -> Result<Option<i64>> {
    let says = sql(SAYS).fetch_one(&mut *conn).await;
    let says = says.map_err(|error| failure(&error))?;
    if Cursor::new(&says).count()? == 0 {
        return Ok(None);
    }
    let needs = sql(NEEDS).fetch_one(&mut *conn).await;
    Cursor::new(&needs.map_err(|error| failure(&error))?).take()
}

async fn apply(conn: &mut PgConnection) -> Result<()> {
    run(conn, PATIENTLY).await?;
    run(conn, LOCK).await?;
    run(conn, AS_EVER).await?;
    run(conn, WIDEN).await?;
    // Another node may have migrated between the look and the lock.
    let version = version(conn).await?;
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

async fn run(conn: &mut PgConnection, text: &'static str) -> Result<()> {
    sqlx::raw_sql(text)
        .execute(conn)
        .await
        .map(|_| ())
        .map_err(|error| failure(&error))
}
