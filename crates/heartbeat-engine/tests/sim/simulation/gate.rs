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

/// Verbs that only read; the others share transactions.
const READING: [&str; 14] = [
    "reach",
    "project",
    "projects",
    "bot",
    "heartbeat",
    "nodes",
    "next_claimable_at",
    "next_delivery_at",
    "thread",
    "last_run",
    "execution",
    "steps",
    "held_by",
    "cancel_requests",
];

/// Verbs of the journal that are written together.
const JOURNAL: [&str; 6] = [
    "open_journal",
    "begin_turn",
    "record_turn",
    "lose_turn",
    "begin_calls",
    "record_call",
];

impl Gate {
    /// Whether it is a verb that writes.
    pub(crate) fn writes(&self) -> bool {
        matches!(self.what, What::Verb(verb) if !READING.contains(&verb))
    }

    /// Its place in a shared transaction: verbs by themselves, then those of the journal, then ends.
    pub(crate) fn place(&self) -> u8 {
        match self.what {
            What::Verb("finish") => 2,
            What::Verb(verb) if JOURNAL.contains(&verb) => 1,
            _ => 0,
        }
    }

    /// Whether nobody waits there any more, as when a wait lost a race with what it was for.
    pub(crate) fn is_deserted(&self) -> bool {
        self.pass.is_closed()
    }

    /// Lets it pass.
    pub(crate) fn open(self, order: Order) -> Passing {
        let (done, happened) = oneshot::channel();
        let (go_on, gone_on) = oneshot::channel();
        let (told, seen) = oneshot::channel();
        // Whoever waited may have given up; then `happened` says so too.
        let _ = self.pass.send(Pass {
            order,
            done: Some(done),
            go_on: Some(gone_on),
            told: Some(told),
        });
        Passing {
            happened: Some(happened),
            go_on: Some(go_on),
            seen,
        }
    }
}

/// Somebody who passes a gate: first it happens, then it is looked at, then the answer is seen.
pub(crate) struct Passing {
    happened: Option<oneshot::Receiver<()>>,
    go_on: Option<oneshot::Sender<()>>,
    seen: oneshot::Receiver<()>,
}

impl Passing {
    /// Resolves once it has happened; an error says that whoever waited there is gone.
    pub(crate) async fn happened(&mut self) {
        if let Some(happened) = self.happened.take() {
            let _ = happened.await;
        }
    }

    /// Has it looked at; resolves once that is done.
    pub(crate) async fn seen(mut self) {
        if let Some(go_on) = self.go_on.take() {
            let _ = go_on.send(());
        }
        let _ = self.seen.await;
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
    go_on: Option<oneshot::Receiver<()>>,
    told: Option<oneshot::Sender<()>>,
}

impl Pass {
    fn free() -> Self {
        Self {
            order: Order::Go,
            done: None,
            go_on: None,
            told: None,
        }
    }

    /// Tells the world that it has happened; resolves when it may be looked at. What happens
    /// together is looked at one after another.
    pub(crate) async fn happened(&mut self) {
        if let Some(done) = self.done.take() {
            let _ = done.send(());
        }
        if let Some(go_on) = self.go_on.take() {
            let _ = go_on.await;
        }
    }

    /// Tells the world that it has been looked at.
    pub(crate) fn seen(&mut self) {
        if let Some(told) = self.told.take() {
            let _ = told.send(());
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
        let mut pass = self.wait(what).await;
        pass.happened().await;
        pass.seen();
    }

    /// Hands the answer of a verb on, or not, as ordered.
    pub(crate) async fn answer<T>(
        &self,
        mut pass: Pass,
        answer: Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let order = pass.order;
        pass.happened().await;
        pass.seen();
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
