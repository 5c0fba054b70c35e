//! How whoever changed something has the nodes look: this one at once, the others as soon as they
//! hear of it.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::neighbours::Neighbours;

/// Has the nodes look.
#[derive(Clone, Debug, Default)]
pub struct Wake {
    here: Arc<Notify>,
    neighbours: Neighbours,
}

impl Wake {
    /// By the wake-up of a pulse in this process, and those of the others.
    #[must_use]
    pub fn new(here: Arc<Notify>, neighbours: Neighbours) -> Self {
        Self { here, neighbours }
    }

    /// Something may have become claimable.
    pub(crate) fn due(&self) {
        self.here.notify_one();
        self.neighbours.tell_due();
    }

    /// Something that is carried out may have been asked to stop.
    pub(crate) fn stop(&self) {
        self.here.notify_one();
        self.neighbours.tell_stop();
    }
}

impl From<Arc<Notify>> for Wake {
    /// Without neighbours.
    fn from(here: Arc<Notify>) -> Self {
        Self::new(here, Neighbours::default())
    }
}
