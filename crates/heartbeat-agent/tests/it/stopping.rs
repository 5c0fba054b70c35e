//! A session that is asked to stop goes no further, whatever it is waiting for.

use std::sync::Arc;

use async_trait::async_trait;
use heartbeat_agent::journal::Halt;
use heartbeat_agent::model::scripted::{Scripted, calls};
use heartbeat_agent::model::{ModelError, ModelErrorKind, OnText, Provider};
use heartbeat_agent::session::{Ended, Session};
use heartbeat_agent::{Attempt, Made, Toolbox};
use heartbeat_domain::conversation::{ToolOutput, ToolSpec, Turn, TurnRequest};
use jiff::SignedDuration;
use serde_json::json;
use tokio::sync::{Notify, Semaphore};

use crate::world::World;

/// A model that begins to answer and never ends; perhaps with one place that others hold.
struct Endless {
    asked: Notify,
    lane: Option<Arc<Semaphore>>,
}

impl Endless {
    fn new(lane: Option<Arc<Semaphore>>) -> Self {
        Self {
            asked: Notify::new(),
            lane,
        }
    }
}

#[async_trait]
impl Provider for Endless {
    fn label(&self) -> String {
        "endless".to_owned()
    }

    fn lane(&self) -> Option<Arc<Semaphore>> {
        self.lane.clone()
    }

    async fn turn(&self, _: &TurnRequest, on_text: OnText<'_>) -> Result<Turn, ModelError> {
        on_text("so far so");
        self.asked.notify_one();
        std::future::pending().await
    }
}

/// Tools of which `host_status` never ends; the others are made at once.
#[derive(Default)]
struct Hanging {
    called: std::sync::Mutex<Vec<String>>,
    hangs: Notify,
}

#[async_trait]
impl Toolbox for Hanging {
    fn specs(&self) -> Vec<ToolSpec> {
        World::new().toolbox.specs()
    }

    async fn call(&self, attempt: Attempt<'_>) -> Result<Made, Halt> {
        let name = attempt.call.name.clone();
        let hangs = name == "host_status";
        self.called.lock().unwrap().push(name);
        if hangs {
            self.hangs.notify_one();
            std::future::pending::<()>().await;
        }
        Ok(Made::Answered(ToolOutput::text("seen")))
    }

    fn lane(&self, name: &str) -> Option<String> {
        (name != "notify_user").then(|| "one".to_owned())
    }
}

fn cancelled() -> Ended {
    Ended::Halted(Halt::Cancelled)
}

fn log(world: &World) -> String {
    world.journal.with(|r| r.log.join(", "))
}

#[tokio::test]
async fn an_answer_that_streams_is_cut_and_its_turn_is_lost() {
    let world = World::new();
    let model = Endless::new(None);
    let stop = async {
        model.asked.notified().await;
        world.journal.stop.send_replace(true);
    };
    let ended = futures::join!(world.run(&model), stop).0;
    assert_eq!(ended, cancelled());
    assert_eq!(log(&world), "open, begin 1, lose 1");
}

#[tokio::test]
async fn a_call_that_hangs_is_cut_its_neighbour_recorded_and_the_next_never_made() {
    let world = World::new();
    let toolbox = Hanging::default();
    let asked = ["notify_user", "host_status", "look"].map(|name| (name, json!({})));
    let model = Scripted::new([Ok(calls(asked))]);
    let session = Session {
        toolbox: &toolbox,
        ..world.session(&model)
    };
    let stop = async {
        toolbox.hangs.notified().await;
        world.journal.stop.send_replace(true);
    };
    let ended = futures::join!(session.run(world.request()), stop).0;
    assert_eq!(ended, cancelled());
    assert_eq!(log(&world), "open, begin 1, record 1, begin 2+3, record 2");
    assert_eq!(
        *toolbox.called.lock().unwrap(),
        ["notify_user", "host_status"]
    );
}

#[tokio::test]
async fn a_wait_for_another_attempt_is_cut_and_the_failure_stays_on_record() {
    let world = World::new();
    let busy = ModelError {
        retry_after: Some(SignedDuration::from_secs(30)),
        ..ModelError::new(ModelErrorKind::Overloaded, "too many requests")
    };
    let model = Scripted::answering(move |_| Err(busy.clone()));
    let stop = async {
        while world.journal.with(|r| r.notes.is_empty()) {
            tokio::task::yield_now().await;
        }
        world.journal.stop.send_replace(true);
    };
    let ended = futures::join!(world.run(&model), stop).0;
    assert_eq!(ended, cancelled());
    assert_eq!(model.requests().len(), 1);
    assert_eq!(log(&world), "open, begin 1, fail 1");
}

#[tokio::test]
async fn a_place_in_the_queue_is_given_up_before_anything_is_written_down() {
    let world = World::new();
    let model = Endless::new(Some(Arc::new(Semaphore::new(0))));
    let stop = async {
        while log(&world).is_empty() {
            tokio::task::yield_now().await;
        }
        world.journal.stop.send_replace(true);
    };
    let ended = futures::join!(world.run(&model), stop).0;
    assert_eq!(ended, cancelled());
    assert_eq!(log(&world), "open");
}

#[tokio::test]
async fn a_session_that_was_asked_to_stop_before_asks_nobody() {
    let world = World::new();
    world.journal.stop.send_replace(true);
    let model = Scripted::new([]);
    assert_eq!(world.run(&model).await, cancelled());
    assert!(model.requests().is_empty());
    assert_eq!(log(&world), "open, begin 1, lose 1");
}
