//! Settings of the engine.

use heartbeat_engine::settings::EngineSettings;
use heartbeat_store::verbs::Channel;
use jiff::SignedDuration;
use serde::Deserialize;

/// `[engine]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EngineConfig {
    pub(crate) slots: usize,
    pub(crate) drain_seconds: u32,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            slots: 1_000,
            drain_seconds: 10,
        }
    }
}

impl EngineConfig {
    pub(crate) fn settings(&self, channels: Vec<Channel>) -> EngineSettings {
        EngineSettings {
            slots: self.slots,
            drain: SignedDuration::from_secs(i64::from(self.drain_seconds)),
            channels,
            ..EngineSettings::default()
        }
    }
}
