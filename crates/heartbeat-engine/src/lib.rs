//! The pulse of Heartbeat: due, claim, run, settle, notify; and what people do to all of it.
//!
//! Start reading at [`pulse`]: it beats, then waits. A [`beat`] takes what is due and hands it to
//! the [`crew`]; [`carry_out`] takes one claim from admission to settlement. [`control`] is what
//! people do; everything else here serves one of these.

pub mod beat;
mod belt;
mod capabilities;
mod caretaker;
pub mod carry_out;
pub mod clock_offset;
pub mod control;
pub mod courier;
pub mod crew;
mod ending;
pub mod events;
mod holds;
pub mod incidents;
mod journal;
pub mod keeper;
mod ledger;
pub mod neighbours;
mod offer;
mod outside;
mod patience;
mod privacy;
pub mod pulse;
mod record;
pub mod secret;
pub mod sends;
pub mod settings;
mod signal;
pub mod stopping;
pub mod system_clock;
pub mod wake;
mod watcher;

use std::sync::Arc;

use heartbeat_agent::{ModelError, Models, Provider, Waiter};
use heartbeat_domain::budget::Rates;
use heartbeat_domain::ids::IdSource;
use heartbeat_domain::plan::Plans;
use heartbeat_store::Store;
use heartbeat_tools::{Hands, Observe, WebFetch};
use jiff::Timestamp;

use crate::courier::Carrier;
use crate::events::Live;
use crate::incidents::Incidents;
use crate::settings::EngineSettings;

/// Models, as the engine needs them; scripted in simulations.
#[async_trait::async_trait]
pub trait Providers: Send + Sync {
    /// Who answers for a model; the text says why nobody does.
    fn provider(&self, model: &str) -> Result<Arc<dyn Provider>, String>;

    /// What a model costs.
    fn rates(&self, model: &str) -> Rates;

    /// Marks a model's provider as down: nobody asks it but a probe.
    fn mark_down(&self, model: &str, reason: &str, now: Timestamp);

    /// Models whose providers are down and are to be probed now.
    fn probes_due(&self, now: Timestamp) -> Vec<String>;

    /// Asks a provider that is down whether it is up again.
    async fn probe(&self, model: &str) -> Result<(), ModelError>;
}

#[async_trait::async_trait]
impl Providers for Models {
    fn provider(&self, model: &str) -> Result<Arc<dyn Provider>, String> {
        Self::provider(self, model).map_err(|error| error.message)
    }

    fn rates(&self, model: &str) -> Rates {
        Self::rates(self, model)
    }

    fn mark_down(&self, model: &str, reason: &str, now: Timestamp) {
        Self::mark_down(self, model, reason, now);
    }

    fn probes_due(&self, now: Timestamp) -> Vec<String> {
        Self::probes_due(self, now)
    }

    async fn probe(&self, model: &str) -> Result<(), ModelError> {
        Self::probe(self, model).await
    }
}

/// What an engine is made of. Everything that touches the world comes in here.
#[derive(Clone)]
pub struct Parts {
    /// The memory.
    pub store: Arc<dyn Store>,
    /// Time, and the only way to wait.
    pub waiter: Arc<dyn Waiter>,
    /// Ids and secrets.
    pub ids: Arc<IdSource>,
    /// The minds.
    pub models: Arc<dyn Providers>,
    /// The eyes.
    pub observe: Arc<dyn Observe>,
    /// The hands: what reaches tool servers.
    pub hands: Arc<dyn Hands>,
    /// What fetches pages; where there is none, nobody is offered it.
    pub web: Option<Arc<WebFetch>>,
    /// Who carries messages out.
    pub carrier: Arc<dyn Carrier>,
    /// What projects may do.
    pub plans: Arc<Plans>,
    /// Numbers.
    pub settings: Arc<EngineSettings>,
    /// What happens, for those who look on.
    pub live: Live,
    /// What is known of the providers' troubles.
    pub incidents: Incidents,
}
