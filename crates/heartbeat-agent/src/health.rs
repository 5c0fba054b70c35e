//! Whether a provider's key still works.
//!
//! After a key went bad exactly one request learns of it; everybody else is told the reason without
//! a request, until a probe (one every 30 s) is answered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use heartbeat_domain::conversation::{Turn, TurnRequest};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;

use crate::model::{ModelError, ModelErrorKind, OnText, Provider};
use crate::session::later;

/// Between two probes of something that is down.
pub const PROBE_EVERY: SignedDuration = SignedDuration::from_secs(30);

/// Health of one key at one server, or of one model there.
#[derive(Debug, Default)]
pub struct Health {
    down: Mutex<Option<Down>>,
}

#[derive(Clone, Debug)]
struct Down {
    reason: ModelError,
    /// Which model to probe with.
    model: String,
    /// Not known until somebody with a clock has looked.
    probe_at: Option<Timestamp>,
}

impl Health {
    /// What went wrong, while it is down.
    pub fn reason(&self) -> Option<ModelError> {
        self.lock().as_ref().map(|down| down.reason.clone())
    }

    /// Marks it down; the first reason stands.
    pub fn mark_down(&self, model: &str, reason: ModelError, now: Option<Timestamp>) {
        let probe_at = now.map(|now| later(now, PROBE_EVERY));
        let model = model.to_owned();
        let mut down = self.lock();
        let down = down.get_or_insert(Down {
            reason,
            model,
            probe_at,
        });
        down.probe_at = down.probe_at.or(probe_at);
    }

    /// Marks it up.
    pub fn mark_up(&self) {
        *self.lock() = None;
    }

    /// The model to probe with, if a probe is due; the next one is due 30 s later.
    pub fn probe_due(&self, now: Timestamp) -> Option<String> {
        let mut down = self.lock();
        let down = down.as_mut()?;
        let due = down.probe_at.is_some_and(|at| at <= now);
        if due || down.probe_at.is_none() {
            down.probe_at = Some(later(now, PROBE_EVERY));
        }
        due.then(|| down.model.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Down>> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A provider that is not asked while its key or model is known to be bad.
pub(crate) struct Gated {
    pub(crate) model: String,
    pub(crate) inner: Arc<dyn Provider>,
    pub(crate) key_health: Arc<Health>,
    pub(crate) model_health: Arc<Health>,
}

#[async_trait]
impl Provider for Gated {
    fn label(&self) -> String {
        self.inner.label()
    }

    async fn turn(&self, request: &TurnRequest, on_text: OnText<'_>) -> Result<Turn, ModelError> {
        if let Some(reason) = self
            .key_health
            .reason()
            .or_else(|| self.model_health.reason())
        {
            let message = format!("down: {reason}; asked again every 30 s");
            return Err(ModelError { message, ..reason });
        }
        let answer = self.inner.turn(request, on_text).await;
        if let Err(error) = &answer {
            self.learn(error);
        }
        answer
    }

    fn lane(&self) -> Option<Arc<Semaphore>> {
        self.inner.lane()
    }
}

impl Gated {
    fn learn(&self, error: &ModelError) {
        match error.kind {
            ModelErrorKind::Denied => self.key_health.mark_down(&self.model, error.clone(), None),
            ModelErrorKind::UnknownModel => {
                self.model_health
                    .mark_down(&self.model, error.clone(), None);
            }
            _ => {}
        }
    }
}
