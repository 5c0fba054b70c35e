//! Who carries work out: a bounded number of tasks that a shutdown can drain and a test can kill.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Slots and the tasks in them.
#[derive(Clone, Debug)]
pub struct Crew {
    /// Each execution holds one; a beat claims no more than are free.
    slots: Arc<Semaphore>,
    /// How many there are.
    size: usize,
    /// All tasks, chores included, so that a shutdown can wait for the last of them.
    tasks: TaskTracker,
    /// Told whenever a task ends, so that a pulse that waited for a slot looks again.
    freed: Arc<Notify>,
    /// Drops every task where it stands, as a crash would.
    killed: CancellationToken,
}

impl Crew {
    /// A crew with so many slots.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(slots)),
            size: slots,
            tasks: TaskTracker::new(),
            freed: Arc::default(),
            killed: CancellationToken::new(),
        }
    }

    /// How many slots there are, and how many of them are taken.
    #[must_use]
    pub fn taken(&self) -> (u32, u32) {
        let whole = |slots: usize| u32::try_from(slots).unwrap_or(u32::MAX);
        (
            whole(self.size),
            whole(self.size.saturating_sub(self.free())),
        )
    }

    /// Slots that are free.
    #[must_use]
    pub fn free(&self) -> usize {
        self.slots.available_permits()
    }

    /// Carries `work` out in a slot. The caller has looked at [`Crew::free`]; work beyond it waits
    /// for a slot.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let slots = Arc::clone(&self.slots);
        let permit = Arc::clone(&self.slots).try_acquire_owned().ok();
        // On the heap once: a future that is handed from block to block has room in each of them.
        let work = Box::pin(work);
        self.spawn_chore(async move {
            let _slot: Option<OwnedSemaphorePermit> = match permit {
                Some(permit) => Some(permit),
                None => slots.acquire_owned().await.ok(),
            };
            work.await;
        });
    }

    /// Carries out what takes no slot, such as deliveries.
    pub fn spawn_chore(&self, chore: impl Future<Output = ()> + Send + 'static) {
        let freed = Arc::clone(&self.freed);
        let killed = self.killed.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = killed.cancelled() => {}
                () = chore => {}
            }
            freed.notify_one();
        });
    }

    /// Resolves when a task has ended since the last call. Tasks whose ends were written together
    /// end together: all of them are waited for, so that their slots are filled by one claim.
    pub async fn freed(&self) {
        self.freed.notified().await;
        let mut before = 0;
        while self.free() > before {
            before = self.free();
            tokio::task::yield_now().await;
        }
    }

    /// Resolves once nothing is under way. Nothing may be spawned any more.
    pub async fn drained(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Drops everything where it stands, as a crash would, and waits until it is gone.
    pub async fn kill(&self) {
        self.killed.cancel();
        self.drained().await;
    }
}
