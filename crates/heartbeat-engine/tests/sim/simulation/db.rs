//! A look into the database, past every verb.

use std::sync::Arc;

use heartbeat_store::sqlite::SqliteStore;
use jiff::Timestamp;
use serde_json::{Map, Value};

/// The database.
#[derive(Clone)]
pub(crate) struct Db {
    /// The store that owns it.
    pub(crate) store: Arc<SqliteStore>,
}

/// A row of an answer.
pub(crate) struct Row(Map<String, Value>);

impl Db {
    /// Rows of a query.
    pub(crate) async fn rows(&self, sql: impl Into<String>) -> Vec<Row> {
        let rows = self.store.query_json(sql.into()).await;
        let rows = rows.expect("the simulation's queries are right");
        rows.into_iter().map(Row).collect()
    }

    /// The first row of a query.
    pub(crate) async fn row(&self, sql: impl Into<String>) -> Option<Row> {
        self.rows(sql).await.into_iter().next()
    }

    /// Runs any statement.
    pub(crate) async fn execute(&self, sql: impl Into<String>) {
        let done = self.store.execute_unchecked(sql.into()).await;
        done.expect("the simulation's statements are right");
    }
}

impl Row {
    /// A number, if there is one.
    pub(crate) fn find(&self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(Value::as_i64)
    }

    /// A number; 0 where there is none.
    pub(crate) fn number(&self, name: &str) -> i64 {
        self.find(name).unwrap_or(0)
    }

    /// A count; 0 where there is none.
    pub(crate) fn count(&self, name: &str) -> u64 {
        u64::try_from(self.number(name)).unwrap_or(0)
    }

    /// A text; empty where there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A moment, if there is one.
    pub(crate) fn moment(&self, name: &str) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.find(name)?).ok()
    }

    /// A typed id, if there is one.
    pub(crate) fn id<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name).parse().ok()
    }
}

/// An id as SQL writes it.
pub(crate) fn blob(id: impl std::fmt::Display) -> String {
    format!("x'{}'", id.to_string().replace('-', ""))
}
