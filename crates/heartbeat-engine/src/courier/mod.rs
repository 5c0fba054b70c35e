//! Hands messages to their channels, at least once each, under one stable id.

mod webhook;

use async_trait::async_trait;
use heartbeat_store::kill_point;
use heartbeat_store::verbs::{Attempt, Delivery};
use jiff::{SignedDuration, Timestamp};

pub use self::webhook::{Webhook, WebhookError, sign};
use crate::Parts;
use crate::patience::patiently;

/// Attempts before a delivery is given up, visibly.
const ATTEMPTS: u32 = 8;

/// Why a channel did not take a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What happened, without secrets.
    pub message: String,
    /// Whether another attempt can help.
    pub is_final: bool,
}

/// Who carries messages out; scripted in simulations.
#[async_trait]
pub trait Carrier: Send + Sync {
    /// Hands one message to its channel.
    async fn carry(&self, delivery: &Delivery, now: Timestamp) -> Result<(), Refusal>;
}

/// Carries one delivery and records what became of it.
///
/// If the process dies between the two, the delivery comes back and is handed over again under the
/// same id.
pub(crate) async fn deliver(parts: &Parts, delivery: Delivery) {
    let now = parts.waiter.now();
    let attempt = match parts.carrier.carry(&delivery, now).await {
        Ok(()) => Attempt::Delivered,
        Err(refusal) => after(&delivery, refusal, parts.waiter.now()),
    };
    kill_point("engine:handed_over");
    let Parts { store, waiter, .. } = parts;
    let recorded = patiently(&**waiter, || {
        store.record_attempt(&delivery, &attempt, waiter.now())
    });
    if let Err(error) = recorded.await {
        tracing::warn!(delivery.id = %delivery.id, %error, "An attempt was not recorded; it is made again");
    }
}

/// 5 s, then three times as long each time: 5 s, 15 s, 45 s, … , about 1.5 h in all.
fn after(delivery: &Delivery, refusal: Refusal, now: Timestamp) -> Attempt {
    let made = delivery.attempts + 1;
    if refusal.is_final || made >= ATTEMPTS {
        return Attempt::Failed {
            error: refusal.message,
        };
    }
    let seconds = 5_i64.saturating_mul(3_i64.saturating_pow(delivery.attempts));
    Attempt::Again {
        at: now + SignedDuration::from_secs(seconds),
        error: refusal.message,
    }
}
