//! What else a process touches outside: time, looks and the carrier of messages.

use std::sync::Arc;

use async_trait::async_trait;
use heartbeat_agent::Waiter;
use heartbeat_domain::watch::{Probe, Watch};
use heartbeat_engine::courier::{Carrier, Refusal};
use heartbeat_store::verbs::Delivery;
use heartbeat_tools::{Observe, ProbeError, UrlBounds};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::checks::asked;
use super::db::Db;
use super::gate::{Door, What};

/// Time, as a process knows it.
pub(crate) struct SimWaiter(pub(crate) Door);

#[async_trait]
impl Waiter for SimWaiter {
    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    async fn wait_until(&self, at: Timestamp) {
        let at = at.as_millisecond();
        if self.0.clock.now_ms() < at {
            self.0.pass(What::Wait(at)).await;
        }
    }
}

/// Looks that see what the world shows.
pub(crate) struct Eyes {
    /// The door of the process.
    pub(crate) door: Door,
    /// For looking at what is durable when a look begins.
    pub(crate) db: Db,
}

#[async_trait]
impl Observe for Eyes {
    async fn observe(&self, watch: &Watch, _bounds: &UrlBounds) -> Result<Value, ProbeError> {
        let mut pass = self.door.wait(What::Outside("ask", i64::MIN)).await;
        if watch.tool == Probe::HostStatus {
            let look = asked::look(&self.door, &self.db).await;
            pass.happened().await;
            pass.seen();
            self.door.pass(What::Outside("look", i64::MIN)).await;
            drop(look);
            return Ok(json!({ "disk": "fine" }));
        }
        pass.happened().await;
        pass.seen();
        self.door.pass(What::Outside("look", i64::MIN)).await;
        let real = self.door.stage.time.real();
        let mut state = self.door.stage.lock();
        let failing = state.faults.outside;
        if state.dice.in_thousand(failing) {
            return Err(ProbeError::new("the host did not answer"));
        }
        // What is seen changes every 40 minutes.
        Ok(json!({ "level": real / 2_400_000 % 7 }))
    }
}

/// Takes messages, most of the time.
pub(crate) struct Post(pub(crate) Door);

#[async_trait]
impl Carrier for Post {
    async fn carry(&self, delivery: &Delivery, _now: Timestamp) -> Result<(), Refusal> {
        self.0.pass(What::Outside("carry", i64::MIN)).await;
        let mut state = self.0.stage.lock();
        let failing = state.faults.outside;
        if state.dice.in_thousand(failing) {
            let is_final = state.dice.in_thousand(100);
            return Err(Refusal {
                message: "the webhook answered with status 500".to_owned(),
                is_final,
            });
        }
        let first = (delivery.notice.id, 0);
        let seen = state.memory.carried.entry(delivery.id).or_insert(first);
        seen.1 += 1;
        let known = seen.0;
        drop(state);
        if known != delivery.notice.id {
            let what = format!("delivery {} carried two messages", delivery.id);
            self.0.stage.find("delivery", what);
        }
        Ok(())
    }
}

/// The senses of a process, for its parts.
pub(crate) fn waiter(door: &Door) -> Arc<dyn Waiter> {
    Arc::new(SimWaiter(door.clone()))
}
