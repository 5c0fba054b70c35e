//! Which database an address means.

use std::path::PathBuf;
use std::sync::Arc;

use heartbeat_domain::ids::IdSource;

use crate::sqlite::{OpenOptions, SqliteStore};
use crate::verbs::Result;
use crate::{Store, StoreError};

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A file: `sqlite://heartbeat.db` in the current directory, `sqlite:///var/lib/heartbeat.db`.
    Sqlite(PathBuf),
}

impl std::str::FromStr for Address {
    type Err = StoreError;

    fn from_str(url: &str) -> Result<Self> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let what = "PostgreSQL support is not built yet; use sqlite://heartbeat.db";
            return Err(StoreError::Unavailable(what.into()));
        }
        match url.strip_prefix("sqlite://") {
            Some(path) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            _ => Err(StoreError::Unavailable(format!(
                "`{url}` is not the address of a database; write sqlite://heartbeat.db, or three \
                 slashes before an absolute path"
            ))),
        }
    }
}

/// Opens the database at an address.
///
/// # Errors
/// As [`SqliteStore::open`], or the address is not one.
pub async fn open(url: &str, ids: Arc<IdSource>, options: OpenOptions) -> Result<Arc<dyn Store>> {
    match url.parse()? {
        Address::Sqlite(path) => Ok(Arc::new(SqliteStore::open(&path, ids, options).await?)),
    }
}
