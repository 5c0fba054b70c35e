//! A session that dies anywhere and goes on with the same journal.

use heartbeat_agent::journal::Halt;
use heartbeat_agent::model::scripted::{Scripted, call, calls, say};
use heartbeat_agent::session::Ended;
use heartbeat_domain::conversation::{Message, Turn, TurnRequest};
use serde_json::json;

use crate::world::{World, replied};

/// A model that decides by what it is shown, as a real one would: a script by position would give
/// a turn asked again the wrong answer.
fn model() -> Scripted {
    Scripted::answering(|request| Ok(answer(request)))
}

fn answer(request: &TurnRequest) -> Turn {
    let results = request
        .messages
        .iter()
        .filter(|m| matches!(m, Message::ToolResult { .. }));
    match results.count() {
        0 => calls([("look", json!({ "n": 1 })), ("look", json!({ "n": 2 }))]),
        2 => call("notify_user", json!({})),
        _ => say("Done."),
    }
}

const VERBS_OF_A_RUN: usize = 12;

#[tokio::test]
async fn whatever_is_on_record_is_neither_asked_nor_made_again() {
    for dies_after in 0..VERBS_OF_A_RUN {
        let world = World::new();
        let model = model();
        world.journal.dies_after(Some(dies_after));
        let ended = world.run(&model).await;
        assert_eq!(ended, Ended::Halted(Halt::Fenced), "after {dies_after}");
        let on_record = recorded(&world);
        world.journal.with(|r| r.gone.clear());
        world.journal.dies_after(None);
        assert_eq!(
            world.run(&model).await,
            replied("Done."),
            "after {dies_after}"
        );
        let gone = world.journal.with(|r| r.gone.clone());
        let again: Vec<_> = gone.iter().filter(|seq| on_record.contains(seq)).collect();
        assert!(
            again.is_empty(),
            "steps {again:?} were done again after {dies_after}"
        );
        let steps: Vec<_> = recorded(&world);
        assert_eq!(steps, [1, 2, 3, 4, 5, 6], "after {dies_after}");
    }
}

fn recorded(world: &World) -> Vec<u32> {
    world.journal.with(|r| {
        let turns = r
            .turns
            .iter()
            .filter(|(_, turn)| turn.is_some())
            .map(|(seq, _)| *seq);
        let calls = r
            .calls
            .iter()
            .filter(|(_, output)| output.is_some())
            .map(|(seq, _)| *seq);
        let mut all: Vec<_> = turns.chain(calls).collect();
        all.sort_unstable();
        all
    })
}

#[tokio::test]
async fn a_run_that_is_wholly_on_record_touches_neither_model_nor_tools() {
    let world = World::new();
    assert_eq!(world.run(&model()).await, replied("Done."));
    let calls_before = world.toolbox.calls().len();
    let untouched = Scripted::new([]);
    assert_eq!(world.run(&untouched).await, replied("Done."));
    assert!(untouched.requests().is_empty());
    assert_eq!(world.toolbox.calls().len(), calls_before);
}

#[tokio::test]
async fn going_on_starts_from_the_recorded_first_request() {
    let world = World::new();
    world.journal.dies_after(Some(1));
    let mut edited = world.request();
    world.session(&model()).run(world.request()).await;
    world.journal.dies_after(None);
    edited.messages.push(Message::User {
        text: "an edit made since".to_owned(),
    });
    let model = model();
    world.session(&model).run(edited).await;
    assert_eq!(model.requests()[0].messages.len(), 2);
}
