//! One place at which a process of the engine runs, dies and starts again.

use heartbeat_engine::beat::Node;
use heartbeat_store::StoreError;
use jiff::Timestamp;
use tokio::task::JoinHandle;

/// A place for a process.
pub(crate) struct Slot {
    /// Its name for people.
    pub(crate) name: String,
    /// How far its clock is off, in milliseconds.
    pub(crate) off_by: i64,
    /// What is there now.
    pub(crate) state: SlotState,
}

/// What is at a place.
pub(crate) enum SlotState {
    /// Nothing until that true time.
    Down(i64),
    /// A process that registers itself.
    Starting(usize, JoinHandle<Result<Node, StoreError>>),
    /// A process at work.
    Up(Box<Up>),
    /// A process that ends its lease.
    Stopping(usize, JoinHandle<()>),
}

/// A process at work.
pub(crate) struct Up {
    /// Its number.
    pub(crate) process: usize,
    /// The engine.
    pub(crate) node: Node,
    /// Its beat, while one is under way.
    pub(crate) beat: Option<JoinHandle<Result<Timestamp, StoreError>>>,
    /// The renewal of its lease, while one is under way.
    pub(crate) renewal: Option<JoinHandle<()>>,
    /// True time of its next renewal.
    pub(crate) renews_at: i64,
    /// True time of its last beat.
    pub(crate) beaten_at: i64,
    /// Until when it is frozen, if it is.
    pub(crate) frozen_until: Option<i64>,
}

impl Up {
    /// Whether its lease is to be renewed.
    pub(crate) fn must_renew(&self, real: i64) -> bool {
        self.frozen_until.is_none() && self.renewal.is_none() && self.renews_at <= real
    }
}

impl Slot {
    /// The number of the process that is there.
    pub(crate) fn process(&self) -> Option<usize> {
        match &self.state {
            SlotState::Down(_) => None,
            SlotState::Starting(process, _) | SlotState::Stopping(process, _) => Some(*process),
            SlotState::Up(up) => Some(up.process),
        }
    }

    /// The process, if it is at work.
    pub(crate) fn up(&self) -> Option<&Up> {
        match &self.state {
            SlotState::Up(up) => Some(up),
            _ => None,
        }
    }

    /// The process, if it is at work.
    pub(crate) fn up_mut(&mut self) -> Option<&mut Up> {
        match &mut self.state {
            SlotState::Up(up) => Some(up),
            _ => None,
        }
    }

    /// Ends the process where it stands; nothing is there until `until`.
    pub(crate) async fn crash(&mut self, until: i64) {
        match std::mem::replace(&mut self.state, SlotState::Down(until)) {
            SlotState::Down(_) => {}
            SlotState::Starting(_, task) => drop_task(task).await,
            SlotState::Stopping(_, task) => drop_task(task).await,
            SlotState::Up(mut up) => {
                if let Some(beat) = up.beat.take() {
                    drop_task(beat).await;
                }
                if let Some(renewal) = up.renewal.take() {
                    drop_task(renewal).await;
                }
                up.node.crew().kill().await;
            }
        }
    }
}

async fn drop_task<T>(task: JoinHandle<T>) {
    task.abort();
    // It was aborted, or had just ended; nobody wants to know which.
    let _ = task.await;
}
