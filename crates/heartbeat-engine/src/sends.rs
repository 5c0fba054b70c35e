//! What a node has sent and not yet written an answer for.
//!
//! A holder that finds out that it was fenced may write one thing about it: that it sent. So the
//! list outlives the work itself, which is dropped at once when the lease is lost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use heartbeat_agent::StepSeq;
use heartbeat_domain::claim::Hold;
use jiff::Timestamp;

use crate::Parts;
use crate::patience::patiently;

/// Calls that were sent under a hold, with when.
#[derive(Clone, Debug, Default)]
pub struct Sends(Arc<Mutex<HashMap<(Hold, StepSeq), Timestamp>>>);

impl Sends {
    /// Its first byte is about to be sent.
    pub(crate) fn begin(&self, hold: Hold, seq: StepSeq, now: Timestamp) {
        self.lock().insert((hold, seq), now);
    }

    /// What became of it is on record.
    pub(crate) fn end(&self, hold: Hold, seq: StepSeq) {
        self.lock().remove(&(hold, seq));
    }

    /// This node will say nothing more of that hold.
    pub(crate) fn forget(&self, hold: Hold) {
        self.lock().retain(|(of, _), _| *of != hold);
    }

    /// Writes down what was sent under `hold`, which was fenced; under all holds where none is
    /// named. Best effort: it is a fact for people, nothing depends on it.
    pub(crate) async fn confess(&self, parts: &Parts, hold: Option<Hold>) {
        let sent: Vec<((Hold, StepSeq), Timestamp)> = {
            let mut sends = self.lock();
            let taken = sends.extract_if(|(of, _), _| hold.is_none_or(|hold| hold == *of));
            taken.collect()
        };
        let Parts { store, waiter, .. } = parts;
        for ((hold, seq), sent_at) in sent {
            let said = patiently(&**waiter, || store.late_send(&hold, seq, sent_at));
            if let Err(error) = said.await {
                tracing::warn!(execution.id = %hold.execution_id, seq, %error,
                    "That a call was sent late is not on record");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Hold, StepSeq), Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
