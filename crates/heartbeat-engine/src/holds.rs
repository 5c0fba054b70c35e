//! What a node holds: what it carries out, what of it is to stop, and what it gives back because it
//! does not carry it out.
//!
//! Two things are given back: what was left while the store was unavailable, and what a claim took
//! whose answer never came. Without the latter a live node would hold a fire that nobody carries
//! out, and its heartbeat would stand still until the node dies.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use heartbeat_domain::claim::Hold;
use heartbeat_domain::ids::NodeId;
use heartbeat_store::StoreError;
use heartbeat_store::verbs::StopRequest;
use jiff::Timestamp;

use crate::Parts;
use crate::carry_out::Left;
use crate::stopping::StopSign;

/// What a node holds.
#[derive(Debug, Default)]
pub(crate) struct Holds(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Being carried out, each with its sign to stop.
    carried: HashMap<Hold, StopSign>,
    /// To be given back.
    left: Vec<Hold>,
    /// Whether a claim may have taken something without our knowing.
    in_doubt: bool,
}

impl Holds {
    /// It is being carried out, until the sign is raised.
    pub(crate) fn begin(&self, hold: Hold) -> StopSign {
        self.lock().carried.entry(hold).or_default().clone()
    }

    /// Raises the signs of what is carried out and was asked to stop.
    pub(crate) async fn stop(&self, parts: &Parts, node_id: NodeId) -> Result<(), StoreError> {
        if self.lock().carried.is_empty() {
            return Ok(());
        }
        let asked = parts.store.cancel_requests(node_id).await?;
        let asked: HashMap<_, _> = asked
            .iter()
            .map(
                |StopRequest {
                     project_id,
                     execution_id,
                     reason,
                 }| { ((*project_id, *execution_id), *reason) },
            )
            .collect();
        if asked.is_empty() {
            return Ok(());
        }
        for (hold, sign) in &self.lock().carried {
            if let Some(reason) = asked.get(&(hold.project_id, hold.execution_id)) {
                sign.raise(*reason);
            }
        }
        Ok(())
    }

    /// It no longer is.
    pub(crate) fn end(&self, hold: Hold, left: Left) {
        let mut state = self.lock();
        state.carried.remove(&hold);
        if left == Left::GiveBack {
            state.left.push(hold);
        }
    }

    /// A claim was not answered.
    pub(crate) fn doubt(&self) {
        self.lock().in_doubt = true;
    }

    /// Gives back what can be given back now.
    pub(crate) async fn give_back(&self, parts: &Parts, node_id: NodeId, now: Timestamp) {
        if std::mem::take(&mut self.lock().in_doubt) {
            match parts.store.held_by(node_id).await {
                Ok(held) => self.leave_strangers(held),
                Err(_) => self.doubt(),
            }
        }
        let left = std::mem::take(&mut self.lock().left);
        for hold in left {
            match parts.store.release(&hold, now).await {
                Ok(()) | Err(StoreError::Fenced | StoreError::NotFound(_)) => {}
                Err(_) => self.lock().left.push(hold),
            }
        }
    }

    fn leave_strangers(&self, held: Vec<Hold>) {
        let mut state = self.lock();
        for hold in held {
            if !state.carried.contains_key(&hold) && !state.left.contains(&hold) {
                state.left.push(hold);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
