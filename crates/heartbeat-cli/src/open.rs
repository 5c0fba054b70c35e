//! Opens the database that the settings name, with the key that belongs to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use heartbeat_agent::Waiter;
use heartbeat_domain::ids::IdSource;
use heartbeat_engine::control::{Control, WatchChecks};
use heartbeat_engine::system_clock::SystemClock;
use heartbeat_store::sealing::SealingKey;
use heartbeat_store::sqlite::{OpenOptions, SqliteStore};
use heartbeat_store::{Address, Store};
use heartbeat_tools::{McpHands, Outgoing};
use tokio::sync::Notify;

use crate::config::Config;

/// An open database and what works on it.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    database: Arc<SqliteStore>,
    pub(crate) path: PathBuf,
    pub(crate) waiter: Arc<dyn Waiter>,
    pub(crate) ids: Arc<IdSource>,
    pub(crate) checks: Arc<WatchChecks>,
    /// What reaches tool servers.
    pub(crate) hands: Arc<McpHands>,
}

/// Whether a database that does not exist is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Create,
    Refuse,
}

/// Opens the database.
pub(crate) async fn open(config: &Config, missing: Missing) -> anyhow::Result<Opened> {
    let path = database_path(&config.database_url)?;
    let is_new = !path.exists();
    if is_new && missing == Missing::Refuse {
        bail!(
            "there is no database {}; `heartbeat serve` or `heartbeat project create NAME` makes one",
            path.display()
        );
    }
    let ids = Arc::new(IdSource::from_system().context("the system has no randomness")?);
    let key_file = key_file(config, &path);
    let key = sealing_key(config, (&key_file, is_new), &ids)?;
    let options = OpenOptions {
        create: missing == Missing::Create,
        ..OpenOptions::default()
    };
    let store = SqliteStore::open(&path, Arc::clone(&ids), options).await?;
    store.unlock(&key).await?;
    let outgoing = Outgoing::default();
    let checks = Arc::new(config.watch.checks(vec![path.clone(), key_file], &outgoing));
    let database = Arc::new(store);
    Ok(Opened {
        store: Arc::clone(&database) as Arc<dyn Store>,
        database,
        path,
        waiter: Arc::new(SystemClock::default()),
        ids,
        checks,
        hands: Arc::new(McpHands::new(
            outgoing,
            config.declared_servers(),
            config.mcp_processes,
        )),
    })
}

impl Opened {
    /// Ends tool servers, and closes the file, so that nothing is left for the next start to mend.
    pub(crate) async fn close(&self) {
        self.hands.close().await;
        self.database.close().await;
    }

    /// Control over it; `wake` is told when something became due.
    pub(crate) fn control(&self, config: &Config, wake: Arc<Notify>) -> Control {
        Control::new(
            Arc::clone(&self.store),
            (Arc::clone(&self.waiter), Arc::clone(&self.ids)),
            Arc::new(config.plans()),
            Arc::clone(&self.checks),
            wake,
        )
    }
}

/// The file that a `sqlite://` URL names.
pub(crate) fn database_path(url: &str) -> anyhow::Result<PathBuf> {
    let Address::Sqlite(path) = url.parse()?;
    Ok(path)
}

/// A file that stands beside the database under its name and a further ending.
pub(crate) fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn key_file(config: &Config, database: &Path) -> PathBuf {
    config
        .key_file
        .clone()
        .unwrap_or_else(|| beside(database, ".key"))
}

fn sealing_key(
    config: &Config,
    (file, is_new): (&Path, bool),
    ids: &IdSource,
) -> anyhow::Result<SealingKey> {
    if let Some(text) = &config.key {
        return Ok(SealingKey::from_text(text)?);
    }
    if !is_new && !file.exists() {
        bail!(
            "the sealing key {} is missing. Put it back, or name it with --key-file or \
             HEARTBEAT_KEY: without it, sealed secrets cannot be read",
            file.display()
        );
    }
    Ok(SealingKey::load_or_create(file, ids)?)
}
