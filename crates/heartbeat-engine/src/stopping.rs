//! The sign to stop, one for each execution under way: the beat raises it, and whatever waits for a
//! model or a tool sees it at once and goes no further.

use std::sync::{Arc, OnceLock};

use heartbeat_domain::reason::Reason;
use tokio_util::sync::CancellationToken;

/// Whether an execution was asked to stop, and why.
#[derive(Clone, Debug, Default)]
pub struct StopSign {
    reason: Arc<OnceLock<Reason>>,
    raised: CancellationToken,
}

impl StopSign {
    /// Raises it; the first reason stays.
    pub(crate) fn raise(&self, reason: Reason) {
        self.reason.get_or_init(|| reason);
        self.raised.cancel();
    }

    /// Why it was raised, if it was.
    pub(crate) fn reason(&self) -> Option<Reason> {
        self.reason.get().copied()
    }

    /// Resolves once it was raised.
    pub(crate) async fn raised(&self) {
        self.raised.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sign_that_was_raised_keeps_its_first_reason_and_is_seen_by_whoever_looks_later() {
        let sign = StopSign::default();
        assert_eq!(sign.reason(), None);
        sign.raise(Reason::ProjectPaused);
        sign.raise(Reason::ByPerson);
        sign.clone().raised().await;
        assert_eq!(sign.reason(), Some(Reason::ProjectPaused));
    }
}
