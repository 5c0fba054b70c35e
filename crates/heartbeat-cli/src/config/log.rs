//! Settings of the log, which goes to stderr.

use std::io::IsTerminal;

use anyhow::bail;
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogConfig {
    pub(crate) level: String,
    pub(crate) format: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: "text".into(),
        }
    }
}

impl LogConfig {
    /// Begins to log.
    pub(crate) fn begin(&self) -> anyhow::Result<()> {
        let Ok(mut filter) = self.level.parse::<EnvFilter>() else {
            bail!("log.level `{}` is not a level or filter", self.level);
        };
        // The protocol library logs what tools say; that stands in the steps, not here.
        if !self.level.contains("rmcp") {
            filter = filter.add_directive("rmcp=off".parse().expect("it is a directive"));
        }
        // The pool logs each try to connect; the verb that waited for it says what came of them.
        if !self.level.contains("sqlx") {
            filter =
                filter.add_directive("sqlx_core::pool=off".parse().expect("it is a directive"));
        }
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal());
        let begun = match self.format.as_str() {
            "text" => log.try_init(),
            "json" => log.json().try_init(),
            other => bail!("log.format must be `text` or `json`, not `{other}`"),
        };
        begun.map_err(|error| anyhow::anyhow!("the log cannot begin: {error}"))
    }
}
