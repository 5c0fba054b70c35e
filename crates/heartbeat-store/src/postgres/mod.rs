//! PostgreSQL 15 and later: any number of equal nodes on one database.
//!
//! A verb that writes is a transaction of its own, which locks what it decides on: agents and
//! projects before heartbeats, heartbeats before executions, executions before budgets. What the
//! server gives up because two of them met is tried again. Nothing is cached that another node
//! could change, and nothing is learned from a notification that a look would not find.

mod access;
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
mod standing;
mod stats;
mod steps;
#[cfg(feature = "testing")]
mod testing;
mod tool_servers;
mod tx;
mod usage;
mod writer;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use heartbeat_domain::ids::IdSource;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Postgres};

use self::failure::failure;
use self::tx::Tx;
use self::writer::{Queue, Work};
use crate::progress::{About, Progress};
use crate::sealing::Vault;
use crate::verbs::Result;
use crate::{StoreError, limits, rows, schedules};

/// How to use a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// Make the tables if there are none.
    pub create: bool,
    /// How many connections this process may have, for verbs that write and verbs that read
    /// together.
    pub connections: u32,
    /// How long to wait for a connection.
    pub patience: Duration,
    /// How long the server lets one statement run.
    pub statement_timeout: Duration,
    /// How long the server lets a statement wait for rows that others have locked.
    pub lock_timeout: Duration,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            create: true,
            connections: 20,
            patience: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
        }
    }
}

/// A database of a server.
#[derive(Debug)]
pub struct PostgresStore {
    writers: Arc<Writers>,
    readers: PgPool,
    /// Seals and opens secrets.
    vault: Vault,
    /// The way of verbs of the journal.
    steps: Queue,
    /// The way of ends of executions.
    ends: Queue,
}

/// What verbs that write work with.
#[derive(Debug)]
struct Writers {
    pool: PgPool,
    /// Where new ids come from.
    ids: Arc<IdSource>,
    /// Schedules by their text.
    schedules: Arc<schedules::Schedules>,
    /// The project at which the next look around a backlog starts.
    round: Arc<Mutex<uuid::Uuid>>,
}

impl PostgresStore {
    /// Connects, and brings the schema up to date.
    ///
    /// # Errors
    /// Each with what to do: the address is wrong, the server is not there or refuses the user, the
    /// database does not exist, is another program's or was written by a newer version.
    pub async fn open(url: &str, ids: Arc<IdSource>, options: OpenOptions) -> Result<Self> {
        let connect = connect_options(url, options)?;
        let mut first = connect.connect().await.map_err(|error| failure(&error))?;
        migrations::migrate(&mut first, options.create).await?;
        sqlx::Connection::close(first)
            .await
            .map_err(|error| failure(&error))?;
        let writing = (options.connections / 2).max(1);
        let reading = options.connections.saturating_sub(writing).max(1);
        let writers = Arc::new(Writers {
            pool: pool(writing, options).connect_lazy_with(connect.clone()),
            ids,
            schedules: Arc::default(),
            round: Arc::default(),
        });
        Ok(Self {
            readers: pool(reading, options).connect_lazy_with(connect),
            steps: writer::start(Arc::clone(&writers)),
            ends: writer::start(Arc::clone(&writers)),
            vault: Vault::default(),
            writers,
        })
    }

    /// Lets verbs that wait end, and closes all connections.
    pub async fn close(&self) {
        self.steps.stop().await;
        self.ends.stop().await;
        self.readers.close().await;
        self.writers.pool.close().await;
    }

    /// Runs a verb that writes; answers once it is durable.
    async fn write<T, F>(&self, work: F) -> Result<T>
    where
        F: for<'c> Fn(&'c mut Tx) -> Work<'c, T> + Send + Sync,
        T: Send,
    {
        self.writers.write(work).await
    }

    /// Runs a verb of the journal; answers once it is durable.
    async fn go_on<T, F>(&self, about: About, work: F) -> Result<T>
    where
        F: Fn(&mut Progress) -> Result<T> + Send + Sync + 'static,
        T: Send + Sync + 'static,
    {
        self.steps.go_on(about, work).await
    }

    /// A connection for a verb that reads.
    async fn read(&self) -> Result<PoolConnection<Postgres>> {
        self.readers
            .acquire()
            .await
            .map_err(|error| failure(&error))
    }
}

fn pool(connections: u32, options: OpenOptions) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .min_connections(0)
        .acquire_timeout(options.patience)
        .before_acquire(|conn, _| Box::pin(takes_writes(conn)))
}

/// Whether a connection is still the primary's. One that is not is closed, and the next one is made
/// to wherever the address leads by then.
async fn takes_writes(conn: &mut sqlx::PgConnection) -> std::result::Result<bool, sqlx::Error> {
    let recovering: bool = sqlx::query_scalar("SELECT pg_is_in_recovery()")
        .fetch_one(conn)
        .await?;
    Ok(!recovering)
}

/// A URL without its password and parameters.
pub(crate) fn shown(url: &str) -> Result<String> {
    let parsed: PgConnectOptions = url.parse().map_err(|error: sqlx::Error| {
        StoreError::Unavailable(format!(
            "this is not the address of a PostgreSQL database ({error}); write \
             postgres://user:password@host:5432/name"
        ))
    })?;
    let place = match parsed.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", parsed.get_host(), parsed.get_port()),
    };
    let name = parsed.get_database().unwrap_or(parsed.get_username());
    Ok(format!("postgres://{place}/{name}"))
}

fn connect_options(url: &str, options: OpenOptions) -> Result<PgConnectOptions> {
    let parsed: PgConnectOptions = url.parse().map_err(|error: sqlx::Error| failure(&error))?;
    let limit = |limit: Duration| format!("{}ms", limit.as_millis());
    let limits = [
        ("statement_timeout", limit(options.statement_timeout)),
        ("lock_timeout", limit(options.lock_timeout)),
        // A node that was frozen in a transaction must not hold what it locked.
        (
            "idle_in_transaction_session_timeout",
            limit(options.lock_timeout),
        ),
    ];
    let named = parsed.get_application_name().is_some();
    let parsed = parsed
        .options(limits)
        .statement_cache_capacity(256)
        .disable_statement_logging();
    Ok(match named {
        true => parsed,
        false => parsed.application_name("heartbeat"),
    })
}
