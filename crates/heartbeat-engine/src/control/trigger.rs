//! Carrying out a heartbeat now, because a person wants it.

use heartbeat_domain::execution::{Execution, Phase};
use heartbeat_domain::ids::ExecutionId;
use heartbeat_store::verbs::{HeartbeatKey, TriggerAsk};
use jiff::{SignedDuration, Timestamp};

use super::{Control, Result};

/// How long a trigger waits for the end, where the caller does not say.
pub const TRIGGER_WAIT_DEFAULT: SignedDuration = SignedDuration::from_secs(110);

/// How often the end is looked for.
const LOOK_EVERY: SignedDuration = SignedDuration::from_millis(50);

impl Control {
    /// Triggers a heartbeat and waits for its end, at most `wait`. The execution goes on whether
    /// anybody waits or not; an answer whose phase is not `ended` is one that was not waited for.
    ///
    /// # Errors
    /// It does not exist, or switch or plan forbid it.
    pub async fn trigger(&self, key: HeartbeatKey, wait: SignedDuration) -> Result<Execution> {
        let now = self.now();
        self.store.heartbeat(key, now).await?;
        self.check_switch(key).await?;
        let execution_id = ExecutionId::new(&self.ids, now);
        let execution = self
            .store
            .trigger(TriggerAsk { key, execution_id }, now)
            .await?;
        self.wake.due();
        self.wait_for(execution, now + wait).await
    }

    async fn wait_for(&self, mut execution: Execution, until: Timestamp) -> Result<Execution> {
        while execution.phase != Phase::Ended && self.now() < until {
            self.waiter.wait_until(self.now() + LOOK_EVERY).await;
            execution = self
                .store
                .execution(execution.project_id, execution.id)
                .await?;
        }
        Ok(execution)
    }
}
