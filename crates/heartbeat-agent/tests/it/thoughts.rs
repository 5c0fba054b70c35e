//! Models that sign their thoughts get them back as they came, in the turn they belong to.

use heartbeat_testkit::model_server::{ModelServer, Reply};
use serde_json::{Value, json};

use crate::answers::models;
use crate::world::{World, replied};

#[tokio::test]
async fn gemini_gets_its_signature_and_its_ids_back_with_the_results() {
    let calls = vec![
        ("look".to_owned(), json!({ "n": 1 })),
        ("look".to_owned(), json!({ "n": 2 })),
    ];
    let again = Reply::call("look", json!({ "n": 3 }));
    let server = ModelServer::start([Reply::Calls(calls), again, Reply::say("Done.")]).await;
    let world = World::new();
    let provider = models(&server).provider("gemini/m-1").unwrap();
    assert_eq!(world.run(provider.as_ref()).await, replied("Done."));
    let last = &server.requests()[2].body["contents"];
    let [turn, results, second, result] = last.as_array().unwrap().last_chunk::<4>().unwrap();
    assert!(turn["parts"][0]["thoughtSignature"].is_string(), "{last:#}");
    assert!(
        turn["parts"][1].get("thoughtSignature").is_none(),
        "{last:#}"
    );
    assert_eq!(results["parts"][1]["functionResponse"]["id"], "fc-1");
    assert!(
        second["parts"][0]["thoughtSignature"].is_string(),
        "{last:#}"
    );
    assert_eq!(result["parts"][0]["functionResponse"]["id"], "fc-0");
}

fn event(event: Value) -> String {
    format!("event: x\ndata: {event}\n\n")
}

/// Anthropic's stream of a thought, an empty text, and a call.
fn thoughtful() -> String {
    let begin = |index: u32, block: Value| {
        event(json!({ "type": "content_block_start", "index": index, "content_block": block }))
    };
    let delta = |index: u32, delta: Value| {
        event(json!({ "type": "content_block_delta", "index": index, "delta": delta }))
    };
    [
        event(json!({ "type": "message_start", "message": {} })),
        begin(
            0,
            json!({ "type": "thinking", "thinking": "", "signature": "" }),
        ),
        delta(
            0,
            json!({ "type": "thinking_delta", "thinking": "I should " }),
        ),
        delta(0, json!({ "type": "thinking_delta", "thinking": "look." })),
        delta(0, json!({ "type": "signature_delta", "signature": "c2ln" })),
        begin(1, json!({ "type": "text", "text": "" })),
        begin(
            2,
            json!({ "type": "tool_use", "id": "toolu_7", "name": "look", "input": {} }),
        ),
        delta(
            2,
            json!({ "type": "input_json_delta", "partial_json": "{\"n\":" }),
        ),
        delta(
            2,
            json!({ "type": "input_json_delta", "partial_json": "4}" }),
        ),
        event(json!({ "type": "message_delta", "delta": { "stop_reason": "tool_use" } })),
        event(json!({ "type": "message_stop" })),
    ]
    .concat()
}

#[tokio::test]
async fn anthropic_gets_its_thoughts_back_before_the_call_that_came_of_them() {
    let thought = Reply::Raw("text/event-stream".to_owned(), thoughtful());
    let server = ModelServer::start([thought, Reply::say("Done.")]).await;
    let world = World::new();
    let provider = models(&server).provider("anthropic/m-1").unwrap();
    assert_eq!(world.run(provider.as_ref()).await, replied("Done."));
    let messages = server.requests()[1].body["messages"].clone();
    let [turn, _results] = messages.as_array().unwrap().last_chunk::<2>().unwrap();
    let expected = json!([
        { "type": "thinking", "thinking": "I should look.", "signature": "c2ln" },
        { "type": "tool_use", "id": "toolu_7", "name": "look", "input": { "n": 4 } },
    ]);
    assert_eq!(turn["content"], expected);
}
