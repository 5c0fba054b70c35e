//! Where the database lies: in a directory of one's own that stays, in one that goes at the end, on a
//! server that goes at the end, or on a server of one's own.

use std::path::{Path, PathBuf};

use heartbeat_store::sqlite::{ServeLock, lock_for_serving};
use heartbeat_testkit::postgres::Cluster;

use super::Fallible;
use super::args::Args;
use super::figures::progress;

/// Where the database lies.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// A file.
    File(PathBuf),
    /// The URL of a database of a server.
    Server(String),
}

impl Place {
    /// Of a database that is there already, as [`Place::argument`] wrote it.
    pub(crate) fn of_child(args: &Args) -> Fallible<Self> {
        let named = args.database.clone().ok_or("a child needs --database")?;
        Ok(match args.is_on_a_server() {
            true => Self::Server(named),
            false => Self::in_directory(Path::new(&named)),
        })
    }

    fn in_directory(directory: &Path) -> Self {
        Self::File(directory.join("load.db"))
    }

    /// As `--database` takes it.
    pub(crate) fn argument(&self) -> Fallible<String> {
        match self {
            Self::File(path) => {
                let directory = path.parent().and_then(Path::to_str);
                Ok(directory
                    .ok_or("the directory of the database has a name that is no text")?
                    .to_owned())
            }
            Self::Server(url) => Ok(url.clone()),
        }
    }

    /// Keeps other servers from a file; a database of a server has any number of nodes.
    pub(crate) fn lock_for_serving(&self) -> Fallible<Option<ServeLock>> {
        match self {
            Self::File(path) => Ok(Some(lock_for_serving(path)?)),
            Self::Server(_) => Ok(None),
        }
    }
}

/// A place, and what goes with this process.
pub(crate) struct Home {
    pub(crate) place: Place,
    /// A server that nobody else uses; its processes are this machine's.
    pub(crate) cluster: Option<Cluster>,
    /// A directory that is removed at the end.
    passing: Option<PathBuf>,
}

impl Home {
    /// As asked for.
    pub(crate) fn new(args: &Args) -> Fallible<Self> {
        if args.postgres {
            progress("PostgreSQL …")?;
            let cluster = Cluster::start_durable()?;
            return Ok(Self {
                place: Place::Server(cluster.database()),
                cluster: Some(cluster),
                passing: None,
            });
        }
        let (place, passing) = match &args.database {
            Some(url) if args.is_on_a_server() => (Place::Server(url.clone()), None),
            Some(directory) => (Place::in_directory(Path::new(directory)), None),
            None => {
                let name = format!("heartbeat-load-{}", std::process::id());
                let directory = std::env::temp_dir().join(name);
                (Place::in_directory(&directory), Some(directory))
            }
        };
        if let Place::File(path) = &place {
            std::fs::create_dir_all(path.parent().unwrap_or(path))?;
        }
        Ok(Self {
            place,
            cluster: None,
            passing,
        })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(directory) = &self.passing {
            let _ = std::fs::remove_dir_all(directory);
        }
    }
}
