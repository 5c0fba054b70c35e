//! A directory with a database of its own, and the binary at work in it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::rc::Rc;

use heartbeat_domain::clock::Clock as _;
use heartbeat_engine::system_clock::SystemClock;
use heartbeat_testkit::model_server::ModelServer;
use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::api::Api;
use super::server::Server;
use super::turn::{self, Turn};
use super::wait::within;

/// What a command that ended had to say.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// What it printed, after looking that it went well.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }

    /// What it printed as JSON, after looking that it went well.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

/// A directory of its own, and the environment of everything that runs in it.
pub(crate) struct Home {
    dir: TempDir,
    env: Vec<(String, String)>,
    /// Nobody who needs the machine alone is at work beside it.
    _turn: Rc<Turn>,
}

impl Home {
    /// An empty directory and next to no environment.
    pub(crate) fn new() -> Self {
        Self::in_turn(turn::beside_others())
    }

    /// The same, with no other test at work until it is dropped; for what is judged by how much gets
    /// done.
    pub(crate) fn alone() -> Self {
        Self::in_turn(turn::alone())
    }

    fn in_turn(turn: Rc<Turn>) -> Self {
        let home = Self {
            dir: tempfile::tempdir().unwrap(),
            env: Vec::new(),
            _turn: turn,
        };
        let path = std::env::var("PATH").unwrap_or_default();
        // Nothing that may run on this machine is to be found.
        home.with("PATH", &path)
            .with("OLLAMA_HOST", "http://127.0.0.1:9")
            .with("HEARTBEAT_MODELS_LM_STUDIO", "http://127.0.0.1:9")
            .with("HEARTBEAT_MODELS_LLAMA_SERVER", "http://127.0.0.1:9")
    }

    /// With a variable.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// Sets a variable for what runs from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// With a scripted server for OpenAI's dialect.
    pub(crate) fn with_openai(self, model: &ModelServer) -> Self {
        self.with("OPENAI_BASE_URL", &format!("{}/v1", model.url))
            .with("OPENAI_API_KEY", "sk-openai")
    }

    /// With a scripted server for Anthropic's dialect.
    pub(crate) fn with_anthropic(self, model: &ModelServer) -> Self {
        self.with("ANTHROPIC_BASE_URL", &model.url)
            .with("ANTHROPIC_API_KEY", "sk-ant")
    }

    /// With a scripted server for Gemini's dialect.
    pub(crate) fn with_gemini(self, model: &ModelServer) -> Self {
        self.with("GEMINI_BASE_URL", &model.url)
            .with("GEMINI_API_KEY", "AIza-gemini")
    }

    /// With a clock that runs so many times as fast, from now on.
    pub(crate) fn with_clock(self, rate: u32) -> Self {
        let now = SystemClock::default().now();
        self.with_clock_showing(rate, now)
    }

    /// With a clock that shows this moment now and runs so many times as fast.
    pub(crate) fn with_clock_showing(self, rate: u32, moment: Timestamp) -> Self {
        let (now, shown) = (
            SystemClock::default().now().as_millisecond(),
            moment.as_millisecond(),
        );
        self.with("HEARTBEAT_CLOCK", &format!("{rate}@{now}={shown}"))
    }

    /// A path in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The directory.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The binary, in the directory, with the environment; it dies with the test.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.dir.path())
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs a subcommand to its end.
    pub(crate) async fn run(&self, args: &[&str]) -> Ran {
        let output = self
            .command(env!("CARGO_BIN_EXE_heartbeat"))
            .args(args)
            .output();
        let output = within(&format!("the end of {args:?}"), output)
            .await
            .unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts `serve` on a free port and waits until it listens.
    pub(crate) async fn serve(&self, args: &[&str]) -> Server {
        match self.try_serve(args).await {
            Ok(server) => server,
            Err(ran) => panic!("the server did not start: {ran:?}"),
        }
    }

    /// The same; answers how it ended, if it ended at once.
    pub(crate) async fn try_serve(&self, args: &[&str]) -> Result<Server, Ran> {
        let mut command = self.command(env!("CARGO_BIN_EXE_heartbeat"));
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(args);
        Server::start(command.spawn().unwrap()).await
    }

    /// Makes a project.
    pub(crate) async fn project(&self, name: &str, plan: &str) -> (String, String) {
        let made = self
            .run(&["project", "create", name, "--plan", plan, "--json"])
            .await
            .json();
        let text = |field: &str| made[field].as_str().unwrap().to_owned();
        (text("project_id"), text("api_key"))
    }

    /// A project, a server, and the API of both.
    pub(crate) async fn api(&self) -> Api {
        let (project_id, key) = self.project("acme", "self_hosted").await;
        Api::new(self.serve(&[]).await, &project_id, &key)
    }
}
