//! A PostgreSQL cluster of the tests' own: made in a temporary directory from the system's
//! packages, on a port of its own, and gone with the process that started it, however that ends.
//! A test that breaks its cluster starts one for itself; a measurement starts one that is durable.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

/// What to do where there is no PostgreSQL.
const ADVICE: &str = "this needs the programs of PostgreSQL 15 or later: run it with `cargo xtask`, \
    which installs them where it may; or on Debian and Ubuntu `sudo apt-get install postgresql`; \
    elsewhere put initdb and postgres on the path";

/// What tests keep need not survive a power cut: nothing waits for the disk.
const FOR_TESTS: &str = "-c fsync=off -c full_page_writes=off -c max_connections=400 \
    -c shared_buffers=64MB -c deadlock_timeout=100ms";

/// Every commit is on the disk before it is answered. Memory, and room before a checkpoint, as one
/// would give a server; everything else as it comes.
const FOR_MEASURING: &str = "-c fsync=on -c synchronous_commit=on -c full_page_writes=on \
    -c shared_buffers=512MB -c max_wal_size=8GB -c max_connections=100";

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    port: u16,
    standby_port: u16,
    databases: AtomicU32,
    /// Ends the cluster when its standard input closes.
    keeper: Child,
    /// The two ends of the keeper.
    ends: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
}

/// How a server is ended.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// What is under way is taken back, and connections are told.
    Fast,
    /// Nothing is put in order; the next start recovers.
    Immediate,
}

/// The cluster of this process, started at first use.
///
/// # Panics
/// There is no PostgreSQL, or it does not start; says what to do.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start)
}

impl Cluster {
    /// Makes a cluster and waits until it answers.
    ///
    /// # Panics
    /// There is no PostgreSQL, or it does not start; says what to do.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(FOR_TESTS).unwrap_or_else(|why| panic!("{why}"))
    }

    /// Makes a cluster that keeps what it acknowledges, and waits until it answers.
    ///
    /// # Errors
    /// There is no PostgreSQL, or it does not start; says what to do.
    pub fn start_durable() -> Result<Self, String> {
        Self::start_with(FOR_MEASURING)
    }

    fn start_with(settings: &str) -> Result<Self, String> {
        let programs = programs().ok_or(ADVICE)?;
        let (port, standby_port) = (free_port(), free_port());
        let mut command = as_anybody_but_root();
        command
            .args(["sh", "-c", include_str!("postgres.sh"), "postgres.sh"])
            .arg(&programs)
            .arg(port.to_string())
            .arg(standby_port.to_string())
            .arg(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .current_dir("/")
            // An interrupt of the tests is not one of the cluster, which ends after them.
            .process_group(0);
        let mut keeper = command
            .spawn()
            .map_err(|error| format!("{}: {error}; {ADVICE}", programs.display()))?;
        let orders = keeper.stdin.take().expect("it is piped");
        let mut answers = BufReader::new(keeper.stdout.take().expect("it is piped"));
        let mut line = String::new();
        let read = answers.read_line(&mut line);
        if read.is_err() || line.trim() != "ready" {
            return Err(format!(
                "the PostgreSQL of {} did not start; its last words stand above",
                programs.display()
            ));
        }
        Ok(Self {
            programs,
            port,
            standby_port,
            databases: AtomicU32::new(0),
            keeper,
            ends: Mutex::new(Some((orders, answers))),
        })
    }

    /// Ends the server; returns once it is gone.
    ///
    /// # Panics
    /// It does not end.
    pub fn stop(&self, how: End) {
        self.order(match how {
            End::Fast => "stop-fast",
            End::Immediate => "stop-immediate",
        });
    }

    /// Starts the server again; returns once it answers.
    ///
    /// # Panics
    /// It does not start.
    pub fn start_again(&self) {
        self.order("start");
    }

    /// Ends the server and every process of it as the power does.
    ///
    /// # Panics
    /// It does not end.
    pub fn kill(&self) {
        self.order("kill");
    }

    /// Makes a standby; from then on every commit waits until the standby has it too.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn add_standby(&self) {
        self.order("standby");
    }

    /// Lets the standby take writes.
    ///
    /// # Panics
    /// It is not promoted.
    pub fn promote(&self) {
        self.order("promote");
    }

    fn order(&self, what: &str) {
        let mut ends = self.ends.lock().expect("nobody panics while holding it");
        let (orders, answers) = ends.as_mut().expect("they are there until the end");
        let mut line = String::new();
        let done = writeln!(orders, "{what}")
            .and_then(|()| orders.flush())
            .and_then(|()| answers.read_line(&mut line));
        assert!(
            done.is_ok() && line.trim() == "done",
            "`{what}` failed; the server's last words stand above"
        );
    }

    /// Makes an empty database; answers its address.
    ///
    /// # Panics
    /// The cluster refuses.
    pub fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("heartbeat_{number}");
        let made = Command::new(self.programs.join("createdb"))
            .args(["--host", "127.0.0.1", "--username", "postgres", "--port"])
            .args([self.port.to_string().as_str(), &name])
            .status();
        assert!(made.is_ok_and(|end| end.success()), "createdb failed");
        self.address(&name)
    }

    /// The address of an empty database whose clock is so many minutes ahead of this machine's: to it
    /// this machine's clock is wrong.
    ///
    /// # Panics
    /// The cluster refuses.
    #[must_use]
    pub fn database_ahead_by(&self, minutes: i32) -> String {
        let address = self.database();
        let clock = format!(
            "CREATE FUNCTION public.clock_timestamp() RETURNS TIMESTAMPTZ LANGUAGE sql AS \
             'SELECT pg_catalog.clock_timestamp() + {minutes} * INTERVAL ''1 minute'''; \
             DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', \
             current_database()); END $$"
        );
        let made = Command::new(self.programs.join("psql"))
            .args(["--quiet", "--set", "ON_ERROR_STOP=1"])
            .args(["--command", &clock, &address])
            .status();
        assert!(made.is_ok_and(|end| end.success()), "psql failed");
        address
    }

    /// The address of a database.
    #[must_use]
    pub fn address(&self, name: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }

    /// The address of an empty database on this server and its standby, whichever takes writes.
    ///
    /// # Panics
    /// The cluster refuses.
    #[must_use]
    pub fn database_with_standby(&self) -> String {
        let one = format!("127.0.0.1:{}", self.port);
        let both = format!("127.0.0.1:{},{one}", self.standby_port);
        let address = self.database().replace(&one, &both);
        format!("{address}?target_session_attrs=read-write")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.ends.lock().map(|mut ends| ends.take()));
        let _ = self.keeper.wait();
    }
}

/// Where initdb and postgres are: on the path, or where Debian puts them, the newest first.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut packaged: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    packaged.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    folders.extend(packaged.into_iter().map(|(_, folder)| folder));
    let whole = |folder: &PathBuf| {
        let needed = [
            "initdb",
            "postgres",
            "createdb",
            "pg_ctl",
            "psql",
            "pg_basebackup",
        ];
        needed.iter().all(|name| folder.join(name).is_file())
    };
    folders.into_iter().find(whole)
}

/// The server refuses to run as root; the package makes a user for it.
fn as_anybody_but_root() -> Command {
    let is_root = Path::new("/proc/self")
        .metadata()
        .is_ok_and(|this| this.uid() == 0);
    let mut command = Command::new(if is_root { "runuser" } else { "env" });
    if is_root {
        command.args(["-u", "postgres", "--", "env", "-u", "TMPDIR"]);
    }
    command
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    listener
        .local_addr()
        .expect("a listener has an address")
        .port()
}
