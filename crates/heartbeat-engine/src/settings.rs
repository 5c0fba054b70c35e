//! The engine's numbers. Plain values: nobody here reads the environment.

use heartbeat_agent::Limits;
use heartbeat_store::verbs::Channel;
use jiff::SignedDuration;

/// The engine's numbers.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Executions that a node carries out at once.
    pub slots: usize,
    /// Fires that one beat takes at most.
    pub claims_per_beat: usize,
    /// Deliveries that one beat takes at most.
    pub deliveries_per_beat: usize,
    /// Limits of one session.
    pub limits: Limits,
    /// Tokens of today's earlier executions that a session is shown at most.
    pub thread_tokens_max: u64,
    /// How long a shutdown waits for what runs before it gives it back.
    pub drain: SignedDuration,
    /// Channels that messages travel through, beside the inbox.
    pub channels: Vec<Channel>,
    /// Longest time of one call of an outside tool.
    pub call_within: SignedDuration,
    /// How long the budget may be held by others before a turn is refused.
    pub budget_patience: SignedDuration,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            slots: 1_000,
            claims_per_beat: 500,
            deliveries_per_beat: 50,
            limits: Limits::default(),
            thread_tokens_max: 8_000,
            drain: SignedDuration::from_secs(10),
            channels: Vec::new(),
            call_within: SignedDuration::from_secs(60),
            budget_patience: SignedDuration::from_secs(30),
        }
    }
}
