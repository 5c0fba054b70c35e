//! Settings: defaults, then a file, then the environment. Nobody else reads either of them.

mod engine;
mod log;
mod mcp;
mod models;
mod plans;
mod watch;
mod webhook;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use heartbeat_domain::plan::Plans;
use heartbeat_tools::{DeclaredServers, PROCESSES_MAX};
use serde::Deserialize;
use toml::{Table, Value};

pub(crate) use self::engine::EngineConfig;
pub(crate) use self::log::LogConfig;
use self::mcp::McpConfig;
pub(crate) use self::models::ModelsConfig;
use self::plans::PlanConfig;
pub(crate) use self::watch::WatchConfig;
pub(crate) use self::webhook::WebhookConfig;

/// The commented file that `heartbeat config default` prints.
pub(crate) const DEFAULT_FILE: &str = include_str!("default.toml");

/// All settings.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) listen: String,
    pub(crate) database_url: String,
    pub(crate) database_connections: u32,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) key: Option<String>,
    pub(crate) public_url: Option<String>,
    pub(crate) engine: EngineConfig,
    pub(crate) models: ModelsConfig,
    pub(crate) watch: WatchConfig,
    pub(crate) webhook: WebhookConfig,
    pub(crate) log: LogConfig,
    pub(crate) plan: Vec<PlanConfig>,
    pub(crate) mcp_processes: usize,
    mcp: BTreeMap<String, McpConfig>,
    /// Where programs are found; the process's own, not a setting.
    #[serde(skip)]
    search: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7070".into(),
            database_url: "sqlite://heartbeat.db".into(),
            database_connections: 20,
            key_file: None,
            key: None,
            public_url: None,
            engine: EngineConfig::default(),
            models: ModelsConfig::default(),
            watch: WatchConfig::default(),
            webhook: WebhookConfig::default(),
            log: LogConfig::default(),
            plan: Vec::new(),
            mcp_processes: PROCESSES_MAX,
            mcp: BTreeMap::new(),
            search: None,
        }
    }
}

/// Keys that an environment variable may set, as paths.
const KEYS: &[&str] = &[
    "listen",
    "database_url",
    "database_connections",
    "key_file",
    "key",
    "public_url",
    "mcp_processes",
    "engine.slots",
    "engine.drain_seconds",
    "models.default",
    "models.lm_studio",
    "models.llama_server",
    "watch.local_roots",
    "watch.http_hosts",
    "webhook.url",
    "webhook.secret",
    "log.level",
    "log.format",
];

/// The environment, as far as settings and models are concerned.
pub(crate) type Environment = BTreeMap<String, String>;

impl Config {
    /// Reads the file, if one is named, and lays the environment over it.
    pub(crate) fn load(file: Option<&Path>, environment: &Environment) -> anyhow::Result<Self> {
        let mut table = match file {
            None => Table::new(),
            Some(path) => std::fs::read_to_string(path)
                .with_context(|| format!("the settings file {} cannot be read", path.display()))?
                .parse()
                .with_context(|| format!("{} is not a settings file", path.display()))?,
        };
        for key in KEYS {
            let name = variable(key);
            if let Some(text) = environment.get(&name) {
                set(&mut table, key, parsed(key, text))
                    .with_context(|| format!("{name} sets `{key}`"))?;
            }
        }
        let mut config: Self = Value::Table(table)
            .try_into()
            .context("a setting is wrong; `heartbeat config default` shows all of them")?;
        config.search = environment.get("PATH").cloned();
        config.checked()
    }

    /// The plans of this installation.
    pub(crate) fn plans(&self) -> Plans {
        plans::plans(&self.plan).expect("they were checked when the settings were read")
    }

    /// The tool servers that agents may have started on this machine.
    pub(crate) fn declared_servers(&self) -> DeclaredServers {
        mcp::declared(&self.mcp, self.search.as_deref())
            .expect("they were checked when the settings were read")
    }

    fn checked(self) -> anyhow::Result<Self> {
        if self.engine.slots == 0 {
            bail!("engine.slots must be at least 1");
        }
        if self.database_connections < 2 {
            bail!("database_connections must be at least 2: one that writes and one that reads");
        }
        if self.webhook.url.is_some() != self.webhook.secret.is_some() {
            bail!("webhook.url and webhook.secret go together: set both, or neither");
        }
        if self.mcp_processes == 0 {
            bail!("mcp_processes must be at least 1");
        }
        plans::plans(&self.plan)?;
        mcp::declared(&self.mcp, self.search.as_deref())?;
        Ok(self)
    }
}

fn variable(key: &str) -> String {
    format!("HEARTBEAT_{}", key.replace('.', "_").to_uppercase())
}

/// Texts stay texts; numbers and lists are written as in the file, lists also with commas.
fn parsed(key: &str, text: &str) -> Value {
    let is_list = matches!(key, "watch.local_roots" | "watch.http_hosts");
    if is_list && !text.trim_start().starts_with('[') {
        let items = text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty());
        return Value::Array(items.map(|item| Value::String(item.into())).collect());
    }
    let is_number =
        key.starts_with("engine.") || matches!(key, "database_connections" | "mcp_processes");
    let is_text = !is_list && !is_number;
    match format!("value = {text}").parse::<Table>() {
        Ok(mut table) if !is_text => table.remove("value").unwrap_or(Value::String(text.into())),
        _ => Value::String(text.into()),
    }
}

fn set(table: &mut Table, key: &str, value: Value) -> anyhow::Result<()> {
    match key.split_once('.') {
        None => {
            table.insert(key.into(), value);
            Ok(())
        }
        Some((section, rest)) => {
            let section = table
                .entry(section)
                .or_insert_with(|| Value::Table(Table::new()));
            let Value::Table(section) = section else {
                bail!("the section is not a table")
            };
            set(section, rest, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commented_file_says_what_the_defaults_are() {
        let parsed: Config = toml::from_str(DEFAULT_FILE).unwrap();
        assert_eq!(parsed, Config::default());
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("heartbeat.toml");
        std::fs::write(&file, "listen = \"127.0.0.1:1\"\n[engine]\nslots = 5\n").unwrap();
        let environment = Environment::from([
            ("HEARTBEAT_ENGINE_SLOTS".into(), "7".into()),
            (
                "HEARTBEAT_WATCH_HTTP_HOSTS".into(),
                "a.example, b.example:80".into(),
            ),
        ]);
        let config = Config::load(Some(&file), &environment).unwrap();
        assert_eq!(
            (config.listen.as_str(), config.engine.slots),
            ("127.0.0.1:1", 7)
        );
        assert_eq!(config.watch.http_hosts, ["a.example", "b.example:80"]);
    }

    #[test]
    fn a_key_that_does_not_exist_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("heartbeat.toml");
        std::fs::write(&file, "[engine]\nslotz = 5\n").unwrap();
        let error = Config::load(Some(&file), &Environment::new()).unwrap_err();
        assert!(format!("{error:#}").contains("slotz"), "{error:#}");
    }

    #[test]
    fn a_wrong_value_in_the_environment_is_refused() {
        let environment = Environment::from([("HEARTBEAT_ENGINE_SLOTS".into(), "many".into())]);
        assert!(Config::load(None, &environment).is_err());
    }

    #[test]
    fn half_a_webhook_is_refused() {
        let environment = Environment::from([("HEARTBEAT_WEBHOOK_URL".into(), "https://e".into())]);
        assert!(Config::load(None, &environment).is_err());
    }
}
