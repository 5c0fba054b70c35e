//! The main loop: beat, then wait. Newcomers start here.

use heartbeat_store::StoreError;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::Parts;
use crate::beat::Node;
use crate::neighbours::Nudges;

/// What makes a node beat.
#[derive(Clone)]
pub struct Pulse {
    /// What the node is made of.
    parts: Parts,
    /// Its name for people.
    name: String,
    /// Told when something became due in this process, so that nobody waits for the next look.
    wake: Arc<Notify>,
    /// Told when other nodes say that there is something to look for.
    nudges: Nudges,
    /// Cancelled when the process is to stop.
    shutdown: CancellationToken,
}

/// Shortest wait between two beats that failed.
const AFTER_A_FAILURE: SignedDuration = SignedDuration::from_millis(500);

impl Pulse {
    /// A pulse that has not begun to beat.
    #[must_use]
    pub fn new(parts: Parts, name: impl Into<String>, shutdown: CancellationToken) -> Self {
        Self {
            parts,
            name: name.into(),
            wake: Arc::default(),
            nudges: Nudges::default(),
            shutdown,
        }
    }

    /// Told by whoever makes something due now.
    #[must_use]
    pub fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Told by whoever hears other nodes.
    #[must_use]
    pub fn nudges(&self) -> Nudges {
        self.nudges.clone()
    }

    /// Beats until the shutdown, then drains. A lost lease starts a new incarnation.
    ///
    /// # Errors
    /// The store refused to register a node.
    pub async fn run(&self) -> Result<(), StoreError> {
        while !self.shutdown.is_cancelled() {
            let Some(node) = self.start().await? else {
                continue;
            };
            let kept = node.keeper().clone();
            let never = CancellationToken::new();
            tokio::select! {
                () = self.beat_on(&node) => self.drain(&node).await,
                () = kept.keep(&never) => lost(&node).await,
            }
        }
        Ok(())
    }

    /// A new incarnation; none yet while the store is unavailable.
    async fn start(&self) -> Result<Option<Node>, StoreError> {
        match Node::start(self.parts.clone(), &self.name).await {
            Ok(node) => Ok(Some(node)),
            Err(error @ StoreError::Unavailable(_)) => {
                tracing::warn!(%error, "The node is not registered yet; it is tried again");
                let waiter = &self.parts.waiter;
                tokio::select! {
                    () = waiter.wait_until(waiter.now() + AFTER_A_FAILURE) => {}
                    () = self.shutdown.cancelled() => {}
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn beat_on(&self, node: &Node) {
        while !self.shutdown.is_cancelled() {
            let look_again_at = match node.beat().await {
                Ok(at) => at,
                Err(error) => self.after(&error),
            };
            self.wait(node, look_again_at).await;
        }
    }

    fn after(&self, error: &StoreError) -> Timestamp {
        tracing::warn!(%error, "A beat failed; the next one comes in half a second");
        self.parts.waiter.now() + AFTER_A_FAILURE
    }

    /// Waits until it is time to look again, something woke it, a slot became free, or the end. That
    /// something is claimable elsewhere says nothing to a node without a free slot.
    async fn wait(&self, node: &Node, look_again_at: Timestamp) {
        if look_again_at <= self.parts.waiter.now() {
            tokio::task::yield_now().await;
            return;
        }
        tokio::select! {
            () = self.parts.waiter.wait_until(look_again_at) => {}
            () = self.wake.notified() => {}
            () = self.nudges.stop.notified() => {}
            () = self.nudges.due.notified(), if node.crew().free() > 0 => {}
            () = node.crew().freed(), if node.crew().free() == 0 => {}
            () = self.shutdown.cancelled() => {}
        }
    }

    /// Lets what runs come to its end, gives back what does not, and ends the lease. The lease is
    /// kept until then.
    async fn drain(&self, node: &Node) {
        let waiter = &self.parts.waiter;
        let patience_ends = waiter.now() + self.parts.settings.drain;
        tokio::select! {
            () = node.crew().drained() => {}
            () = waiter.wait_until(patience_ends) => {
                tracing::info!("Executions under way are given back; they go on at the next start");
                node.crew().kill().await;
            }
            () = node.keeper().keep_draining() => lost(node).await,
        }
        node.keeper().end().await;
        // What it held may be taken now.
        self.parts.live.neighbours().tell_due();
    }
}

/// Another node took over: what runs is dropped, and what it had sent is said.
async fn lost(node: &Node) {
    node.crew().kill().await;
    node.keeper().confess().await;
}
