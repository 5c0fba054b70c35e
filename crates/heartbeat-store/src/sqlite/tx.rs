//! One transaction of the writer, and the verbs that share it.
//!
//! Each verb that writes does so behind a savepoint of its own, so a verb that fails takes back
//! only what it wrote itself.

use std::sync::Arc;

use futures::StreamExt as _;
use heartbeat_domain::ids::IdSource;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Sqlite, SqliteConnection};
use uuid::Uuid;

use super::failure::failure;
use super::schedules::Schedules;
use crate::kill_point;
use crate::verbs::Result;

/// A statement with its arguments.
pub(super) type Statement<'q> = Query<'q, Sqlite, SqliteArguments>;

/// A statement of a fixed text.
pub(super) fn sql(text: &'static str) -> Statement<'static> {
    sqlx::query(text)
}

/// Rows that are taken from the driver at once.
const GATHERED_MAX: usize = 1_024;

/// The writing connection while it is in a transaction.
pub(super) struct Tx {
    /// The only connection of this process that writes.
    conn: SqliteConnection,
    /// Where new ids come from.
    pub(super) ids: Arc<IdSource>,
    /// Schedules by their text.
    pub(super) schedules: Arc<Schedules>,
    /// The project at which the next look around a backlog starts.
    pub(super) round: Uuid,
    /// Whether several verbs share this transaction.
    shared: bool,
    guard: Guard,
}

/// The savepoint of the verbs of one transaction, of which at most one is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    /// There is none.
    None,
    /// An earlier verb's; it has ended well.
    Former,
    /// The present verb's.
    Own,
}

impl Tx {
    /// Of a connection that is in no transaction.
    pub(super) fn new(
        conn: SqliteConnection,
        ids: Arc<IdSource>,
        schedules: Arc<Schedules>,
    ) -> Self {
        Self {
            conn,
            ids,
            schedules,
            round: Uuid::nil(),
            shared: false,
            guard: Guard::None,
        }
    }

    /// Begins; waits for other processes as long as the busy timeout says.
    pub(super) async fn begin(&mut self, shared: bool) -> Result<()> {
        self.shared = shared;
        self.guard = Guard::None;
        self.plain("BEGIN IMMEDIATE").await
    }

    /// Makes everything durable.
    pub(super) async fn commit(&mut self) -> Result<()> {
        kill_point("store:before_commit");
        self.plain("COMMIT").await?;
        kill_point("store:after_commit");
        Ok(())
    }

    /// Takes everything back. SQLite may have done so by itself, so an error says nothing.
    pub(super) async fn roll_back(&mut self) {
        let _ = self.plain("ROLLBACK").await;
    }

    /// Ends a verb that went well.
    pub(super) fn keep(&mut self) {
        if self.guard == Guard::Own {
            self.guard = Guard::Former;
        }
    }

    /// Ends a verb that failed: takes back what it wrote.
    pub(super) async fn take_back(&mut self) -> Result<()> {
        if self.guard != Guard::Own {
            return Ok(());
        }
        self.guard = Guard::None;
        if self.shared {
            return self.plain("ROLLBACK TO verb; RELEASE verb").await;
        }
        self.plain("ROLLBACK").await?;
        self.plain("BEGIN IMMEDIATE").await
    }

    /// Runs a statement that writes; answers how many rows it wrote.
    pub(super) async fn write(&mut self, statement: Statement<'_>) -> Result<u64> {
        self.guard().await?;
        let done = statement
            .execute(&mut self.conn)
            .await
            .map_err(|error| failure(&error))?;
        Ok(done.rows_affected())
    }

    /// Runs the only statement that a verb writes with: it fails whole, so it needs no savepoint.
    pub(super) async fn write_alone(&mut self, statement: Statement<'_>) -> Result<u64> {
        let done = statement.execute(&mut self.conn).await;
        Ok(done.map_err(|error| failure(&error))?.rows_affected())
    }

    /// Runs a statement that writes and answers rows.
    pub(super) async fn write_rows(&mut self, statement: Statement<'_>) -> Result<Vec<SqliteRow>> {
        self.guard().await?;
        self.rows(statement).await
    }

    /// Reads rows. The driver's thread hands them over one by one, and whoever waits for each is
    /// woken for each; here some gather while other tasks run.
    pub(super) async fn rows(&mut self, statement: Statement<'_>) -> Result<Vec<SqliteRow>> {
        let mut rows = Vec::new();
        let mut gathered = statement.fetch(&mut self.conn).ready_chunks(GATHERED_MAX);
        while let Some(some) = gathered.next().await {
            for row in some {
                rows.push(row.map_err(|error| failure(&error))?);
            }
            tokio::task::yield_now().await;
        }
        Ok(rows)
    }

    /// Reads a row, if there is one.
    pub(super) async fn find(&mut self, statement: Statement<'_>) -> Result<Option<SqliteRow>> {
        statement
            .fetch_optional(&mut self.conn)
            .await
            .map_err(|error| failure(&error))
    }

    /// The connection, for queries that readers make too.
    pub(super) fn conn(&mut self) -> &mut SqliteConnection {
        &mut self.conn
    }

    /// The connection, once there are no more verbs.
    pub(super) fn into_conn(self) -> SqliteConnection {
        self.conn
    }

    async fn guard(&mut self) -> Result<()> {
        let former = std::mem::replace(&mut self.guard, Guard::Own);
        match former {
            Guard::Own => Ok(()),
            _ if !self.shared => Ok(()),
            Guard::None => self.plain("SAVEPOINT verb").await,
            Guard::Former => self.plain("RELEASE verb; SAVEPOINT verb").await,
        }
    }

    async fn plain(&mut self, statement: &'static str) -> Result<()> {
        sql(statement)
            .execute(&mut self.conn)
            .await
            .map_err(|error| failure(&error))?;
        Ok(())
    }
}
