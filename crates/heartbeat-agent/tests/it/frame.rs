//! The frame of a quiet beat: what we add to the user's own texts and the tools' schemas.

use heartbeat_agent::Toolbox;
use heartbeat_agent::preamble::{Circumstances, LastRun, first_request};
use heartbeat_agent::session::Ended;
use heartbeat_testkit::model_server::{ModelServer, Reply};
use serde_json::json;

use crate::answers::{ALL, models};
use crate::world::World;

const FRAME_CHARS_MAX: usize = 4_000;

fn circumstances(world: &World) -> Circumstances {
    Circumstances {
        instructions: "I".repeat(5_000),
        agent_name: "Ada".to_owned(),
        heartbeat_label: "morning round".to_owned(),
        now: "2026-11-22T09:00[Europe/Berlin]".parse().unwrap(),
        last_run: Some(LastRun {
            at: "2026-11-21T08:00Z".parse().unwrap(),
            outcome: "success".to_owned(),
            summary: "s".repeat(5_000),
        }),
        missed: None,
        memories: Vec::new(),
        earlier_today: Vec::new(),
        thread_tokens_max: 2_000,
        watch: None,
        prompt: "P".repeat(3_000),
        model: ALL[0].to_owned(),
        mark: None,
        tools: world.toolbox.specs(),
        max_tokens: 4_096,
    }
}

#[tokio::test]
async fn the_frame_of_a_quiet_beat_stays_below_four_thousand_characters() {
    for model in ALL {
        let quiet = Reply::call("nothing_to_report", json!({ "reason": "all green" }));
        let server = ModelServer::start([quiet]).await;
        let world = World::new();
        let c = circumstances(&world);
        let provider = models(&server).provider(model).unwrap();
        match world
            .session(provider.as_ref())
            .run(first_request(&c))
            .await
        {
            Ended::Replied { quiet: Some(_), .. } => {}
            other => panic!("{other:?}"),
        }
        let requests = server.requests();
        assert_eq!(requests.len(), 1, "a quiet beat is one request");
        let own = c.instructions.len() + c.prompt.len();
        let tools = requests[0].body["tools"].to_string().len();
        let frame = requests[0].text.chars().count() - own - tools;
        assert!(frame <= FRAME_CHARS_MAX, "{model}: {frame} characters");
    }
}
