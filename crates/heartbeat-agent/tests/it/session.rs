//! The loop itself, with a scripted model.

use heartbeat_agent::journal::{BudgetStop, Halt};
use heartbeat_agent::model::scripted::{Scripted, call, calls, say};
use heartbeat_agent::session::Ended;
use heartbeat_domain::conversation::{Message, ToolOutput, Turn};
use serde_json::{Value, json};

use crate::world::{FakeToolbox, World, code, replied};

#[tokio::test]
async fn a_turn_and_every_call_are_written_down_before_they_are_made() {
    let world = World::new();
    let model = Scripted::new([
        Ok(calls([("look", json!({})), ("look", json!({}))])),
        Ok(say("Done.")),
    ]);
    assert_eq!(world.run(&model).await, replied("Done."));
    let log = world.journal.with(|r| r.log.join(", "));
    assert_eq!(
        log,
        "open, begin 1, record 1, begin 2+2, record 2, record 3, begin 4, record 4"
    );
    assert_eq!(world.journal.with(|r| r.deltas.clone()), "Done.");
}

#[tokio::test]
async fn results_are_returned_in_the_models_order() {
    let mut world = World::new();
    world.toolbox = FakeToolbox::new(|call| ToolOutput::text(call.arguments["n"].to_string()));
    world.toolbox.alone = vec!["host_status"];
    let names = ["look", "look", "host_status", "look"];
    let asked = names
        .iter()
        .zip(1..)
        .map(|(name, n)| (*name, json!({ "n": n })));
    let model = Scripted::new([Ok(calls(asked)), Ok(say("Done."))]);
    world.run(&model).await;
    let messages = model.requests().remove(1).messages;
    let results: Vec<_> = messages.iter().filter_map(result).collect();
    assert_eq!(results, ["1", "2", "3", "4"]);
}

fn result(message: &Message) -> Option<&str> {
    match message {
        Message::ToolResult { text, .. } => Some(text),
        _ => None,
    }
}

async fn told_about(asked: Turn) -> (String, Vec<String>) {
    let world = World::new();
    let model = Scripted::new([Ok(asked), Ok(say("Done."))]);
    assert_eq!(world.run(&model).await, replied("Done."));
    let messages = model.requests().remove(1).messages;
    match messages.last() {
        Some(Message::ToolResult {
            text,
            is_error: true,
            ..
        }) => (text.clone(), world.toolbox.calls()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_tool_that_does_not_exist_is_answered_with_those_that_do() {
    let (text, called) = told_about(call("lok", json!({}))).await;
    assert!(
        text.contains("\"lok\"") && text.contains("look, notify_user"),
        "{text}"
    );
    assert!(called.is_empty());
}

#[tokio::test]
async fn arguments_that_are_no_object_are_told_to_the_model_and_nothing_is_called() {
    let (text, called) = told_about(call("look", Value::String("{\"a\":".to_owned()))).await;
    assert!(text.contains("not a JSON object"), "{text}");
    assert!(called.is_empty());
}

#[tokio::test]
async fn nothing_to_report_alone_ends_the_session_quietly() {
    let world = World::new();
    let model = Scripted::new([Ok(call(
        "nothing_to_report",
        json!({ "reason": "all green" }),
    ))]);
    let quiet = Some("all green".to_owned());
    assert_eq!(
        world.run(&model).await,
        Ended::Replied {
            text: String::new(),
            quiet
        }
    );
}

#[tokio::test]
async fn nothing_to_report_beside_another_call_does_not_end_it() {
    let world = World::new();
    let both = calls([("notify_user", json!({})), ("nothing_to_report", json!({}))]);
    let model = Scripted::new([Ok(both), Ok(say("Told."))]);
    assert_eq!(world.run(&model).await, replied("Told."));
}

#[tokio::test]
async fn a_reply_that_is_only_heartbeat_ok_is_quiet() {
    let world = World::new();
    let model = Scripted::new([Ok(say("**HEARTBEAT_OK**"))]);
    match world.run(&model).await {
        Ended::Replied { quiet: Some(_), .. } => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_reply_cut_at_its_limit_says_so() {
    let world = World::new();
    let cut = Turn {
        cut: true,
        ..say("Half a")
    };
    let ended = world.run(&Scripted::new([Ok(cut)])).await;
    assert_eq!(
        ended,
        replied("Half a\n\n[The answer was cut at its token limit.]")
    );
}

#[tokio::test]
async fn a_model_that_says_and_does_nothing_has_failed() {
    let world = World::new();
    assert_eq!(
        code(&world.run(&Scripted::new([Ok(say(" "))])).await),
        "model_error"
    );
}

#[tokio::test]
async fn a_lowered_max_tokens_holds_for_that_turn() {
    let mut world = World::new();
    world.journal.granted = Some(300);
    let model = Scripted::new([Ok(say("Done."))]);
    world.run(&model).await;
    assert_eq!(model.requests()[0].max_tokens, 300);
}

#[tokio::test]
async fn a_halt_of_the_journal_ends_the_session_before_anything_is_done() {
    let world = World::new();
    world.journal.dies_after(Some(1));
    let model = Scripted::new([Ok(say("Done."))]);
    assert_eq!(world.run(&model).await, Ended::Halted(Halt::Fenced));
    assert!(model.requests().is_empty());
    let halt = Halt::Budget {
        reason: BudgetStop::Busy,
        message: "later".to_owned(),
    };
    assert_eq!(Ended::from(halt.clone()), Ended::Halted(halt));
}
