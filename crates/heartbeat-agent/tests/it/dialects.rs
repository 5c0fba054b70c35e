//! What each dialect makes of every kind of answer.

use std::time::Duration;

use heartbeat_agent::journal::StepSeq;
use heartbeat_agent::model::ModelErrorKind::{
    self, Broken, Denied, Overloaded, Rejected, UnknownModel,
};
use heartbeat_agent::session::Ended;
use heartbeat_agent::{ModelSettings, Models};
use heartbeat_domain::conversation::{Message, ToolCall, Usage};
use heartbeat_testkit::model_server::{ModelServer, Reply};
use jiff::SignedDuration;
use serde_json::json;
use tokio::sync::Notify;

use crate::answers::{ALL, ask, ask_all, models, request, settings};
use crate::world::{World, replied};

#[tokio::test]
async fn a_text_is_streamed_and_its_usage_counted_as_reported() {
    for (answer, streamed) in ask_all(Reply::say("Grüße, all is well.")).await {
        let turn = answer.unwrap();
        assert_eq!(turn.text, "Grüße, all is well.");
        assert_eq!(streamed, turn.text);
        let usage = Usage {
            input_tokens: 100,
            cached_input_tokens: 20,
            output_tokens: 10,
            estimated: false,
        };
        assert_eq!(turn.usage, usage);
        assert!(!turn.cut);
    }
}

#[tokio::test]
async fn missing_usage_is_estimated_and_says_so() {
    for (answer, _) in ask_all(Reply::no_usage(Reply::say("twelve bytes"))).await {
        let usage = answer.unwrap().usage;
        assert!(usage.estimated);
        assert_eq!(usage.output_tokens, 3);
        assert!(usage.input_tokens > 10);
    }
}

#[tokio::test]
async fn parallel_calls_split_over_deltas_come_out_whole_and_in_order() {
    let asked = vec![
        (
            "look".to_owned(),
            json!({ "n": 1, "where": "the very first place" }),
        ),
        ("look".to_owned(), json!({ "n": 2 })),
    ];
    for (answer, _) in ask_all(Reply::Calls(asked.clone())).await {
        let calls = answer.unwrap().calls;
        let got: Vec<_> = calls
            .iter()
            .map(|c| (c.name.clone(), c.arguments.clone()))
            .collect();
        assert_eq!(got, asked);
        assert_ne!(calls[0].id, calls[1].id);
    }
}

#[tokio::test]
async fn arguments_that_are_no_json_reach_the_session_as_text() {
    for (answer, _) in ask_all(Reply::call("look", json!("{\"n\": "))).await {
        assert_eq!(answer.unwrap().calls[0].arguments, json!("{\"n\": "));
    }
}

#[tokio::test]
async fn an_answer_at_its_token_limit_is_marked_as_cut() {
    for (answer, _) in ask_all(Reply::Truncated("Half a".to_owned())).await {
        assert!(answer.unwrap().cut);
    }
}

async fn kinds(reply: Reply) -> Vec<ModelErrorKind> {
    let answers = ask_all(reply).await.into_iter();
    answers
        .map(|(answer, _)| answer.unwrap_err().kind)
        .collect()
}

#[tokio::test]
async fn whatever_is_not_a_whole_answer_is_broken() {
    let html = Reply::Raw("text/html".to_owned(), "<!doctype html><p>hello".to_owned());
    let page = Reply::Raw(
        "text/event-stream".to_owned(),
        "<html>\n\n<p>hello".to_owned(),
    );
    let no_end = "data: {\"choices\":[{\"delta\":{\"content\":\"Half\"}}]}\n\n";
    let no_end = Reply::Raw("text/event-stream".to_owned(), no_end.to_owned());
    let only_done = Reply::Raw(
        "text/event-stream".to_owned(),
        "data: [DONE]\n\n".to_owned(),
    );
    let empty = Reply::Raw("text/event-stream".to_owned(), String::new());
    let nonsense = Reply::Raw("application/json".to_owned(), "[1, 2]".to_owned());
    for reply in [
        Reply::Cut,
        Reply::Garbage,
        html,
        page,
        no_end,
        only_done,
        empty,
        nonsense,
    ] {
        assert_eq!(kinds(reply.clone()).await, [Broken; 3], "{reply:?}");
    }
}

#[tokio::test]
async fn http_errors_become_their_kinds() {
    let unknown = r#"{"error":{"message":"The model `m-1` does not exist"}}"#;
    for (status, body, kind) in [
        (401, "{}", Denied),
        (403, "{}", Denied),
        (404, unknown, UnknownModel),
        (404, "<html>not here", Rejected),
        (400, "{}", Rejected),
        (408, "", Overloaded),
        (503, "", Overloaded),
    ] {
        assert_eq!(
            kinds(Reply::status(status, &[], body)).await,
            [kind; 3],
            "{status} {body}"
        );
    }
}

#[tokio::test]
async fn a_429_carries_its_retry_after() {
    for (answer, _) in ask_all(Reply::status(429, &[("retry-after", "7")], "{}")).await {
        let error = answer.unwrap_err();
        assert_eq!((error.kind, error.status), (Overloaded, Some(429)));
        assert_eq!(error.retry_after, Some(SignedDuration::from_secs(7)));
    }
}

#[tokio::test]
async fn overload_told_inside_an_answer_is_passing_only_before_its_first_word() {
    let error = "data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n";
    let reply = Reply::Raw("text/event-stream".to_owned(), error.to_owned());
    assert_eq!(kinds(reply).await, [Overloaded; 3]);
    let word = "data: {\"choices\":[{\"delta\":{\"content\":\"Half\"}}],\
                \"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Half\"}]}}],\
                \"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"Half\"}}\n\n";
    let reply = Reply::Raw("text/event-stream".to_owned(), format!("{word}{error}"));
    assert_eq!(kinds(reply).await, [Broken; 3]);
}

#[tokio::test]
async fn a_cut_answer_says_what_it_used_up_and_an_empty_one_used_nothing() {
    for (answer, streamed) in ask_all(Reply::Cut).await {
        let spent = answer.unwrap_err().spent.unwrap();
        assert!(!streamed.is_empty() && spent.estimated && spent.output_tokens > 0);
    }
    for (answer, _) in ask_all(Reply::Garbage).await {
        assert_eq!(answer.unwrap_err().spent, None);
    }
}

#[tokio::test]
async fn a_server_that_nobody_runs_is_unreachable_and_the_message_names_it() {
    let server = ModelServer::start([]).await;
    let models = Models::new(settings("http://127.0.0.1:1")).unwrap();
    drop(server);
    for model in ALL {
        let error = ask(models.provider(model).unwrap().as_ref())
            .await
            .0
            .unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::Unreachable);
        assert!(error.message.contains("127.0.0.1:1"), "{error}");
    }
}

#[tokio::test]
async fn an_echoed_key_does_not_reach_the_message() {
    let names = ["openai", "anthropic", "gemini"];
    let body = r#"{"error":{"message":"bad key key-of-openai key-of-anthropic key-of-gemini"}}"#;
    let answers = ask_all(Reply::status(401, &[], body)).await;
    for (name, (answer, _)) in names.iter().zip(answers) {
        let message = answer.unwrap_err().message;
        assert!(!message.contains(&format!("key-of-{name}")), "{message}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let whole = json!({
        "choices": [{ "message": { "content": "Hello." }, "finish_reason": "stop" }],
        "content": [{ "type": "text", "text": "Hello." }],
        "stop_reason": "end_turn",
        "candidates": [{ "content": { "parts": [{ "text": "Hello." }] }, "finishReason": "STOP" }],
    });
    let reply = Reply::Raw("application/json".to_owned(), whole.to_string());
    for (answer, streamed) in ask_all(reply).await {
        assert_eq!(answer.unwrap().text, "Hello.");
        assert_eq!(streamed, "Hello.");
    }
}

/// OpenAI's dialect as lax servers speak it.
async fn lax(events: &[serde_json::Value]) -> heartbeat_domain::conversation::Turn {
    let body: String = events
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    let server = ModelServer::start([Reply::Raw(String::new(), body)]).await;
    let provider = models(&server).provider(ALL[0]).unwrap();
    ask(provider.as_ref()).await.0.unwrap()
}

#[tokio::test]
async fn calls_without_an_index_or_all_with_the_same_one_are_kept_apart() {
    for index in [json!(null), json!(0)] {
        let call = |id: &str, n: u32| {
            let function = json!({ "name": "look", "arguments": json!({ "n": n }).to_string() });
            json!({ "index": index, "id": id, "function": function })
        };
        let delta = json!({ "tool_calls": [call("a", 1), call("b", 2)] });
        let end = json!({ "choices": [{ "delta": delta, "finish_reason": "tool_calls" }] });
        let turn = lax(&[end]).await;
        let numbers: Vec<_> = turn
            .calls
            .iter()
            .map(|call| call.arguments["n"].clone())
            .collect();
        assert_eq!(numbers, [1, 2], "index {index}");
    }
}

#[tokio::test]
async fn a_stream_without_done_is_whole_once_it_gave_a_reason_to_stop() {
    let words = json!({ "choices": [{ "delta": { "content": "<think>hm</think>\n\nYes." } }] });
    let end = json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }] });
    let turn = lax(&[words, end]).await;
    assert_eq!(
        turn.text, "Yes.",
        "what the model thought is not what it says"
    );
    assert!(turn.usage.estimated);
}

#[tokio::test]
async fn requests_carry_key_limit_tools_and_the_conversation() {
    let server = ModelServer::start(vec![Reply::say("ok"); 3]).await;
    let models = models(&server);
    let mut request = request("Anything new?");
    let call = |id: &str| ToolCall {
        id: id.to_owned(),
        name: "look".to_owned(),
        arguments: json!("{"),
    };
    let result = |id: &str| Message::ToolResult {
        call_id: id.to_owned(),
        name: "look".to_owned(),
        text: "seen".to_owned(),
        is_error: true,
    };
    let calls = vec![call("a"), call("b")];
    request.messages.push(Message::Assistant {
        text: String::new(),
        calls,
        echo: None,
    });
    request.messages.extend([result("a"), result("b")]);
    for model in ALL {
        models
            .provider(model)
            .unwrap()
            .turn(&request, &|_| {})
            .await
            .unwrap();
    }
    let [open_ai, anthropic, gemini] = server.requests().try_into().unwrap();
    assert_eq!(open_ai.key.as_deref(), Some("key-of-openai"));
    assert_eq!(open_ai.body["model"], "m-1");
    assert_eq!(open_ai.body["max_tokens"], 300);
    assert_eq!(open_ai.body["stream_options"]["include_usage"], true);
    assert_eq!(open_ai.body["tools"][0]["function"]["name"], "look");
    assert_eq!(open_ai.body["messages"].as_array().unwrap().len(), 5);
    assert_eq!(open_ai.body["messages"][4]["tool_call_id"], "b");
    assert_eq!(anthropic.path, "/v1/messages");
    assert_eq!(anthropic.key.as_deref(), Some("key-of-anthropic"));
    assert_eq!(anthropic.body["system"], "Be terse.");
    assert_eq!(anthropic.body["max_tokens"], 300);
    assert_eq!(anthropic.body["messages"].as_array().unwrap().len(), 3);
    assert_eq!(
        anthropic.body["messages"][2]["content"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert!(anthropic.body["messages"][1]["content"][0]["input"].is_object());
    assert_eq!(gemini.path, "/v1beta/models/m-1:streamGenerateContent");
    assert_eq!(gemini.key.as_deref(), Some("key-of-gemini"));
    let body = &gemini.body;
    assert_eq!(body["systemInstruction"]["parts"][0]["text"], "Be terse.");
    assert_eq!(body["generationConfig"]["maxOutputTokens"], 300);
    let tool = &body["tools"][0]["functionDeclarations"][0];
    assert_eq!(tool["name"], "look");
    assert_eq!(tool["parametersJsonSchema"]["type"], "object");
    let roles: Vec<_> = body["contents"].as_array().unwrap().iter().collect();
    let roles: Vec<_> = roles.iter().map(|turn| turn["role"].as_str()).collect();
    assert_eq!(roles, [Some("user"), Some("model"), Some("user")]);
    let results = body["contents"][2]["parts"].as_array().unwrap();
    assert_eq!(results.len(), 2, "the results of one turn come in one");
    let failed = json!({ "name": "look", "response": { "error": "seen" } });
    assert_eq!(results[0]["functionResponse"], failed);
}

#[tokio::test]
async fn an_answer_that_stalls_after_its_headers_is_given_up_and_says_so() {
    for model in ALL {
        let server = ModelServer::start([Reply::Stall]).await;
        let settings = ModelSettings {
            stall: Some(Duration::from_millis(300)),
            ..settings(&server.url)
        };
        let provider = Models::new(settings).unwrap().provider(model).unwrap();
        let error = ask(provider.as_ref()).await.0.unwrap_err();
        assert_eq!(error.kind, Broken, "{model}");
        assert!(error.message.contains("stalled"), "{error}");
        assert!(error.spent.unwrap().output_tokens > 0, "{model}");
    }
}

#[tokio::test]
async fn a_model_that_calls_functions_only_without_thinking_is_told_not_to_think() {
    let refusal = "Function tools with reasoning_effort are not supported for m-1 in \
                   /v1/chat/completions. Use /v1/responses or set reasoning_effort to 'none'.";
    let body = json!({ "error": { "message": refusal } }).to_string();
    let refuses = Reply::status(400, &[], &body);
    let script = [refuses.clone(), Reply::say("ok"), Reply::say("ok"), refuses];
    let server = ModelServer::start(script).await;
    let provider = models(&server).provider(ALL[0]).unwrap();
    assert_eq!(ask(provider.as_ref()).await.0.unwrap().text, "ok");
    assert!(server.requests()[0].body.get("reasoning_effort").is_none());
    assert_eq!(server.requests()[1].body["reasoning_effort"], "none");
    assert_eq!(ask(provider.as_ref()).await.0.unwrap().text, "ok");
    assert_eq!(server.requests().len(), 3, "the second turn knows it");
    assert_eq!(server.requests()[2].body["reasoning_effort"], "none");
    let refused = ask(provider.as_ref()).await.0.unwrap_err();
    assert_eq!(
        refused.kind, Rejected,
        "what was done already is not done again"
    );
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_field_that_a_server_refuses_by_name_is_left_out_or_renamed() {
    let refusals = [
        "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
        "stream_options: extra inputs are not permitted",
    ];
    for refusal in refusals {
        let body = json!({ "error": { "message": refusal } }).to_string();
        let refuses = Reply::status(400, &[], &body);
        let server = ModelServer::start([refuses, Reply::say("ok")]).await;
        let provider = models(&server).provider(ALL[0]).unwrap();
        assert_eq!(ask(provider.as_ref()).await.0.unwrap().text, "ok");
        let body = &server.requests()[1].body;
        let limit = body.get("max_tokens").or(body.get("max_completion_tokens"));
        assert_eq!(limit, Some(&json!(300)), "a limit is always sent");
        let renamed = body.get("max_completion_tokens").is_some();
        assert_ne!(
            renamed,
            body.get("stream_options").is_none(),
            "only what was refused changes"
        );
    }
}

#[tokio::test]
async fn a_whole_session_runs_over_the_wire_and_retries_what_passes() {
    for model in ALL {
        let script = [
            Reply::status(429, &[("retry-after", "3")], "{}"),
            Reply::call("look", json!({ "n": 1 })),
            Reply::say("Done."),
        ];
        let server = ModelServer::start(script).await;
        let world = World::new();
        let provider = models(&server).provider(model).unwrap();
        assert_eq!(world.run(provider.as_ref()).await, replied("Done."));
        assert_eq!(server.requests().len(), 3);
        let note: Vec<StepSeq> = world
            .journal
            .with(|r| r.notes.iter().map(|n| n.0).collect());
        assert_eq!(note, [1]);
    }
}

#[tokio::test]
async fn a_server_that_holds_its_first_byte_is_given_up_after_thirty_seconds() {
    let go = std::sync::Arc::new(Notify::new());
    let server = ModelServer::start([Reply::hold_until(&go, Reply::say("late"))]).await;
    let mut world = World::new();
    world.limits.attempts = 1;
    let provider = models(&server).provider(ALL[0]).unwrap();
    let later = async {
        server.wait_for_requests(1).await;
        world.waiter.advance(SignedDuration::from_secs(30));
    };
    match futures::join!(world.run(provider.as_ref()), later).0 {
        Ended::ModelUnavailable { spent: false, .. } => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_bad_base_url_is_refused_by_name() {
    let settings = ModelSettings {
        openai_base_url: Some("localhost:80".to_owned()),
        ..ModelSettings::default()
    };
    let Err(error) = Models::new(settings).unwrap().provider("openai/x") else {
        panic!("a URL without a scheme is not one")
    };
    assert!(error.message.contains("must begin with http"), "{error}");
}
