//! Tool servers that nobody here wrote: where they are, and how they are started.
//!
//! `cargo xtask test` prepares them and says where they are. Without its word they are looked for where
//! it would have put them; one that is missing fails the test with what to do.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Longest time for a server to begin to listen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program to start, with its arguments; it needs nothing in its environment.
#[derive(Clone, Debug)]
pub struct Program {
    /// Absolute path.
    pub command: PathBuf,
    /// Arguments.
    pub args: Vec<String>,
}

/// `mcp-server-time` of the Python package index, over stdio.
#[must_use]
pub fn time() -> Program {
    let python = find("HEARTBEAT_TEST_PYTHON", ".cache/python/bin/python");
    let args = ["-m", "mcp_server_time", "--local-timezone", "Europe/Berlin"];
    Program {
        command: python,
        args: args.map(str::to_owned).to_vec(),
    }
}

/// `@modelcontextprotocol/server-everything` of npm, over stdio.
#[must_use]
pub fn everything() -> Program {
    let script = everything_script().display().to_string();
    Program {
        command: node(),
        args: vec![script, "stdio".to_owned()],
    }
}

/// `@modelcontextprotocol/server-everything` of npm, over streamable HTTP on loopback. It ends when this
/// is dropped.
#[derive(Debug)]
pub struct Everything {
    /// Its endpoint.
    pub url: String,
    _child: Child,
}

impl Everything {
    /// Starts it and waits until it listens.
    ///
    /// # Panics
    /// It does not.
    pub async fn start() -> Self {
        let port = free_port();
        let mut child = Command::new(node())
            .arg(everything_script())
            .arg("streamableHttp")
            .env("PORT", port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node was found a moment ago");
        let stderr = child.stderr.take().expect("it was asked for");
        let mut lines = BufReader::new(stderr).lines();
        let listening = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if line.contains("listening on port") {
                    return true;
                }
            }
            false
        };
        let listens = tokio::time::timeout(PATIENCE, listening).await;
        assert_eq!(
            listens,
            Ok(true),
            "server-everything did not begin to listen"
        );
        #[expect(
            clippy::disallowed_methods,
            reason = "it reads what the server writes, so that it never waits for a reader"
        )]
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            url: format!("http://127.0.0.1:{port}/mcp"),
            _child: child,
        }
    }
}

/// The server takes a port by number only; one that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("loopback has a free port")
        .port()
}

fn node() -> PathBuf {
    if let Some(named) = std::env::var_os("HEARTBEAT_TEST_NODE") {
        return named.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .flat_map(|folder| ["node", "nodejs"].map(|name| folder.join(name)))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| missing(Path::new("node")))
}

fn everything_script() -> PathBuf {
    find(
        "HEARTBEAT_TEST_EVERYTHING",
        ".cache/node/@modelcontextprotocol/server-everything/node_modules/@modelcontextprotocol/\
         server-everything/dist/index.js",
    )
}

fn find(variable: &str, otherwise: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let found = match std::env::var_os(variable) {
        Some(named) => PathBuf::from(named),
        None => root.join(otherwise),
    };
    match found.exists() {
        true => found,
        false => missing(&found),
    }
}

fn missing(what: &Path) -> ! {
    panic!(
        "{} is missing: `cargo xtask test` installs the tool servers of others that the tests need; \
         `cargo xtask tool-servers` installs them alone",
        what.display()
    )
}
