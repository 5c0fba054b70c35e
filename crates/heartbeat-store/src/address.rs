//! Which database an address means, and an open one of either kind.

use std::path::PathBuf;
use std::sync::Arc;

use heartbeat_domain::ids::IdSource;

use crate::bell::Bell;
use crate::postgres::{self, PostgresStore};
use crate::sealing::SealingKey;
use crate::sqlite::{self, SqliteStore};
use crate::verbs::Result;
use crate::{Store, StoreError};

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A file: `sqlite://heartbeat.db` in the current directory, `sqlite:///var/lib/heartbeat.db`.
    Sqlite(PathBuf),
    /// A database of a server: `postgres://user:password@host:5432/heartbeat`.
    Postgres(ServerUrl),
}

/// The URL of a database of a server. Shown without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl {
    whole: String,
    shown: String,
}

impl ServerUrl {
    fn of(url: &str) -> Result<Self> {
        Ok(Self {
            whole: url.to_owned(),
            shown: postgres::shown(url)?,
        })
    }
}

impl std::fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

impl std::str::FromStr for Address {
    type Err = StoreError;

    fn from_str(url: &str) -> Result<Self> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return ServerUrl::of(url).map(Self::Postgres);
        }
        match url.strip_prefix("sqlite://") {
            Some(path) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            _ => Err(StoreError::Unavailable(format!(
                "`{url}` is not the address of a database; write sqlite://heartbeat.db, or three \
                 slashes before an absolute path, or postgres://user@host/name"
            ))),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

/// How to open a database, whichever it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// If it is a file.
    pub sqlite: sqlite::OpenOptions,
    /// If it is a server's.
    pub postgres: postgres::OpenOptions,
}

/// An open database.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file.
    Sqlite(Arc<SqliteStore>),
    /// A server's.
    Postgres(Arc<PostgresStore>),
}

impl Database {
    /// Opens the database at an address.
    ///
    /// # Errors
    /// As [`SqliteStore::open`] and [`PostgresStore::open`].
    pub async fn open(address: &Address, ids: Arc<IdSource>, how: OpenOptions) -> Result<Self> {
        match address {
            Address::Sqlite(path) => {
                let store = SqliteStore::open(path, ids, how.sqlite).await?;
                Ok(Self::Sqlite(Arc::new(store)))
            }
            Address::Postgres(url) => {
                let opened = PostgresStore::open(&url.whole, ids, how.postgres).await;
                match opened.map_err(|error| about(url, error)) {
                    Ok(store) => Ok(Self::Postgres(Arc::new(store))),
                    Err(error) => Err(error),
                }
            }
        }
    }

    /// Its verbs.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as Arc<dyn Store>,
            Self::Postgres(store) => Arc::clone(store) as Arc<dyn Store>,
        }
    }

    /// The way to the other processes that work on it; none where it is a file, whose commands are
    /// seen at the next look.
    #[must_use]
    pub fn bell(&self) -> Option<Arc<dyn Bell>> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(store) => Some(store.bell()),
        }
    }

    /// Whether it has seen a sealing key, which is then the only one for it.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn has_key(&self) -> Result<bool> {
        match self {
            Self::Sqlite(store) => store.has_key().await,
            Self::Postgres(store) => store.has_key().await,
        }
    }

    /// Takes the key that seals and opens secrets from now on, and refuses every key but the first
    /// that it has ever seen.
    ///
    /// # Errors
    /// `Conflict`: what this database keeps sealed was sealed with another key.
    pub async fn unlock(&self, key: &SealingKey) -> Result<()> {
        match self {
            Self::Sqlite(store) => store.unlock(key).await,
            Self::Postgres(store) => store.unlock(key).await,
        }
    }

    /// Lets verbs that wait end, and closes it.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::Postgres(store) => store.close().await,
        }
    }
}

/// `error` with the database that it is about.
fn about(url: &ServerUrl, error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(why) => StoreError::Unavailable(format!("{url}: {why}")),
        StoreError::Corrupt(why) => StoreError::Corrupt(format!("{url}: {why}")),
        StoreError::Conflict(why) => StoreError::Conflict(format!("{url}: {why}")),
        other => other,
    }
}
