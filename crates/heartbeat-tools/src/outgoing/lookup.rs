//! Names to addresses, once for each connection, every address checked before it is used.
//!
//! Invariant: what the connection is made to is what was checked. The name is not asked for again.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::networks::Networks;

/// Something that knows the addresses of hosts; scripted in tests.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// All addresses of a host.
    async fn lookup(&self, host: &str) -> std::io::Result<Vec<IpAddr>>;
}

/// The system's own way to look names up.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// Why a name led nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("address refused: {0}")]
    Closed(&'static str),
    #[error("no address: {0}")]
    NoAddress(String),
}

impl Refusal {
    /// Finds a refusal of ours among the sources of the HTTP client's error.
    pub(super) fn within(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(refusal) = error.downcast_ref::<Self>() {
                return Some(refusal.clone());
            }
            next = error.source();
        }
        None
    }
}

/// Hands the HTTP client checked addresses only.
pub(super) struct Checked {
    pub(super) lookup: Arc<dyn Lookup>,
    /// `None` goes where the operator says.
    pub(super) networks: Option<Networks>,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = Arc::clone(&self.lookup);
        let networks = self.networks.clone();
        Box::pin(async move {
            let found = lookup
                .lookup(name.as_str())
                .await
                .map_err(|error| Refusal::NoAddress(error.to_string()))?;
            Ok(addresses(&found, networks.as_ref())?)
        })
    }
}

/// One address that may not be reached refuses the name as a whole: a name that points both ways is
/// set up to be tried until the wrong one answers.
fn addresses(found: &[IpAddr], networks: Option<&Networks>) -> Result<Addrs, Refusal> {
    if found.is_empty() {
        return Err(Refusal::NoAddress("the name is known, without any".into()));
    }
    if let Some(what) = networks.and_then(|networks| {
        let mut refusals = found.iter().filter_map(|&ip| networks.refusal(ip));
        refusals.next()
    }) {
        return Err(Refusal::Closed(what));
    }
    let with_port: Vec<SocketAddr> = found.iter().map(|&ip| SocketAddr::new(ip, 0)).collect();
    Ok(Box::new(with_port.into_iter()))
}
