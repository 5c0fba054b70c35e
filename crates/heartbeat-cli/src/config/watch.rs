//! What watches may reach.

use std::path::PathBuf;

use heartbeat_engine::control::WatchChecks;
use heartbeat_tools::{AllowedHosts, LocalFiles, Outgoing};
use serde::Deserialize;

/// `[watch]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WatchConfig {
    pub(crate) local_roots: Vec<PathBuf>,
    pub(crate) http_hosts: Vec<String>,
}

impl WatchConfig {
    /// What may be reached; files of `never` are not, wherever they stand.
    pub(crate) fn checks(&self, never: Vec<PathBuf>, outgoing: &Outgoing) -> WatchChecks {
        WatchChecks {
            files: LocalFiles::new(self.local_roots.clone(), never),
            hosts: AllowedHosts::new(self.http_hosts.clone(), outgoing.clone()),
        }
    }
}
