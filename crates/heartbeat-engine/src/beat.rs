//! One beat: everything that is due now, handed to the crew; and when to look again.

use std::sync::Arc;

use heartbeat_domain::claim::Claim;
use heartbeat_store::StoreError;
use heartbeat_store::verbs::ClaimAsk;
use jiff::{SignedDuration, Timestamp};

use crate::Parts;
use crate::caretaker::Caretaker;
use crate::carry_out::carry_out;
use crate::courier::deliver;
use crate::crew::Crew;
use crate::holds::Holds;
use crate::keeper::Keeper;

/// Longest time until the next look, whatever is due.
#[cfg(not(feature = "kill-points"))]
fn look_again_within() -> SignedDuration {
    SignedDuration::from_secs(1)
}

/// The same; a rehearsal that must not depend on regular looks sets `HEARTBEAT_LOOK_AGAIN_SECONDS`.
#[cfg(feature = "kill-points")]
fn look_again_within() -> SignedDuration {
    let text = std::env::var("HEARTBEAT_LOOK_AGAIN_SECONDS").ok();
    let seconds = text.and_then(|text| text.parse().ok()).unwrap_or(1);
    SignedDuration::from_secs(seconds)
}

/// How long a delivery may take before it is attempted again.
const DELIVERY_MAX: SignedDuration = SignedDuration::from_secs(60);

/// One node at work: what a beat needs.
#[derive(Clone)]
pub struct Node {
    pub(crate) parts: Parts,
    pub(crate) crew: Crew,
    pub(crate) keeper: Keeper,
    pub(crate) caretaker: Arc<Caretaker>,
    holds: Arc<Holds>,
}

impl Node {
    /// A new incarnation.
    ///
    /// # Errors
    /// The store stayed unavailable.
    pub async fn start(parts: Parts, name: &str) -> Result<Self, StoreError> {
        let crew = Crew::new(parts.settings.slots);
        let keeper = Keeper::register(&parts, name, &crew).await?;
        let caretaker = Arc::new(Caretaker::default());
        Ok(Self {
            parts,
            crew,
            keeper,
            caretaker,
            holds: Arc::default(),
        })
    }

    /// The keeper of its lease.
    #[must_use]
    pub fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// Its crew.
    #[must_use]
    pub fn crew(&self) -> &Crew {
        &self.crew
    }

    /// Does everything that is due now and answers when to look again.
    ///
    /// # Errors
    /// The store is unavailable, or this incarnation has been taken over.
    pub async fn beat(&self) -> Result<Timestamp, StoreError> {
        let now = self.parts.waiter.now();
        let node_id = self.keeper.node_id();
        self.holds.give_back(&self.parts, node_id, now).await;
        self.holds.stop(&self.parts, node_id).await?;
        let claims = self.claim(now).await?;
        let is_full = claims.len() >= self.parts.settings.claims_per_beat;
        for claim in claims {
            self.hand_over(claim);
        }
        let delivery = self.send_out(now).await?;
        self.caretaker.look_round(self, now);
        if is_full && self.crew.free() > 0 {
            return Ok(now);
        }
        self.look_again_at(delivery, now).await
    }

    async fn claim(&self, now: Timestamp) -> Result<Vec<Claim>, StoreError> {
        let want = self.crew.free().min(self.parts.settings.claims_per_beat);
        if want == 0 || !self.keeper.holds(now) {
            return Ok(Vec::new());
        }
        let ask = ClaimAsk {
            node_id: self.keeper.node_id(),
            want,
        };
        let claimed = self.parts.store.claim_due(ask, now).await;
        if matches!(claimed, Err(StoreError::Unavailable(_))) {
            self.holds.doubt();
        }
        claimed
    }

    fn hand_over(&self, claim: Claim) {
        let node = self.clone();
        let sign = node.holds.begin(claim.hold);
        self.crew.spawn(async move {
            let left = carry_out(&node.parts, &node.keeper, &claim, &sign).await;
            node.holds.end(claim.hold, left);
        });
    }

    /// Sends out what is due; answers when the next delivery is. Most beats have nothing to send,
    /// and a look costs less than a turn of the writer.
    async fn send_out(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let store = &self.parts.store;
        let next = store.next_delivery_at().await?;
        if next.is_none_or(|at| at > now) {
            return Ok(next);
        }
        let want = self.parts.settings.deliveries_per_beat;
        let hold_until = now + DELIVERY_MAX;
        for delivery in store.due_deliveries(want, hold_until, now).await? {
            let parts = self.parts.clone();
            self.crew
                .spawn_chore(async move { deliver(&parts, delivery).await });
        }
        store.next_delivery_at().await
    }

    async fn look_again_at(
        &self,
        delivery: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Timestamp, StoreError> {
        let latest = now + look_again_within();
        let claimable = match self.crew.free() {
            0 => None,
            _ => self.parts.store.next_claimable_at(now).await?,
        };
        Ok([claimable, delivery]
            .into_iter()
            .flatten()
            .fold(latest, Timestamp::min))
    }
}
