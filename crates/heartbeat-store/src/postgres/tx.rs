//! One transaction of a verb.
//!
//! Differs: here every verb that writes has a connection and a transaction of its own, beside
//! others that write at the same time. READ COMMITTED, always: what a verb decides on it locks
//! first, and then reads as it was locked.

use std::sync::{Arc, Mutex, PoisonError};

use heartbeat_domain::ids::IdSource;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::failure::failure;
use super::receipts::Receipt;
use super::schedules::Schedules;
use crate::kill_point;
use crate::verbs::Result;

/// A statement with its arguments.
pub(super) type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// A statement of a fixed text.
pub(super) fn sql(text: &'static str) -> Statement<'static> {
    sqlx::query(text)
}

/// A text as PostgreSQL can keep it: models and tools may say a NUL, which no text here may hold.
pub(super) fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A connection while it is in a transaction. Dropped, it takes everything back.
pub(super) struct Tx {
    conn: Transaction<'static, Postgres>,
    /// Where new ids come from.
    pub(super) ids: Arc<IdSource>,
    /// Schedules by their text.
    pub(super) schedules: Arc<Schedules>,
    /// The project at which the next look around a backlog starts.
    round: Arc<Mutex<Uuid>>,
    /// To be written with the first statement.
    receipt: Option<Receipt>,
}

impl Tx {
    /// Of a connection that has begun.
    pub(super) fn new(
        conn: Transaction<'static, Postgres>,
        ids: Arc<IdSource>,
        schedules: Arc<Schedules>,
        round: Arc<Mutex<Uuid>>,
    ) -> Self {
        Self {
            conn,
            ids,
            schedules,
            round,
            receipt: None,
        }
    }

    /// Has the first statement write a receipt too.
    pub(super) fn carry(&mut self, receipt: Receipt) {
        self.receipt = Some(receipt);
    }

    /// The receipt to write with the first statement, if there is one.
    pub(super) fn take_receipt(&mut self) -> Option<Receipt> {
        self.receipt.take()
    }

    /// Makes everything as durable as the database is set up to be.
    pub(super) async fn commit(self) -> Result<()> {
        kill_point("store:before_commit");
        self.conn.commit().await.map_err(|error| failure(&error))?;
        kill_point("store:after_commit");
        Ok(())
    }

    /// Takes everything back. The server does so by itself when the connection breaks, so an error
    /// says nothing.
    pub(super) async fn roll_back(self) {
        let _ = self.conn.rollback().await;
    }

    /// Runs a statement that writes; answers how many rows it wrote.
    pub(super) async fn write(&mut self, statement: Statement<'_>) -> Result<u64> {
        let done = statement
            .execute(&mut *self.conn)
            .await
            .map_err(|error| failure(&error))?;
        Ok(done.rows_affected())
    }

    /// Reads rows, or writes and answers rows.
    pub(super) async fn rows(&mut self, statement: Statement<'_>) -> Result<Vec<PgRow>> {
        statement
            .fetch_all(&mut *self.conn)
            .await
            .map_err(|error| failure(&error))
    }

    /// Reads a row, if there is one.
    pub(super) async fn find(&mut self, statement: Statement<'_>) -> Result<Option<PgRow>> {
        statement
            .fetch_optional(&mut *self.conn)
            .await
            .map_err(|error| failure(&error))
    }

    /// The project at which the next look around a backlog starts.
    pub(super) fn round(&self) -> Uuid {
        *self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the next look starts; a look that is taken back may be skipped over.
    pub(super) fn go_on_from(&self, project: Uuid) {
        *self.round.lock().unwrap_or_else(PoisonError::into_inner) = project;
    }

    /// The connection, for queries that readers make too.
    pub(super) fn conn(&mut self) -> &mut PgConnection {
        &mut self.conn
    }
}
