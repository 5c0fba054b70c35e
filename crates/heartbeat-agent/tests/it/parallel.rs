//! What runs at the same time, and what does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use heartbeat_agent::model::scripted::{Scripted, calls, say};
use heartbeat_agent::session::Session;
use heartbeat_agent::settings::{Dialect, NamedModel};
use heartbeat_agent::{Attempt, Halt, Made, ModelSettings, Models, Toolbox};
use heartbeat_domain::conversation::{ToolOutput, ToolSpec};
use heartbeat_testkit::model_server::{ModelServer, Reply};
use jiff::SignedDuration;
use serde_json::json;
use tokio::sync::Notify;

use crate::world::{World, code, replied};

/// Counts how many calls are under way at once; `stuck` never ends.
#[derive(Default)]
struct Crowd {
    inside: AtomicUsize,
    most: AtomicUsize,
    together: bool,
}

#[async_trait]
impl Toolbox for Crowd {
    fn specs(&self) -> Vec<ToolSpec> {
        World::new().toolbox.specs()
    }

    async fn call(&self, attempt: Attempt<'_>) -> Result<Made, Halt> {
        if attempt.call.name == "host_status" {
            std::future::pending::<()>().await;
        }
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(inside, Ordering::SeqCst);
        tokio::task::yield_now().await;
        self.inside.fetch_sub(1, Ordering::SeqCst);
        Ok(Made::Answered(ToolOutput::text("seen")))
    }

    fn lane(&self, _: &str) -> Option<String> {
        (!self.together).then(|| "one".to_owned())
    }
}

fn session<'a>(world: &'a World, toolbox: &'a Crowd, model: &'a Scripted) -> Session<'a> {
    Session {
        toolbox,
        ..world.session(model)
    }
}

#[tokio::test]
async fn calls_of_one_turn_run_together_where_allowed_and_one_by_one_where_not() {
    for (together, most) in [(true, 3), (false, 1)] {
        let world = World::new();
        let crowd = Crowd {
            together,
            ..Crowd::default()
        };
        let three = calls([
            ("look", json!({})),
            ("look", json!({})),
            ("look", json!({})),
        ]);
        let model = Scripted::new([Ok(three), Ok(say("Done."))]);
        let ended = session(&world, &crowd, &model).run(world.request()).await;
        assert_eq!(ended, replied("Done."));
        assert_eq!(crowd.most.load(Ordering::SeqCst), most);
    }
}

#[tokio::test]
async fn a_call_that_never_ends_is_left_open_when_the_time_is_up_and_its_neighbour_recorded() {
    let world = World::new();
    let crowd = Crowd {
        together: true,
        ..Crowd::default()
    };
    let both = calls([("look", json!({})), ("host_status", json!({}))]);
    let model = Scripted::new([Ok(both)]);
    let session = session(&world, &crowd, &model);
    let time_passes = async {
        while world
            .journal
            .with(|r| r.calls.get(&2).cloned().flatten().is_none())
        {
            tokio::task::yield_now().await;
        }
        world.waiter.advance(SignedDuration::from_mins(10));
    };
    let ended = futures::join!(session.run(world.request()), time_passes).0;
    assert_eq!(code(&ended), "time_limit");
    assert_eq!(world.journal.with(|r| r.calls[&3].clone()), None);
}

#[tokio::test]
async fn no_more_sessions_ask_a_server_at_once_than_it_takes() {
    let go = Arc::new(Notify::new());
    let held = Reply::hold_until(&go, Reply::say("First."));
    let server = ModelServer::start([held, Reply::say("Second.")]).await;
    let named = NamedModel {
        dialect: Dialect::OpenAi,
        base_url: server.url.clone(),
        api_key: None,
        model: "m".to_owned(),
        max_in_flight: Some(1),
    };
    let mut settings = ModelSettings::default();
    settings.named.insert("local".to_owned(), named);
    let models = Models::new(settings).unwrap();
    let provider = models.provider("local").unwrap();
    let (one, two) = (World::new(), World::new());
    let release = async {
        server.wait_for_requests(1).await;
        assert!(
            two.journal.with(|r| r.gone.is_empty()),
            "nobody queues with a reservation"
        );
        two.waiter.advance(SignedDuration::from_secs(12));
        go.notify_one();
    };
    let (first, second, ()) = futures::join!(
        one.run(provider.as_ref()),
        two.run(provider.as_ref()),
        release
    );
    assert_eq!((first, second), (replied("First."), replied("Second.")));
    let note = two.journal.with(|r| r.notes[0].1.clone());
    assert_eq!(note, "waited 12s for a place at local");
}
