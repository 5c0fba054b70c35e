//! PostgreSQL 15 and later: any number of equal nodes on one database.
//!
//! A verb that writes is a transaction of its own, which locks what it decides on: agents and
//! projects before heartbeats, heartbeats before executions, executions before budgets. What the
//! server gives up because two of them met is tried again. Nothing is cached that another node
//! could change, and nothing is learned from a notification that a look would not find.

mod access;
#[cfg(feature = "testing")]
mod bare;
mod batch;
mod bell;
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
mod history;
mod journal;
mod migrations;
mod nodes;
mod outbox;
mod progress;
mod receipts;
mod records;
mod rollups;
mod sealing;
mod servers;
mod settling;
mod standing;
mod statistics;
mod stats;
mod steps;
#[cfg(feature = "testing")]
mod testing;
mod tool_servers;
mod tx;
mod url;
mod usage;
mod writer;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use heartbeat_domain::ids::IdSource;
use sqlx::Postgres;
use sqlx::pool::PoolConnection;

#[cfg(feature = "testing")]
pub use self::bare::Bare;
use self::bell::PostgresBell;
use self::failure::failure;
use self::receipts::Receipts;
use self::servers::Servers;
use self::tx::Tx;
pub(crate) use self::url::shown;
use self::writer::{Queue, Work};
use crate::bell::Bell;
use crate::progress::{About, Progress};
use crate::sealing::Vault;
use crate::verbs::Result;
use crate::{limits, rows, schedules};

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
    /// After so long a silence of the other processes it is looked whether they would be heard.
    pub quiet: Duration,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            create: true,
            connections: 20,
            patience: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
            quiet: Duration::from_secs(20),
        }
    }
}

/// A database of a server.
#[derive(Debug)]
pub struct PostgresStore {
    writers: Arc<Writers>,
    /// Seals and opens secrets.
    vault: Vault,
    /// The way of verbs of the journal.
    steps: Queue,
    /// The way of ends of executions.
    ends: Queue,
    /// The way to the other processes, once somebody has asked for it.
    bell: OnceLock<Arc<PostgresBell>>,
    options: OpenOptions,
}

/// What verbs that write work with.
#[derive(Debug)]
struct Writers {
    servers: Servers,
    /// Of verbs that have no key of their own.
    receipts: Receipts,
    /// How long one try at a verb may take.
    answer_within: Duration,
    /// Where new ids come from.
    ids: Arc<IdSource>,
    /// Schedules by their text.
    schedules: Arc<schedules::Schedules>,
    /// The project at which the next look around a backlog starts.
    round: Arc<Mutex<uuid::Uuid>>,
}

impl PostgresStore {
    /// Connects to the server that takes writes, and brings the schema up to date.
    ///
    /// # Errors
    /// Each with what to do: the address is wrong, the server is not there, refuses the user or only
    /// lets read, the database does not exist, is another program's or was written by a newer
    /// version.
    pub async fn open(url: &str, ids: Arc<IdSource>, options: OpenOptions) -> Result<Self> {
        let each = url::connect_options(url, options)?;
        let (servers, mut first) = Servers::open(each, options).await?;
        migrations::migrate(&mut first, options.create).await?;
        sqlx::Connection::close(first)
            .await
            .map_err(|error| failure(&error))?;
        let writers = Arc::new(Writers {
            servers,
            receipts: Receipts::default(),
            answer_within: options.statement_timeout + options.patience,
            ids,
            schedules: Arc::default(),
            round: Arc::default(),
        });
        Ok(Self {
            steps: writer::start(Arc::clone(&writers)),
            ends: writer::start(Arc::clone(&writers)),
            vault: Vault::default(),
            bell: OnceLock::new(),
            options,
            writers,
        })
    }

    /// The way to tell other processes on this database something.
    #[must_use]
    pub fn bell(&self) -> Arc<dyn Bell> {
        let start = || PostgresBell::start(&self.writers, self.options);
        Arc::clone(self.bell.get_or_init(start)) as Arc<dyn Bell>
    }

    /// Lets verbs that wait end, and closes all connections.
    pub async fn close(&self) {
        if let Some(bell) = self.bell.get() {
            bell.close().await;
        }
        self.steps.stop().await;
        self.ends.stop().await;
        self.writers.servers.close().await;
    }

    /// Runs a verb that writes; answers once it is durable.
    async fn write<T, F>(&self, work: F) -> Result<T>
    where
        F: for<'c> Fn(&'c mut Tx) -> Work<'c, T> + Send + Sync,
        T: Send,
    {
        self.writers.write(work).await
    }

    /// The same for a verb that has no key of its own: it happens once, whatever answer is lost.
    async fn write_once<T, F>(&self, work: F) -> Result<T>
    where
        F: for<'c> Fn(&'c mut Tx) -> Work<'c, T> + Send + Sync,
        T: Clone + Send + Sync + 'static,
    {
        self.writers.write_once(work).await
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
        self.writers.servers.read().await
    }
}
