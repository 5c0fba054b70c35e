//! Asking again: what is tried again, how long, and what it ends as.

use std::sync::Arc;

use async_trait::async_trait;
use heartbeat_agent::journal::Halt;
use heartbeat_agent::model::scripted::{Scripted, call, say};
use heartbeat_agent::model::{ModelError, ModelErrorKind, OnText, Provider};
use heartbeat_agent::session::Ended;
use heartbeat_domain::conversation::{Turn, TurnRequest};
use jiff::SignedDuration;
use serde_json::json;
use tokio::sync::Notify;

use crate::world::{World, code, replied};

fn error(kind: ModelErrorKind) -> ModelError {
    ModelError::new(kind, "it broke")
}

fn unreachable() -> Result<Turn, ModelError> {
    Err(error(ModelErrorKind::Unreachable))
}

#[tokio::test]
async fn a_model_that_recovers_is_not_a_failure_and_its_attempts_are_noted() {
    let world = World::new();
    let busy = || Err(error(ModelErrorKind::Overloaded));
    let model = Scripted::new([busy(), unreachable(), busy(), Ok(say("Done."))]);
    assert_eq!(world.run(&model).await, replied("Done."));
    let notes = world.journal.with(|r| r.notes.clone());
    assert_eq!(notes.len(), 3);
    assert!(
        notes[0]
            .1
            .starts_with("attempt 1 of 4: it broke; asked again after"),
        "{notes:?}"
    );
}

#[tokio::test]
async fn four_refusals_are_unavailable_and_cost_nothing() {
    let world = World::new();
    let model = Scripted::answering(|_| unreachable());
    match world.run(&model).await {
        Ended::ModelUnavailable {
            spent: false,
            message,
        } => {
            assert!(message.contains("tried 4 times"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(model.requests().len(), 4);
    assert_eq!(world.journal.with(|r| r.failures.len()), 1);
}

#[tokio::test]
async fn unavailable_after_an_answered_turn_says_that_something_was_spent() {
    let world = World::new();
    let script = std::iter::once(Ok(call("look", json!({})))).chain((0..4).map(|_| unreachable()));
    match world.run(&Scripted::new(script)).await {
        Ended::ModelUnavailable { spent: true, .. } => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_http_error_among_the_attempts_makes_it_an_error() {
    let world = World::new();
    let script = [
        Err(error(ModelErrorKind::Overloaded)),
        unreachable(),
        unreachable(),
        unreachable(),
    ];
    assert_eq!(
        code(&world.run(&Scripted::new(script)).await),
        "model_error"
    );
}

#[tokio::test]
async fn what_asking_again_cannot_mend_is_not_asked_again() {
    for kind in [ModelErrorKind::Broken, ModelErrorKind::Rejected] {
        let world = World::new();
        let model = Scripted::answering(move |_| Err(error(kind)));
        assert_eq!(code(&world.run(&model).await), "model_error");
        assert_eq!(model.requests().len(), 1);
    }
    for kind in [ModelErrorKind::Denied, ModelErrorKind::UnknownModel] {
        let world = World::new();
        let model = Scripted::answering(move |_| Err(error(kind)));
        assert_eq!(world.run(&model).await, Ended::ModelDenied(error(kind)));
        assert_eq!(model.requests().len(), 1);
    }
}

#[tokio::test]
async fn retry_after_is_obeyed_and_one_beyond_the_limit_is_not_waited_for() {
    let asks_for = |seconds| ModelError {
        retry_after: Some(SignedDuration::from_secs(seconds)),
        ..error(ModelErrorKind::Overloaded)
    };
    let world = World::new();
    let model = Scripted::new([Err(asks_for(9)), Ok(say("Done."))]);
    assert_eq!(world.run(&model).await, replied("Done."));
    assert!(world.waiter.waits.lock().unwrap()[0] >= SignedDuration::from_secs(9));

    let world = World::new();
    let model = Scripted::answering(move |_| Err(asks_for(61)));
    assert_eq!(code(&world.run(&model).await), "model_error");
    assert_eq!(model.requests().len(), 1);
}

#[tokio::test]
async fn the_same_seed_waits_the_same() {
    let waits = || async {
        let world = World::new();
        world.run(&Scripted::answering(|_| unreachable())).await;
        world.waiter.waits.into_inner().unwrap()
    };
    let first = waits().await;
    assert_eq!(first.len(), 3);
    assert_eq!(first, waits().await);
}

#[tokio::test]
async fn who_lost_the_lease_while_waiting_does_not_ask_again() {
    let world = World::new();
    world.journal.dies_after(Some(2));
    let model = Scripted::answering(|_| unreachable());
    assert_eq!(world.run(&model).await, Ended::Halted(Halt::Fenced));
    assert_eq!(model.requests().len(), 1);
}

/// A provider that gives a sign of life, or none, and then nothing more.
struct Silent {
    heard: bool,
    asked: Arc<Notify>,
}

#[async_trait]
impl Provider for Silent {
    fn label(&self) -> String {
        "silent".to_owned()
    }

    async fn turn(&self, _: &TurnRequest, on_text: OnText<'_>) -> Result<Turn, ModelError> {
        if self.heard {
            on_text("");
        }
        self.asked.notify_one();
        std::future::pending().await
    }
}

#[tokio::test]
async fn no_first_byte_in_time_is_unreachable() {
    let mut world = World::new();
    world.limits.attempts = 1;
    let asked = Arc::new(Notify::new());
    let model = Silent {
        heard: false,
        asked: asked.clone(),
    };
    let later = async {
        asked.notified().await;
        world.waiter.advance(SignedDuration::from_secs(30));
    };
    match futures::join!(world.run(&model), later).0 {
        Ended::ModelUnavailable { message, .. } => {
            assert!(message.contains("no first byte in 30s"))
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_answer_that_began_may_take_until_the_run_is_out_of_time() {
    let world = World::new();
    let asked = Arc::new(Notify::new());
    let model = Silent {
        heard: true,
        asked: asked.clone(),
    };
    let later = async {
        asked.notified().await;
        world.waiter.advance(SignedDuration::from_secs(31));
        tokio::task::yield_now().await;
        assert!(
            world.journal.with(|r| r.failures.is_empty()),
            "it is still waited for"
        );
        world.waiter.advance(SignedDuration::from_mins(10));
    };
    assert_eq!(
        code(&futures::join!(world.run(&model), later).0),
        "time_limit"
    );
    assert_eq!(world.journal.with(|r| r.failures.len()), 1);
}
