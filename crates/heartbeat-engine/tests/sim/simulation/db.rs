//! A look into the database, past every verb.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use heartbeat_domain::ids::IdSource;
use heartbeat_store::Store;
use heartbeat_store::postgres::{self, PostgresStore};
use heartbeat_store::sqlite::{OpenOptions, SqliteStore};
use heartbeat_testkit::postgres::cluster;
use jiff::Timestamp;
use serde_json::{Map, Value};

/// Which kind of database a world has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// SQLite.
    #[default]
    File,
    /// PostgreSQL.
    Server,
}

/// The database.
#[derive(Clone)]
pub(crate) struct Db {
    /// The store that owns it.
    pub(crate) store: Arc<dyn Store>,
    behind: Behind,
}

#[derive(Clone)]
enum Behind {
    File(Arc<SqliteStore>),
    Server(Arc<PostgresStore>),
}

/// A migrated database file: migrations take longer than many a world.
static TEMPLATE: OnceLock<Vec<u8>> = OnceLock::new();

/// What the checkers' queries need of SQLite's JSON, for the other database.
const JSON: [&str; 2] = [
    "CREATE FUNCTION json_extract(TEXT, TEXT) RETURNS TEXT LANGUAGE SQL IMMUTABLE AS \
     $$ SELECT jsonb_path_query_first($1::JSONB, $2::JSONPATH) #>> '{}' $$",
    "CREATE FUNCTION json_each(TEXT, TEXT) RETURNS TABLE (value TEXT) LANGUAGE SQL IMMUTABLE AS \
     $$ SELECT one::TEXT FROM jsonb_path_query($1::JSONB, ($2 || '[*]')::JSONPATH) one $$",
];

impl Db {
    /// An empty one.
    pub(crate) async fn open(kind: Kind, folder: &Path, ids: &Arc<IdSource>) -> Self {
        match kind {
            Kind::File => Self::file(&folder.join("world.db"), ids).await,
            Kind::Server => Self::server(ids).await,
        }
    }

    async fn file(path: &Path, ids: &Arc<IdSource>) -> Self {
        let options = OpenOptions {
            durable: false,
            readers: 1,
            ..OpenOptions::default()
        };
        match TEMPLATE.get() {
            Some(bytes) => std::fs::write(path, bytes).expect("a file can be written"),
            None => {
                let first = SqliteStore::open(path, Arc::clone(ids), options).await;
                first.expect("a database can be made").close().await;
                let bytes = std::fs::read(path).expect("a file can be read");
                TEMPLATE.get_or_init(|| bytes);
            }
        }
        let store = SqliteStore::open(path, Arc::clone(ids), options).await;
        let store = Arc::new(store.expect("a database can be opened"));
        Self {
            store: Arc::clone(&store) as Arc<dyn Store>,
            behind: Behind::File(store),
        }
    }

    async fn server(ids: &Arc<IdSource>) -> Self {
        let url = cluster().database();
        let options = postgres::OpenOptions {
            connections: 8,
            ..postgres::OpenOptions::default()
        };
        let store = PostgresStore::open(&url, Arc::clone(ids), options).await;
        let store = Arc::new(store.expect("a database can be opened"));
        let db = Self {
            store: Arc::clone(&store) as Arc<dyn Store>,
            behind: Behind::Server(store),
        };
        for function in JSON {
            db.execute(function).await;
        }
        db
    }

    /// Lets verbs that wait end, and closes it.
    pub(crate) async fn close(&self) {
        match &self.behind {
            Behind::File(store) => store.close().await,
            Behind::Server(store) => store.close().await,
        }
    }

    /// Rows of a query.
    pub(crate) async fn rows(&self, sql: impl Into<String>) -> Vec<Row> {
        let rows = match &self.behind {
            Behind::File(store) => store.query_json(sql.into()).await,
            Behind::Server(store) => store.query_json(with_uuids(&sql.into())).await,
        };
        let rows = rows.expect("the simulation's queries are right");
        rows.into_iter().map(Row).collect()
    }

    /// The first row of a query.
    pub(crate) async fn row(&self, sql: impl Into<String>) -> Option<Row> {
        self.rows(sql).await.into_iter().next()
    }

    /// Runs any statement.
    pub(crate) async fn execute(&self, sql: impl Into<String>) {
        let done = match &self.behind {
            Behind::File(store) => store.execute_unchecked(sql.into()).await,
            Behind::Server(store) => store.execute_unchecked(with_uuids(&sql.into())).await,
        };
        done.expect("the simulation's statements are right");
    }
}

/// Ids as a server takes them: `x'…'` means bits there.
fn with_uuids(sql: &str) -> String {
    sql.replace("x'", "UUID '")
}

/// A row of an answer.
pub(crate) struct Row(Map<String, Value>);

impl Row {
    /// A number, if there is one.
    pub(crate) fn find(&self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(Value::as_i64)
    }

    /// A number; 0 where there is none.
    pub(crate) fn number(&self, name: &str) -> i64 {
        self.find(name).unwrap_or(0)
    }

    /// A count; 0 where there is none.
    pub(crate) fn count(&self, name: &str) -> u64 {
        u64::try_from(self.number(name)).unwrap_or(0)
    }

    /// A text; empty where there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A moment, if there is one.
    pub(crate) fn moment(&self, name: &str) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.find(name)?).ok()
    }

    /// A typed id, if there is one.
    pub(crate) fn id<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name).parse().ok()
    }
}

/// An id as SQL writes it.
pub(crate) fn blob(id: impl std::fmt::Display) -> String {
    format!("x'{}'", id.to_string().replace('-', ""))
}
