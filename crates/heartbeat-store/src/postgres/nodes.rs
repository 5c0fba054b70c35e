//! Nodes and their leases.

use heartbeat_domain::claim::{LEASE, Node, NodeWork, Renewal};
use heartbeat_domain::ids::NodeId;
use jiff::{SignedDuration, Timestamp};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::failure::failure;
use super::receipts::with_receipt;
use super::rows::{Cursor, ms, opt_ms};
use super::tx::{Statement, Tx, sql};
use crate::StoreError;
use crate::error::Thing;
use crate::verbs::Result;

/// What is read of a node.
macro_rules! columns {
    () => {
        "id, name, version, started_at, awake_since, lease_until, ended_at, \
         slots, busy, draining, clock_offset_ms"
    };
}

const INSERT: &str = "INSERT INTO nodes (id, name, started_at, awake_since, lease_until, ended_at, \
    version, slots, busy, draining, clock_offset_ms) \
    VALUES ($1, $2, $3, $4, $5, NULL, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING";

const OPEN: &str = concat!("SELECT ", columns!(), " FROM nodes WHERE ended_at IS NULL");

const ONE: &str = concat!("SELECT ", columns!(), " FROM nodes WHERE id = $1");

/// A node that no other is about to bury, as long as this transaction lasts.
const STAY: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM nodes WHERE id = $1 AND ended_at IS NULL FOR SHARE"
);

/// The same, with the receipt of the verb that begins with it.
const STAY_ONCE: &str = concat!(
    with_receipt!("$2", "$3"),
    "SELECT ",
    columns!(),
    " FROM nodes WHERE id = $1 AND ended_at IS NULL FOR SHARE"
);

/// A node to bury, unless it is at work or another buries it.
const TO_BURY: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM nodes WHERE id = $1 AND ended_at IS NULL FOR UPDATE SKIP LOCKED"
);

const LATELY: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM nodes WHERE ended_at IS NULL OR ended_at >= $1 ORDER BY started_at DESC, id DESC"
);

const RENEW: &str = "UPDATE nodes SET lease_until = $2, awake_since = $3, \
    slots = $4, busy = $5, draining = $6, clock_offset_ms = $7 \
    WHERE id = $1 AND ended_at IS NULL";

const END: &str = "UPDATE nodes SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL";

/// What a dead node held comes before what is newer, because it has waited since it was written.
const LET_GO: &str = "UPDATE executions SET holder = NULL, claimable_at = created_at \
    WHERE holder = $1";

/// What is due when the first node wakes is released over 60 s in order of due time.
const SPREAD: &str = "WITH due AS (SELECT project_id, id, \
    (ROW_NUMBER() OVER (ORDER BY claimable_at, id) - 1) * 60000 / COUNT(*) OVER () AS delay \
    FROM heartbeats WHERE claimable_at <= $1) \
    UPDATE heartbeats SET claimable_at = $1 + due.delay FROM due \
    WHERE heartbeats.project_id = due.project_id AND heartbeats.id = due.id \
    AND heartbeats.claimable_at <= $1";

/// The one statement that asks what time it is: nodes measure by it how far their clocks are off.
const CLOCK: &str = "SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::BIGINT";

/// What the server's clock shows.
pub(super) async fn clock(conn: &mut PgConnection) -> Result<Timestamp> {
    let row = sql(CLOCK).fetch_one(conn).await;
    Cursor::new(&row.map_err(|error| failure(&error))?).time()
}

fn node(row: &PgRow) -> Result<Node> {
    let mut c = Cursor::new(row);
    Ok(Node {
        id: NodeId(c.take()?),
        name: c.take()?,
        version: c.take()?,
        started_at: c.time()?,
        awake_since: c.time()?,
        lease_until: c.time()?,
        ended_at: c.find_time()?,
        work: NodeWork {
            slots: c.small()?,
            busy: c.small()?,
            is_draining: c.take()?,
            clock_offset: c.take::<Option<i64>>()?.map(SignedDuration::from_millis),
        },
    })
}

/// Nodes that nobody has found dead.
pub(super) async fn open(tx: &mut Tx) -> Result<Vec<Node>> {
    tx.rows(sql(OPEN)).await?.iter().map(node).collect()
}

/// Since when somebody has been awake; `now` where nobody is.
pub(super) async fn awake_since(tx: &mut Tx, now: Timestamp) -> Result<Timestamp> {
    let nodes = open(tx).await?;
    let live = nodes.iter().filter(|node| node.is_live(now));
    Ok(live.map(|node| node.awake_since).min().unwrap_or(now))
}

/// Keeps a node from being found dead before the end of this transaction: who takes over what it
/// holds must see what it takes now. `Fenced` if it is dead already.
pub(super) async fn stay(tx: &mut Tx, id: NodeId, now: Timestamp) -> Result<()> {
    let statement = match tx.take_receipt() {
        Some(receipt) => receipt.bind(sql(STAY_ONCE).bind(id.0)),
        None => sql(STAY).bind(id.0),
    };
    let found = tx.find(statement).await?;
    let locked = found.as_ref().map(node).transpose()?;
    match locked.is_some_and(|node| node.is_live(now)) {
        true => Ok(()),
        false => Err(StoreError::Fenced),
    }
}

/// Ends nodes whose lease has passed; answers those that are live.
pub(super) async fn bury(tx: &mut Tx, now: Timestamp) -> Result<Vec<Node>> {
    let (live, dead): (Vec<Node>, Vec<Node>) = open(tx)
        .await?
        .into_iter()
        .partition(|node| node.is_live(now));
    for node in dead {
        let found = tx.find(sql(TO_BURY).bind(node.id.0)).await?;
        let locked = found.as_ref().map(self::node).transpose()?;
        if locked.is_some_and(|node| !node.is_live(now)) {
            end(tx, node.id, now).await?;
        }
    }
    Ok(live)
}

/// Ends a node; what it held may be taken.
pub(super) async fn end(tx: &mut Tx, id: NodeId, now: Timestamp) -> Result<()> {
    if tx.write(sql(END).bind(id.0).bind(ms(now))).await? > 0 {
        tx.write(sql(LET_GO).bind(id.0)).await?;
    }
    Ok(())
}

/// Binds what a node says of itself.
fn work(statement: Statement<'_>, work: NodeWork) -> Statement<'_> {
    let offset = work
        .clock_offset
        .map(|by| i64::try_from(by.as_millis()).unwrap_or(0));
    statement
        .bind(i64::from(work.slots))
        .bind(i64::from(work.busy))
        .bind(work.is_draining)
        .bind(offset)
}

pub(super) async fn register(tx: &mut Tx, node: Node, now: Timestamp) -> Result<()> {
    let others = bury(tx, now).await?;
    let statement = sql(INSERT)
        .bind(node.id.0)
        .bind(node.name)
        .bind(ms(node.started_at))
        .bind(ms(node.awake_since))
        .bind(ms(now + LEASE))
        .bind(node.version);
    let statement = work(statement, node.work);
    let is_new = tx.write(statement).await? > 0;
    if is_new && others.is_empty() {
        tx.write(sql(SPREAD).bind(ms(now))).await?;
    }
    Ok(())
}

pub(super) async fn renew(tx: &mut Tx, renewal: Renewal, now: Timestamp) -> Result<()> {
    let id = renewal.node_id;
    let statement = sql(RENEW)
        .bind(id.0)
        .bind(ms(now + LEASE))
        .bind(ms(renewal.awake_since));
    if tx.write(work(statement, renewal.work)).await? > 0 {
        return Ok(());
    }
    match tx.find(sql(ONE).bind(id.0)).await? {
        Some(_) => Err(StoreError::Fenced),
        None => Err(StoreError::NotFound(Thing::Node)),
    }
}

pub(super) async fn end_by_itself(tx: &mut Tx, id: NodeId, now: Timestamp) -> Result<()> {
    if tx.find(sql(ONE).bind(id.0)).await?.is_none() {
        return Err(StoreError::NotFound(Thing::Node));
    }
    end(tx, id, now).await
}

pub(super) async fn lately(conn: &mut PgConnection, now: Timestamp) -> Result<Vec<Node>> {
    let day_ago = now.checked_sub(SignedDuration::from_hours(24)).ok();
    let rows = sql(LATELY).bind(opt_ms(day_ago)).fetch_all(conn).await;
    rows.map_err(|error| failure(&error))?
        .iter()
        .map(node)
        .collect()
}
