//! What can be said about a watch before it has ever looked.

use heartbeat_domain::violation::Violation;
use heartbeat_domain::watch::{Probe, Watch};
use heartbeat_tools::{AllowedHosts, LocalFiles, UrlBounds};

use super::Result;

/// What watches may reach, for refusing what they may not.
#[derive(Clone, Debug)]
pub struct WatchChecks {
    /// Files.
    pub files: LocalFiles,
    /// Hosts.
    pub hosts: AllowedHosts,
}

impl WatchChecks {
    /// Refuses a path or URL that a look would refuse.
    pub(super) fn check(&self, watch: &Watch, bounds: &UrlBounds) -> Result<()> {
        let checked = match watch.tool {
            Probe::HostStatus => return Ok(()),
            Probe::File => self
                .files
                .check(watch.argument("path").unwrap_or_default())
                .map(drop),
            Probe::HttpGet => self
                .hosts
                .check(watch.argument("url").unwrap_or_default(), bounds),
        };
        checked.map_err(|error| Violation::input("watch.arguments", error.message).into())
    }
}
