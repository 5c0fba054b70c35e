//! Opens the database that the settings name, with the key that belongs to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use heartbeat_agent::Waiter;
use heartbeat_domain::ids::IdSource;
use heartbeat_engine::clock_offset;
use heartbeat_engine::control::{Control, WatchChecks};
use heartbeat_engine::neighbours::Neighbours;
use heartbeat_engine::system_clock::SystemClock;
use heartbeat_engine::wake::Wake;
use heartbeat_store::sealing::SealingKey;
use heartbeat_store::{Address, Database, OpenOptions, Store};
use heartbeat_tools::{Hands, McpHands, Outgoing, WebFetch};
use tokio::sync::Notify;

use crate::config::Config;

/// An open database and what works on it.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    database: Database,
    pub(crate) address: Address,
    /// The other nodes of it.
    pub(crate) neighbours: Neighbours,
    pub(crate) clock: Arc<SystemClock>,
    pub(crate) waiter: Arc<dyn Waiter>,
    pub(crate) ids: Arc<IdSource>,
    pub(crate) checks: Arc<WatchChecks>,
    /// What reaches tool servers.
    pub(crate) hands: Arc<McpHands>,
    /// What fetches pages for models.
    pub(crate) web: Arc<WebFetch>,
}

/// Whether a database that does not exist is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Create,
    Refuse,
}

/// Opens the database.
pub(crate) async fn open(config: &Config, missing: Missing) -> anyhow::Result<Opened> {
    let address: Address = config.database_url.parse()?;
    let ids = Arc::new(IdSource::from_system().context("the system has no randomness")?);
    let database = open_with_key(config, &address, missing, &ids).await?;
    let store = database.store();
    let clock = Arc::new(SystemClock::default());
    clock_offset::adjust(&clock, &*store).await?;
    let mut own_files = vec![key_file(config, &address)];
    if let Address::Sqlite(path) = &address {
        own_files.push(path.clone());
    }
    let outgoing = Outgoing::default();
    Ok(Opened {
        store,
        neighbours: Neighbours::by(database.bell()),
        database,
        waiter: Arc::clone(&clock) as Arc<dyn Waiter>,
        clock,
        ids,
        checks: Arc::new(config.watch.checks(own_files, &outgoing)),
        web: Arc::new(WebFetch::new(outgoing.clone())),
        hands: Arc::new(McpHands::new(
            outgoing,
            config.declared_servers(),
            config.mcp_processes,
        )),
        address,
    })
}

impl Opened {
    /// Ends tool servers that a command has started, and lets the nodes hear of what it did.
    pub(crate) async fn end_command(&self) {
        self.hands.close().await;
        if let Some(bell) = self.database.bell() {
            bell.say_the_rest().await;
        }
    }

    /// Ends tool servers, and closes the database, so that nothing is left for the next start to
    /// mend.
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
            (
                Arc::clone(&self.checks),
                Arc::clone(&self.hands) as Arc<dyn Hands>,
            ),
            Wake::new(wake, self.neighbours.clone()),
        )
    }
}

/// A file that stands beside the database under its name and a further ending. Beside a database of
/// a server means: in the current directory, under the name `heartbeat`.
pub(crate) fn beside(database: &Address, ending: &str) -> PathBuf {
    let mut name = match database {
        Address::Sqlite(path) => path.as_os_str().to_owned(),
        Address::Postgres(_) => "heartbeat".into(),
    };
    name.push(ending);
    PathBuf::from(name)
}

/// The file that holds the sealing key, unless the settings hold it themselves.
pub(crate) fn key_file(config: &Config, database: &Address) -> PathBuf {
    config
        .key_file
        .clone()
        .unwrap_or_else(|| beside(database, ".key"))
}

/// The key of a new file is made before the file is; that of a server's database can only be asked
/// for once it is open. Either way no key is made for a database that knows one already.
async fn open_with_key(
    config: &Config,
    address: &Address,
    missing: Missing,
    ids: &Arc<IdSource>,
) -> anyhow::Result<Database> {
    let mut how = OpenOptions::default();
    how.sqlite.create = missing == Missing::Create;
    how.postgres.create = missing == Missing::Create;
    how.postgres.connections = config.database_connections;
    let file = key_file(config, address);
    let (database, key) = match address {
        Address::Sqlite(path) => {
            let is_new = !path.exists();
            if is_new && missing == Missing::Refuse {
                bail!(
                    "there is no database {}; `heartbeat serve` or `heartbeat project create \
                     NAME` makes one",
                    path.display()
                );
            }
            let key = sealing_key(config, (&file, is_new), ids)?;
            (Database::open(address, Arc::clone(ids), how).await?, key)
        }
        Address::Postgres(_) => {
            let database = Database::open(address, Arc::clone(ids), how).await?;
            let is_new = !database.has_key().await?;
            (database, sealing_key(config, (&file, is_new), ids)?)
        }
    };
    database.unlock(&key).await?;
    Ok(database)
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
             HEARTBEAT_KEY: without it, sealed secrets cannot be read. Nodes of one database have \
             the same key",
            file.display()
        );
    }
    Ok(SealingKey::load_or_create(file, ids)?)
}
