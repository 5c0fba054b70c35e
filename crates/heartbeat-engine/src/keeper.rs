//! Keeps a node's lease, and says so when it is lost.
//!
//! One lease for each incarnation, renewed every 3 s. A renewal succeeds, even late, as long as
//! nobody took over. Once somebody did, everything that this incarnation holds is another's: its
//! work is dropped and the process goes on as a new incarnation.

use std::sync::{Arc, Mutex, PoisonError};

use heartbeat_domain::claim::{LEASE, Node, NodeWork, RENEW_EVERY, Renewal};
use heartbeat_domain::ids::NodeId;
use heartbeat_store::StoreError;
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::Parts;
use crate::crew::Crew;
use crate::patience::patiently;
use crate::sends::Sends;

/// How soon a renewal that failed is tried again.
const AFTER_A_FAILURE: SignedDuration = SignedDuration::from_millis(500);

/// The lease of one incarnation.
#[derive(Clone)]
pub struct Keeper {
    parts: Parts,
    node: Arc<Mutex<Node>>,
    /// Says how much is under way.
    crew: Crew,
    lost: CancellationToken,
    sends: Sends,
}

impl Keeper {
    /// Registers a new incarnation.
    ///
    /// # Errors
    /// The store stayed unavailable.
    pub async fn register(parts: &Parts, name: &str, crew: &Crew) -> Result<Self, StoreError> {
        let now = parts.waiter.now();
        let node = Node {
            id: NodeId::new(&parts.ids, now),
            name: name.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: now,
            awake_since: now,
            lease_until: now + LEASE,
            ended_at: None,
            work: work(parts, crew, false),
        };
        let Parts { store, waiter, .. } = parts;
        patiently(&**waiter, || store.register_node(&node, waiter.now())).await?;
        Ok(Self {
            parts: parts.clone(),
            node: Arc::new(Mutex::new(node)),
            crew: crew.clone(),
            lost: CancellationToken::new(),
            sends: Sends::default(),
        })
    }

    /// This incarnation.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.lock().id
    }

    /// Cancelled once another node took over.
    #[must_use]
    pub fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }

    /// Whether the lease is in force by this process's own clock.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        !self.lost.is_cancelled() && self.lock().lease_until > now
    }

    /// What this incarnation has sent and not written an answer for.
    pub(crate) fn sends(&self) -> &Sends {
        &self.sends
    }

    /// Writes down what was sent before another node took over. Its work must have been dropped.
    pub async fn confess(&self) {
        self.sends.confess(&self.parts, None).await;
    }

    /// Renews once. A gap longer than a lease means that the process was frozen or the machine
    /// slept: what fell due meanwhile was missed, not late.
    pub async fn renew(&self) {
        let now = self.parts.waiter.now();
        let renewal = {
            let mut node = self.lock();
            if node.lease_until <= now {
                node.awake_since = now;
            }
            node.work = work(&self.parts, &self.crew, node.work.is_draining);
            Renewal {
                node_id: node.id,
                awake_since: node.awake_since,
                work: node.work,
            }
        };
        let id = renewal.node_id;
        match self.parts.store.renew_node(&renewal, now).await {
            Ok(()) => self.lock().lease_until = now + LEASE,
            Err(StoreError::Fenced | StoreError::NotFound(_)) => {
                tracing::warn!(node.id = %id, "Another node took over; this one starts anew");
                self.lost.cancel();
            }
            Err(error) => tracing::warn!(node.id = %id, %error, "The lease was not renewed"),
        }
    }

    /// Renews until the lease is lost or `stopped`; sooner again where a renewal failed, because a
    /// database that comes back must find its nodes before others bury them.
    pub async fn keep(&self, stopped: &CancellationToken) {
        let waiter = &self.parts.waiter;
        while !stopped.is_cancelled() && !self.lost.is_cancelled() {
            let renewed_at = self.lock().renewed_at();
            let pause = match waiter.now().duration_since(renewed_at) < RENEW_EVERY {
                true => RENEW_EVERY,
                false => AFTER_A_FAILURE,
            };
            tokio::select! {
                () = stopped.cancelled() => {}
                () = waiter.wait_until(waiter.now() + pause) => self.renew().await,
            }
        }
    }

    /// Says that this incarnation takes nothing new, and keeps its lease as [`Keeper::keep`] does.
    pub async fn keep_draining(&self) {
        self.lock().work.is_draining = true;
        self.renew().await;
        self.keep(&CancellationToken::new()).await;
    }

    /// Ends the lease, so that nobody has to wait for it.
    pub async fn end(&self) {
        let id = self.node_id();
        if let Err(error) = self.parts.store.end_node(id, self.parts.waiter.now()).await {
            tracing::warn!(node.id = %id, %error, "The lease was not ended; it ends by itself");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Node> {
        self.node.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a node says of itself.
fn work(parts: &Parts, crew: &Crew, is_draining: bool) -> NodeWork {
    let (slots, busy) = crew.taken();
    NodeWork {
        slots,
        busy,
        is_draining,
        clock_offset: parts.waiter.clock_offset(),
    }
}
