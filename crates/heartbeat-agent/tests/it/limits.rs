//! Each limit ends a session with a code of its own.

use heartbeat_agent::model::scripted::{Scripted, call, calls, say};
use heartbeat_domain::conversation::{Message, ToolOutput};
use jiff::SignedDuration;
use serde_json::json;

use crate::world::{FakeToolbox, World, code, replied};

#[tokio::test]
async fn too_many_turns_end_with_their_code() {
    let mut world = World::new();
    world.limits.turns = 3;
    let model = Scripted::answering(|_| Ok(call("look", json!({}))));
    assert_eq!(code(&world.run(&model).await), "turn_limit");
    assert_eq!(model.requests().len(), 3);
}

#[tokio::test]
async fn too_many_calls_end_with_their_code_before_the_excess_is_made() {
    let mut world = World::new();
    world.limits.tool_calls = 3;
    let model = Scripted::answering(|_| Ok(calls([("look", json!({})), ("look", json!({}))])));
    assert_eq!(code(&world.run(&model).await), "tool_call_limit");
    assert_eq!(world.toolbox.calls().len(), 2);
}

#[tokio::test]
async fn a_run_out_of_time_ends_with_its_code() {
    let mut world = World::new();
    world.limits.wall = SignedDuration::from_secs(2);
    let model = Scripted::new([Err(busy()), Err(busy()), Err(busy()), Ok(say("Done."))]);
    let ended = world.run(&model).await;
    assert_eq!(
        code(&ended),
        "model_error",
        "a retry that would end too late is not waited for"
    );
    world.limits.wall = SignedDuration::ZERO;
    assert_eq!(code(&world.run(&model).await), "time_limit");
}

fn busy() -> heartbeat_agent::ModelError {
    heartbeat_agent::ModelError::new(
        heartbeat_agent::ModelErrorKind::Overloaded,
        "HTTP 529: busy",
    )
}

#[tokio::test]
async fn a_result_above_64_kb_is_cut_for_the_model_and_says_so() {
    let mut world = World::new();
    world.toolbox = FakeToolbox::new(|_| ToolOutput::text("ß".repeat(40_000)));
    let model = Scripted::new([Ok(call("look", json!({}))), Ok(say("Done."))]);
    assert_eq!(world.run(&model).await, replied("Done."));
    let Some(Message::ToolResult { text, .. }) = model.requests()[1].messages.last().cloned()
    else {
        panic!("the last message is the result")
    };
    assert!(text.ends_with("[Cut: the result has 80000 bytes, the first 65536 are shown.]"));
    assert!(text.len() < 66_000);
}
