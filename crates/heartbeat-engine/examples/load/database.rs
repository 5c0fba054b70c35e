//! The database under measure, past every verb, and what its SQL writes in its own way.

use std::sync::Arc;
use std::time::Duration;

use heartbeat_domain::ids::IdSource;
use heartbeat_store::Store;
use heartbeat_store::bell::Bell;
use heartbeat_store::postgres::{self, PostgresStore};
use heartbeat_store::sqlite::{self, SqliteStore};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Fallible;
use super::figures::Figures;
use super::place::Place;

/// How long a statement of who measures may take: a population is made in a few.
const PATIENCE: Duration = Duration::from_secs(600);

/// An open database.
pub(crate) struct Db {
    pub(crate) place: Place,
    opened: Opened,
}

enum Opened {
    File(Arc<SqliteStore>),
    /// The engine's connections, and those of who measures.
    Server(Arc<PostgresStore>, Arc<PostgresStore>),
}

impl Db {
    /// Opens it for who measures. A database of a server must be empty.
    pub(crate) async fn open(place: &Place, ids: &Arc<IdSource>) -> Fallible<Self> {
        if let Place::Server(url) = place {
            refuse_unless_empty(url).await?;
        }
        let mut db = Self::open_for_engine(place, ids).await?;
        if let (Place::Server(url), Opened::Server(_, aside)) = (place, &mut db.opened) {
            let options = postgres::OpenOptions {
                connections: 2,
                statement_timeout: PATIENCE,
                ..postgres::OpenOptions::default()
            };
            *aside = Arc::new(PostgresStore::open(url, Arc::clone(ids), options).await?);
        }
        Ok(db)
    }

    /// Opens it for an engine alone.
    pub(crate) async fn open_for_engine(place: &Place, ids: &Arc<IdSource>) -> Fallible<Self> {
        let ids = Arc::clone(ids);
        let opened = match place {
            Place::File(path) => {
                let options = sqlite::OpenOptions::default();
                Opened::File(Arc::new(SqliteStore::open(path, ids, options).await?))
            }
            Place::Server(url) => {
                let options = postgres::OpenOptions::default();
                let store = Arc::new(PostgresStore::open(url, ids, options).await?);
                Opened::Server(Arc::clone(&store), store)
            }
        };
        let place = place.clone();
        Ok(Self { place, opened })
    }

    /// Its verbs.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        match &self.opened {
            Opened::File(store) => Arc::clone(store) as _,
            Opened::Server(store, _) => Arc::clone(store) as _,
        }
    }

    /// The way of its nodes to each other; a file has one.
    pub(crate) fn bell(&self) -> Option<Arc<dyn Bell>> {
        match &self.opened {
            Opened::File(_) => None,
            Opened::Server(store, _) => Some(store.bell()),
        }
    }

    pub(crate) async fn close(&self) {
        match &self.opened {
            Opened::File(store) => store.close().await,
            Opened::Server(store, aside) => {
                aside.close().await;
                store.close().await;
            }
        }
    }

    /// What it is, and how durable it is set up to be.
    pub(crate) async fn introduce(&self, figures: &mut Figures) -> Fallible<()> {
        let query = match &self.opened {
            Opened::File(_) => "SELECT sqlite_version() AS version, 'FULL' AS synchronous",
            Opened::Server(..) => {
                "SELECT current_setting('server_version') AS version, \
                 current_setting('fsync') AS fsync, \
                 current_setting('synchronous_commit') AS synchronous_commit"
            }
        };
        let (name, rows) = (self.kind(), self.rows(query.to_owned()).await?);
        let mut settings = rows.into_iter().next().ok_or("the database says nothing")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let version = settings.shift_remove("version").as_ref().map(text);
        let settings = settings
            .iter()
            .map(|(name, value)| format!("{name} {}", text(value)));
        let how = settings.collect::<Vec<_>>().join(", ");
        let version = version.unwrap_or_default();
        figures.value("database", format!("{name} {version}, {how}"));
        figures.row(name, version, ("", &how));
        Ok(())
    }

    fn kind(&self) -> &'static str {
        match &self.opened {
            Opened::File(_) => "SQLite",
            Opened::Server(..) => "PostgreSQL",
        }
    }

    /// Runs a statement; answers how many rows it wrote.
    pub(crate) async fn write(&self, sql: String) -> Fallible<u64> {
        Ok(match &self.opened {
            Opened::File(store) => store.execute_unchecked(sql).await?,
            Opened::Server(_, aside) => aside.execute_unchecked(sql).await?,
        })
    }

    /// Rows of a query.
    pub(crate) async fn rows(&self, sql: String) -> Fallible<Vec<Map<String, Value>>> {
        Ok(match &self.opened {
            Opened::File(store) => store.query_json(sql).await?,
            Opened::Server(_, aside) => aside.query_json(sql).await?,
        })
    }

    /// Numbers the heartbeats of a project from there on. A file's rows have numbers already, which
    /// follow one another as the heartbeats were made.
    pub(crate) async fn number(&self, project: Uuid, from: u64) -> Fallible<()> {
        if let Opened::Server(..) = &self.opened {
            self.write(
                "CREATE UNLOGGED TABLE IF NOT EXISTS load_places (place BIGINT PRIMARY KEY, \
                 project_id UUID NOT NULL, id UUID NOT NULL)"
                    .to_owned(),
            )
            .await?;
            self.write(format!(
                "INSERT INTO load_places SELECT {from} - 1 + ROW_NUMBER() OVER (ORDER BY id), \
                 project_id, id FROM heartbeats WHERE project_id = {}",
                self.id(project)
            ))
            .await?;
        }
        Ok(())
    }

    /// The end of an update of the heartbeats whose numbers stand in `chosen` as `r`.
    pub(crate) fn chosen_by_number(&self) -> &'static str {
        match &self.opened {
            Opened::File(_) => "FROM chosen WHERE heartbeats.rowid = chosen.r",
            Opened::Server(..) => {
                "FROM chosen JOIN load_places p ON p.place = chosen.r \
                 WHERE heartbeats.project_id = p.project_id AND heartbeats.id = p.id"
            }
        }
    }

    /// An id.
    pub(crate) fn id(&self, id: Uuid) -> String {
        match &self.opened {
            Opened::File(_) => format!("x'{}'", id.simple()),
            Opened::Server(..) => format!("UUID '{id}'"),
        }
    }

    /// A new id of that moment, for each row another.
    pub(crate) fn fresh_id(&self, at: i64) -> String {
        match &self.opened {
            Opened::File(_) => format!(
                "unhex(printf('%012x7', {at}) || substr(hex(randomblob(2)), 2) \
                 || '8' || substr(hex(randomblob(8)), 2))"
            ),
            Opened::Server(..) => format!(
                "CAST(lpad(to_hex({at}::BIGINT), 12, '0') || '7' \
                 || substr(md5(random()::TEXT), 1, 3) || '8' \
                 || substr(md5(random()::TEXT), 1, 15) AS UUID)"
            ),
        }
    }

    /// A whole number from 0 up to below that, by chance, for each row another.
    pub(crate) fn chance(&self, below: i64) -> String {
        match &self.opened {
            Opened::File(_) => format!("abs(random()) % {below}"),
            Opened::Server(..) => format!("CAST(floor(random() * {below}) AS BIGINT)"),
        }
    }
}

async fn refuse_unless_empty(url: &str) -> Fallible<()> {
    match PostgresStore::count_tables(url).await? {
        0 => Ok(()),
        tables => Err(format!(
            "the database holds {tables} tables; --database takes an empty one of your own, which \
             `createdb NAME` makes"
        )
        .into()),
    }
}
