//! The servers of an address, and connections to the one that takes writes.
//!
//! An address may name a primary and its standbys. A connection is asked once, when it is made,
//! whether its server takes writes: a primary does not become a standby without ending its
//! connections. Only where an error casts doubt, connections are asked again before they are used.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, Postgres, Transaction};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::OpenOptions;
use super::failure::{casts_doubt, failure, only_reads};
use crate::StoreError;
use crate::verbs::Result;

/// What is set whatever the server's default is.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// How long a server may take to be connected to, or to let go, where nothing else waits for it.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a server may take to say whether it takes writes.
const ANSWER: Duration = Duration::from_secs(2);

/// A connection that was used within this time is taken to stand.
const FRESH: Duration = Duration::from_secs(1);

/// Connections to the server that takes writes.
#[derive(Debug)]
pub(super) struct Servers {
    each: Vec<PgConnectOptions>,
    writing: PgPool,
    reading: PgPool,
    doubt: Arc<Doubt>,
    /// Held by whoever looks for the primary; the others need not look too.
    looking: tokio::sync::Mutex<()>,
}

/// What errors said of the connections there are.
#[derive(Debug, Default)]
struct Doubt {
    /// How many connections are still asked before they are used.
    asks: AtomicU32,
    /// Whether the last connection that was made led to a server that only lets read.
    only_reads: AtomicBool,
}

impl Doubt {
    fn takes_one(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        let order = Ordering::AcqRel;
        self.asks
            .fetch_update(order, Ordering::Acquire, less)
            .is_ok()
    }

    fn is_cast(&self) -> bool {
        self.asks.load(Ordering::Acquire) > 0
    }
}

impl Servers {
    /// Finds the server that takes writes; answers a connection to it, for whoever makes the
    /// tables.
    pub(super) async fn open(
        each: Vec<PgConnectOptions>,
        options: OpenOptions,
    ) -> Result<(Self, PgConnection)> {
        let (primary, first) = primary_of(&each).await?;
        let writing = (options.connections / 2).max(1);
        let reading = options.connections.saturating_sub(writing).max(1);
        let doubt = Arc::<Doubt>::default();
        let servers = Self {
            writing: pool(writing, options, (&doubt, FRESH)).connect_lazy_with(primary.clone()),
            reading: pool(reading, options, (&doubt, Duration::ZERO)).connect_lazy_with(primary),
            each,
            doubt,
            looking: tokio::sync::Mutex::default(),
        };
        Ok((servers, first))
    }

    /// A connection on which a verb that writes has begun.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Postgres>> {
        let begun = self.writing.begin_with(BEGIN).await;
        self.judged(begun).await
    }

    /// A connection for a verb that reads.
    pub(super) async fn read(&self) -> Result<PoolConnection<Postgres>> {
        let acquired = self.reading.acquire().await;
        let judged = self.judged(acquired).await;
        if let Err(error) = &judged {
            self.heed(error).await;
        }
        judged
    }

    /// A connection to listen on, beside all others; a standby does not let it listen.
    pub(super) async fn listener(&self) -> sqlx::Result<PgListener> {
        let primary = (*self.reading.connect_options()).clone();
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(CONNECT)
            .connect_lazy_with(primary);
        PgListener::connect_with(&pool).await
    }

    async fn judged<T>(&self, made: sqlx::Result<T>) -> Result<T> {
        let error = match made {
            Ok(made) => return Ok(made),
            Err(error) => error,
        };
        let waited = matches!(error, sqlx::Error::PoolTimedOut);
        if waited {
            self.look_again().await;
        }
        match waited && self.doubt.only_reads.load(Ordering::Acquire) {
            true => Err(only_reads()),
            false => Err(failure(&error)),
        }
    }

    /// Takes note of how a verb failed.
    pub(super) async fn heed(&self, error: &StoreError) {
        if casts_doubt(error) {
            self.look_again().await;
        }
    }

    /// Has every connection that there is asked before it is used: it may be of no use, or lead to
    /// the wrong server by now.
    pub(super) fn doubt(&self) {
        let connections = self.writing.size() + self.reading.size();
        self.doubt.asks.store(2 * connections, Ordering::Release);
    }

    /// Doubts every connection, and looks which server takes writes now.
    async fn look_again(&self) {
        self.doubt();
        if self.each.len() < 2 {
            return;
        }
        let Ok(_alone) = self.looking.try_lock() else {
            return;
        };
        match primary_of(&self.each).await {
            Ok((primary, first)) => {
                let _ = first.close().await;
                self.writing.set_connect_options(primary.clone());
                self.reading.set_connect_options(primary);
            }
            Err(error) => tracing::warn!(%error, "No server of the database takes writes"),
        }
    }

    /// Closes all connections; one whose server is gone without a word is left to the system.
    pub(super) async fn close(&self) {
        for pool in [&self.reading, &self.writing] {
            if timeout(CONNECT, pool.close()).await.is_err() {
                tracing::warn!("A connection to the database did not end; it is left behind");
            }
        }
    }
}

fn pool(connections: u32, options: OpenOptions, doubt: (&Arc<Doubt>, Duration)) -> PgPoolOptions {
    let ((made, used, left), fresh) = (thrice(doubt.0), doubt.1);
    PgPoolOptions::new()
        .max_connections(connections)
        .min_connections(0)
        .acquire_timeout(options.patience)
        .test_before_acquire(false)
        .after_connect(move |conn, _| {
            let doubt = Arc::clone(&made);
            Box::pin(async move { led_to_primary(conn, &doubt).await })
        })
        .before_acquire(move |conn, meta| {
            let is_doubtful = used.takes_one() || meta.idle_for >= fresh;
            Box::pin(async move {
                match is_doubtful {
                    true => takes_writes(conn).await,
                    false => Ok(true),
                }
            })
        })
        .after_release(move |conn, _| {
            // A verb that was given up leaves a rollback behind. Where the server no longer answers,
            // that must not keep the connection.
            let is_doubtful = conn.should_flush() || left.is_cast();
            Box::pin(async move {
                if is_doubtful {
                    timeout(ANSWER, conn.ping()).await.unwrap_or_else(silent)?;
                }
                Ok(true)
            })
        })
}

fn thrice(doubt: &Arc<Doubt>) -> (Arc<Doubt>, Arc<Doubt>, Arc<Doubt>) {
    (Arc::clone(doubt), Arc::clone(doubt), Arc::clone(doubt))
}

/// The server that takes writes, and a connection to it. Servers are asked all at once: one that is
/// gone may take long to say so.
async fn primary_of(each: &[PgConnectOptions]) -> Result<(PgConnectOptions, PgConnection)> {
    let mut asked = JoinSet::new();
    for options in each {
        asked.spawn(ask(options.clone()));
    }
    let mut refusals = Vec::new();
    while let Some(answer) = asked.join_next().await {
        match answer {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(refusal)) => refusals.push(refusal),
            Err(error) => refusals.push(StoreError::Unavailable(error.to_string())),
        }
    }
    match refusals.pop() {
        Some(only) if refusals.is_empty() => Err(only),
        last => {
            refusals.extend(last);
            let each: Vec<String> = refusals.iter().map(ToString::to_string).collect();
            let why = format!("none of its servers takes writes ({})", each.join("; "));
            Err(StoreError::Unavailable(why))
        }
    }
}

async fn ask(options: PgConnectOptions) -> Result<(PgConnectOptions, PgConnection)> {
    let mut conn = match timeout(CONNECT, options.connect()).await {
        Ok(made) => made.map_err(|error| failure(&error))?,
        Err(_) => return Err(StoreError::Unavailable("a server does not answer".into())),
    };
    match takes_writes(&mut conn).await {
        Ok(true) => Ok((options, conn)),
        Ok(false) => Err(only_reads()),
        Err(error) => Err(failure(&error)),
    }
}

async fn led_to_primary(conn: &mut PgConnection, doubt: &Doubt) -> sqlx::Result<()> {
    let takes_writes = takes_writes(conn).await?;
    doubt.only_reads.store(!takes_writes, Ordering::Release);
    match takes_writes {
        true => Ok(()),
        false => Err(sqlx::Error::Protocol("the server only lets read".into())),
    }
}

async fn takes_writes(conn: &mut PgConnection) -> sqlx::Result<bool> {
    let asked = sqlx::query_scalar("SELECT pg_is_in_recovery()").fetch_one(conn);
    let recovering: bool = timeout(ANSWER, asked).await.unwrap_or_else(silent)?;
    Ok(!recovering)
}

fn silent<T>(_: tokio::time::error::Elapsed) -> sqlx::Result<T> {
    Err(sqlx::Error::Protocol("the server did not answer".into()))
}
