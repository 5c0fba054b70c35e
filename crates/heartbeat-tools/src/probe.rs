//! One look of a watch: which probe it is, and what it may reach.

use async_trait::async_trait;
use heartbeat_domain::watch::{Probe, Watch};
use serde_json::Value;

use crate::file::LocalFiles;
use crate::host_status::host_status;
use crate::http_get::{AllowedHosts, UrlBounds};

/// Why a look failed. Its text names no value that was seen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProbeError {
    /// What failed and what to do.
    pub message: String,
}

impl ProbeError {
    /// With that text.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

/// Something that looks; scripted in simulations.
#[async_trait]
pub trait Observe: Send + Sync {
    /// Looks once; a URL leads no further than `bounds`. Text is answered as a string, JSON as what it is.
    async fn observe(&self, watch: &Watch, bounds: &UrlBounds) -> Result<Value, ProbeError>;
}

/// The real probes, with what the operator allows them to reach.
#[derive(Debug)]
pub struct Probes {
    files: LocalFiles,
    hosts: AllowedHosts,
}

impl Probes {
    /// Probes that reach these files and hosts.
    #[must_use]
    pub fn new(files: LocalFiles, hosts: AllowedHosts) -> Self {
        Self { files, hosts }
    }
}

#[async_trait]
impl Observe for Probes {
    async fn observe(&self, watch: &Watch, bounds: &UrlBounds) -> Result<Value, ProbeError> {
        match watch.tool {
            Probe::HostStatus => blocking(host_status).await?,
            Probe::File => {
                let path = watch.argument("path").unwrap_or_default().to_owned();
                let files = self.files.clone();
                blocking(move || files.read(&path))
                    .await?
                    .map(Value::String)
            }
            Probe::HttpGet => {
                self.hosts
                    .get(watch.argument("url").unwrap_or_default(), bounds)
                    .await
            }
        }
    }
}

/// Runs a look that blocks off the threads that serve everybody else.
async fn blocking<T: Send + 'static>(
    look: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ProbeError> {
    tokio::task::spawn_blocking(look)
        .await
        .map_err(|_| ProbeError::new("the look was given up because the process is stopping"))
}
