//! SQLite: one file, one writer, many readers.
//!
//! Ids are 16-byte blobs, half as long as their text in every key and index; PostgreSQL has `uuid`
//! for the same. Times are whole milliseconds. Nothing is cached that another process could change.

mod access;
#[cfg(feature = "testing")]
mod bare;
mod batch;
mod bots;
mod budgets;
mod claims;
mod credits;
mod due;
mod endings;
mod executions;
mod failure;
mod fires;
mod heartbeats;
mod journal;
mod migrations;
mod nodes;
mod outbox;
mod progress;
mod records;
mod rollups;
mod sealing;
mod serving;
mod settling;
mod standing;
mod stats;
mod steps;
#[cfg(feature = "testing")]
mod testing;
mod tool_servers;
mod tx;
mod usage;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use heartbeat_domain::ids::IdSource;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Sqlite, SqliteConnection};

#[cfg(feature = "testing")]
pub use self::bare::Bare;
use self::failure::failure;
pub use self::serving::{ServeLock, announced_at, lock_for_serving};
use self::tx::Tx;
use self::writer::{Queue, Work};
use crate::progress::{About, Progress};
use crate::sealing::Vault;
use crate::verbs::Result;
use crate::{StoreError, limits, rows, schedules};

/// How to open a database file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// Make the file if there is none.
    pub create: bool,
    /// Flush every commit to the disk; given up only by simulations.
    pub durable: bool,
    /// How long to wait for another process that writes.
    pub patience: Duration,
    /// How many verbs may read at once.
    pub readers: u32,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            create: true,
            durable: true,
            patience: Duration::from_secs(10),
            readers: 4,
        }
    }
}

/// A database file.
#[derive(Debug)]
pub struct SqliteStore {
    queue: Queue,
    readers: SqlitePool,
    /// For values that are random but no ids.
    ids: Arc<IdSource>,
    /// Seals and opens secrets.
    vault: Vault,
}

impl SqliteStore {
    /// Opens a file, brings its schema up to date and checks that it can be written.
    ///
    /// # Errors
    /// Each with what to do: the file is missing, read-only, damaged, not a database, another
    /// program's, locked by another process, or written by a newer version.
    pub async fn open(path: &Path, ids: Arc<IdSource>, options: OpenOptions) -> Result<Self> {
        if !options.create && !path.exists() {
            let what = format!("there is no file {}", path.display());
            return Err(StoreError::Unavailable(what));
        }
        let mut conn = connect(path, options)
            .await
            .map_err(|error| about(path, error))?;
        if let Err(error) = prepare(&mut conn).await {
            return Err(about(path, error));
        }
        let readers = SqlitePoolOptions::new()
            .max_connections(options.readers)
            .min_connections(0)
            // A file does not go away as a server does: a ping would double what a read costs.
            .test_before_acquire(false)
            .connect_lazy_with(connect_options(path, options).read_only(true));
        let tx = Tx::new(conn, Arc::clone(&ids), Arc::default());
        Ok(Self {
            queue: writer::start(tx),
            readers,
            ids,
            vault: Vault::default(),
        })
    }

    /// Lets verbs that wait end, and closes the file. The writer goes last: only the last
    /// connection brings everything into the one file, and one that reads may not.
    pub async fn close(&self) {
        self.readers.close().await;
        self.queue.stop().await;
    }

    /// Runs a verb that writes; answers once it is durable.
    async fn write<T, F>(&self, work: F) -> Result<T>
    where
        F: for<'c> FnOnce(&'c mut Tx) -> Work<'c, T> + Send + 'static,
        T: Send + 'static,
    {
        self.queue.run(work).await
    }

    /// Runs a verb of the journal; answers once it is durable.
    async fn go_on<T, F>(&self, about: About, work: F) -> Result<T>
    where
        F: Fn(&mut Progress) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.queue.go_on(about, work).await
    }

    /// A connection for a verb that reads.
    async fn read(&self) -> Result<PoolConnection<Sqlite>> {
        self.readers
            .acquire()
            .await
            .map_err(|error| failure(&error))
    }
}

fn connect_options(path: &Path, options: OpenOptions) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(options.patience)
        .statement_cache_capacity(256)
        // Rows come from the driver's thread; a short queue would switch threads for each few.
        .row_buffer_size(2_048)
        .pragma("cache_size", "-8192")
        .pragma("temp_store", "memory")
        .disable_statement_logging()
}

async fn connect(path: &Path, options: OpenOptions) -> Result<SqliteConnection> {
    let durability = if options.durable {
        SqliteSynchronous::Full
    } else {
        SqliteSynchronous::Off
    };
    let options = connect_options(path, options)
        .create_if_missing(options.create)
        // Fires touch pages all over the file: what is still in memory, or written once for many
        // commits, is not read or written again for each.
        .pragma("cache_size", "-65536")
        .pragma("wal_autocheckpoint", "16384")
        .journal_mode(SqliteJournalMode::Wal)
        .foreign_keys(true)
        .synchronous(durability);
    options.connect().await.map_err(|error| failure(&error))
}

/// Checks that the file can be written, and migrates it.
async fn prepare(conn: &mut SqliteConnection) -> Result<()> {
    // On a read-only file BEGIN IMMEDIATE alone begins a transaction that reads.
    let probe = sqlx::raw_sql("BEGIN IMMEDIATE; PRAGMA user_version = 0; ROLLBACK")
        .execute(&mut *conn)
        .await;
    probe.map_err(|error| failure(&error))?;
    migrations::migrate(conn).await
}

/// `error` with the file that it is about.
fn about(path: &Path, error: StoreError) -> StoreError {
    let path = path.display();
    match error {
        StoreError::Unavailable(why) => StoreError::Unavailable(format!("{path}: {why}")),
        StoreError::Corrupt(why) => StoreError::Corrupt(format!("{path}: {why}")),
        StoreError::Conflict(why) => StoreError::Conflict(format!("{path}: {why}")),
        other => other,
    }
}
