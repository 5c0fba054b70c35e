//! Gates: whatever touches the world outside waits at one until the world lets it pass.
//!
//! Only what the world lets pass runs, so the order of everything is the seed's.

use std::sync::Arc;

use heartbeat_store::StoreError;
use tokio::sync::oneshot;

use super::clock::ProcessClock;
use super::stage::Stage;

/// What waits at a gate.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A verb of the store.
    Verb(&'static str),
    /// A wait until the process's clock shows that moment.
    Wait(i64),
    /// Something outside that answers at that true time at the earliest.
    Outside(&'static str, i64),
}

/// A gate at which somebody waits.
#[derive(Debug)]
pub(crate) struct Gate {
    /// The process.
    pub(crate) process: usize,
    /// Its clock.
    pub(crate) clock: Arc<ProcessClock>,
    /// What waits.
    pub(crate) what: What,
    pass: oneshot::Sender<Pass>,
}

impl Gate {
    /// Lets it pass; resolves once what was let through has happened.
    pub(crate) fn open(self, order: Order) -> oneshot::Receiver<()> {
        let (done, happened) = oneshot::channel();
        // Whoever waited may have given up; then `happened` says so too.
        let _ = self.pass.send(Pass {
            order,
            done: Some(done),
        });
        happened
    }
}

/// How a gate is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// As asked.
    Go,
    /// The store is not available; nothing happens.
    Refuse,
    /// It happens, and the answer is lost.
    LoseAnswer,
    /// It happens, and the process dies before it sees the answer.
    Die,
    /// It happens, and the answer is seen only after the process was frozen.
    GoThenFreeze,
}

/// Leave to pass.
#[derive(Debug)]
pub(crate) struct Pass {
    /// How.
    pub(crate) order: Order,
    done: Option<oneshot::Sender<()>>,
}

impl Pass {
    fn free() -> Self {
        Self {
            order: Order::Go,
            done: None,
        }
    }

    /// Tells the world that it has happened.
    pub(crate) fn happened(&mut self) {
        if let Some(done) = self.done.take() {
            let _ = done.send(());
        }
    }
}

/// The door of one process to the world: where its gates stand.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    /// The world.
    pub(crate) stage: Stage,
    /// The process.
    pub(crate) process: usize,
    /// Its clock.
    pub(crate) clock: Arc<ProcessClock>,
}

impl Door {
    /// Waits until the world lets it pass.
    pub(crate) async fn wait(&self, what: What) -> Pass {
        let passed = {
            let mut state = self.stage.lock();
            if state.open {
                return Pass::free();
            }
            let (pass, passed) = oneshot::channel();
            let number = state.next_gate;
            state.next_gate += 1;
            let gate = Gate {
                process: self.process,
                clock: Arc::clone(&self.clock),
                what,
                pass,
            };
            state.gates.insert(number, gate);
            passed
        };
        match passed.await {
            Ok(pass) => pass,
            // The world has ended: nothing happens any more.
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits for something outside that is let pass as asked.
    pub(crate) async fn pass(&self, what: What) {
        self.wait(what).await.happened();
    }

    /// Hands the answer of a verb on, or not, as ordered.
    pub(crate) async fn answer<T>(
        &self,
        mut pass: Pass,
        answer: Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let order = pass.order;
        pass.happened();
        match order {
            Order::Go | Order::Refuse => answer,
            Order::LoseAnswer => Err(unavailable()),
            Order::Die => std::future::pending().await,
            Order::GoThenFreeze => {
                self.pass(What::Outside("thaw", i64::MIN)).await;
                answer
            }
        }
    }
}

/// What a store answers that cannot be reached.
pub(crate) fn unavailable() -> StoreError {
    StoreError::Unavailable("the world says so".into())
}
