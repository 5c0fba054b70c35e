//! What the server knows of its tables, by which it chooses how to find a row.
//!
//! It counts them by itself, about once a minute. A table that was empty when its first statements
//! were planned, a month that has just begun or a fresh installation, may be at a hundred thousand
//! rows by then, and be searched by an index that names little more than the project. So a table that
//! has grown is counted at once.

use sqlx::AssertSqlSafe;

use super::PostgresStore;
use super::failure::failure;
use super::rows::Cursor;
use super::tx::{Tx, sql};
use crate::verbs::Result;

/// Tables of at least half a megabyte that are more than eight times as large as when they were last
/// counted.
const GROWN: &str = "SELECT quote_ident(c.relname) FROM pg_catalog.pg_class c, \
    LATERAL (SELECT pg_catalog.pg_relation_size(c.oid) \
    / current_setting('block_size')::BIGINT AS pages) size \
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' \
    AND size.pages >= 64 AND size.pages > 8 * c.relpages ORDER BY c.relname";

/// Somebody else may be counting; then nobody waits.
const HURRY: &str = "SET LOCAL lock_timeout = '250ms'";

/// [`crate::verbs::Stats::take_stock`].
pub(super) async fn take_stock(store: &PostgresStore) -> Result<Vec<String>> {
    let mut grown = Vec::new();
    {
        let mut conn = store.read().await?;
        let rows = sql(GROWN).fetch_all(&mut *conn).await;
        for row in &rows.map_err(|error| failure(&error))? {
            grown.push(Cursor::new(row).take::<String>()?);
        }
    }
    for table in &grown {
        let text = format!("ANALYZE {table}");
        store
            .write(move |tx| Box::pin(count(tx, text.clone())))
            .await?;
    }
    Ok(grown)
}

async fn count(tx: &mut Tx, text: String) -> Result<()> {
    tx.write(sql(HURRY)).await?;
    let statement = sqlx::query(AssertSqlSafe(text)).persistent(false);
    tx.write(statement).await.map(drop)
}
