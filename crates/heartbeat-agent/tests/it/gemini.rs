//! What is Gemini's own: reasons to finish, thoughts in the count, errors told in the body, names in
//! the address.

use heartbeat_agent::model::ModelError;
use heartbeat_agent::model::ModelErrorKind::{Broken, Denied, Overloaded, Rejected};
use heartbeat_agent::{ModelSettings, Models};
use heartbeat_domain::conversation::Turn;
use heartbeat_testkit::model_server::{ModelServer, Reply};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::answers::{ask, models, settings};

const GEMINI: &str = "gemini/m-1";

/// The answer to a stream of these events.
async fn answer(events: &[Value]) -> Result<Turn, ModelError> {
    let body: String = events
        .iter()
        .map(|event| format!("data: {event}\r\n\r\n"))
        .collect();
    reply(Reply::Raw("text/event-stream".to_owned(), body)).await
}

async fn reply(reply: Reply) -> Result<Turn, ModelError> {
    let server = ModelServer::start([reply]).await;
    let provider = models(&server).provider(GEMINI).unwrap();
    ask(provider.as_ref()).await.0
}

fn candidate(parts: Value, finish: Value) -> Value {
    json!({ "candidates": [{ "content": { "parts": parts }, "finishReason": finish }] })
}

#[tokio::test]
async fn an_answer_that_was_stopped_is_an_error_that_names_the_reason() {
    for (reason, kind) in [
        ("SAFETY", Rejected),
        ("RECITATION", Rejected),
        ("PROHIBITED_CONTENT", Rejected),
        ("MALFORMED_FUNCTION_CALL", Broken),
        ("UNEXPECTED_TOOL_CALL", Broken),
        ("OTHER", Broken),
        ("SOMETHING_NEW", Broken),
    ] {
        let words = candidate(json!([{ "text": "Half" }]), Value::Null);
        let end = candidate(json!([]), json!(reason));
        let error = answer(&[words, end]).await.unwrap_err();
        assert_eq!(error.kind, kind, "{reason}");
        assert!(error.message.contains(reason), "{error}");
        assert!(
            error.spent.is_some(),
            "{reason}: the half was made and costs"
        );
    }
    let blocked = json!({ "promptFeedback": { "blockReason": "SAFETY" } });
    let error = answer(&[blocked]).await.unwrap_err();
    assert_eq!(error.kind, Rejected);
    assert!(error.message.contains("blocked the prompt"), "{error}");
}

#[tokio::test]
async fn thoughts_are_output_and_are_not_said() {
    let thought = json!({ "text": "Let me see.", "thought": true });
    let words = candidate(json!([thought, { "text": "Yes." }]), json!("STOP"));
    let mut counted = words.clone();
    counted["usageMetadata"] = json!({
        "promptTokenCount": 50, "toolUsePromptTokenCount": 5,
        "candidatesTokenCount": 2, "thoughtsTokenCount": 30,
    });
    let turn = answer(&[counted]).await.unwrap();
    assert_eq!(turn.text, "Yes.");
    let usage = turn.usage;
    assert_eq!((usage.input_tokens, usage.output_tokens), (55, 32));
    assert!(!usage.estimated);
    let turn = answer(&[words]).await.unwrap();
    assert!(turn.usage.estimated, "a count that is missing is estimated");
    assert!(
        turn.usage.output_tokens >= 3,
        "with the thoughts that were seen"
    );
}

#[tokio::test]
async fn a_cut_answer_keeps_the_count_that_was_told_before() {
    let mut words = candidate(json!([{ "text": "Half of an answer" }]), Value::Null);
    words["usageMetadata"] = json!({ "promptTokenCount": 400, "candidatesTokenCount": 1 });
    let error = answer(&[words]).await.unwrap_err();
    assert_eq!(error.kind, Broken);
    let spent = error.spent.unwrap();
    assert_eq!(spent.input_tokens, 400);
    assert_eq!(
        spent.output_tokens, 5,
        "17 bytes were seen, more than was told"
    );
    assert!(spent.estimated);
}

#[tokio::test]
async fn a_bad_key_is_denied_and_an_exhausted_quota_says_how_long() {
    let error = |code: u16, status: &str, details: Value| {
        let error = json!({ "code": code, "message": "no", "status": status, "details": details });
        Reply::status(code, &[], &json!({ "error": error }).to_string())
    };
    let bad_key = json!([{ "reason": "API_KEY_INVALID", "domain": "googleapis.com" }]);
    let refused = reply(error(400, "INVALID_ARGUMENT", bad_key)).await;
    assert_eq!(refused.unwrap_err().kind, Denied);
    let retry =
        json!([{ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s" }]);
    let busy = reply(error(429, "RESOURCE_EXHAUSTED", retry)).await;
    let busy = busy.unwrap_err();
    assert_eq!(busy.kind, Overloaded);
    assert_eq!(busy.retry_after, Some(SignedDuration::from_secs(7)));
    let down = reply(error(503, "UNAVAILABLE", json!([]))).await;
    assert_eq!(down.unwrap_err().kind, Overloaded);
}

#[tokio::test]
async fn a_list_of_chunks_instead_of_a_stream_is_understood() {
    let chunks = json!([
        candidate(json!([{ "text": "Hello " }]), Value::Null),
        candidate(json!([{ "text": "there." }]), json!("STOP")),
    ]);
    let reply = reply(Reply::Raw(
        "application/json".to_owned(),
        chunks.to_string(),
    ))
    .await;
    assert_eq!(reply.unwrap().text, "Hello there.");
}

#[test]
fn a_name_that_would_lead_elsewhere_is_refused() {
    let models = Models::new(settings("http://127.0.0.1:1")).unwrap();
    for name in [
        "../files",
        "a/b",
        "models/",
        "a?key=x",
        "a:countTokens",
        "a b",
    ] {
        let Err(error) = models.provider(&format!("gemini/{name}")) else {
            panic!("{name} is no name of a model");
        };
        assert!(
            error.message.contains("no name of a Gemini model"),
            "{error}"
        );
    }
    for name in [
        "gemini-flash-latest",
        "models/gemini-3.8-flash",
        "tunedModels/mine-1",
    ] {
        assert!(models.provider(&format!("gemini/{name}")).is_ok(), "{name}");
    }
}

#[tokio::test]
async fn a_base_url_may_name_the_version_and_a_key_is_needed_somewhere() {
    let server = ModelServer::start([Reply::say("ok")]).await;
    let settings = ModelSettings {
        gemini_base_url: Some(format!("{}/v1beta/", server.url)),
        ..ModelSettings::default()
    };
    let provider = Models::new(settings).unwrap().provider(GEMINI).unwrap();
    assert_eq!(ask(provider.as_ref()).await.0.unwrap().text, "ok");
    assert_eq!(server.requests()[0].key, None);
    let nothing = Models::new(ModelSettings::default()).unwrap();
    let Err(error) = nothing.provider(GEMINI) else {
        panic!("nobody said where Gemini is");
    };
    assert_eq!(error.message, "GEMINI_API_KEY is not set");
}
