//! What Gemini's dialect looks like on the wire: its stream, and what it refuses.

use serde_json::{Value, json};

/// A whole answer as the body of an event stream: every chunk an answer of its own. Calls come whole,
/// with ids; the first of a turn carries the signature of the thoughts behind it.
pub(crate) fn stream(
    pieces: &[String],
    calls: &[(String, Value)],
    stop: &str,
    usage: bool,
) -> String {
    let mut body = String::new();
    let mut chunk = |part: Value, stop: Option<&str>| {
        let mut candidate = json!({ "content": { "parts": [part], "role": "model" }, "index": 0 });
        if let Some(stop) = stop {
            candidate["finishReason"] = stop.into();
        }
        let mut answer = json!({ "candidates": [candidate], "modelVersion": "scripted-model" });
        if usage && stop.is_some() {
            answer["usageMetadata"] = json!({
                "promptTokenCount": 100,
                "cachedContentTokenCount": 20,
                "candidatesTokenCount": 7,
                "thoughtsTokenCount": 3,
                "totalTokenCount": 110,
            });
        }
        body.push_str(&format!("data: {answer}\r\n\r\n"));
    };
    for piece in pieces {
        chunk(json!({ "text": piece }), None);
    }
    for (number, (name, arguments)) in calls.iter().enumerate() {
        let call = json!({ "name": name, "args": arguments, "id": format!("fc-{number}") });
        let mut part = json!({ "functionCall": call });
        if number == 0 {
            part["thoughtSignature"] = SIGNATURE.into();
        }
        chunk(part, None);
    }
    chunk(json!({ "text": "" }), Some(stop));
    body
}

const SIGNATURE: &str = "c2lnbmVkIHRob3VnaHRz";

/// Why Gemini 3 would refuse a conversation: calls of the current turn without the signature that
/// they came with, or not as many results as calls.
pub(crate) fn refusal(body: &Value) -> Option<String> {
    let contents = body["contents"].as_array()?;
    let is_prompt = |content: &Value| {
        let mut parts = content["parts"].as_array().into_iter().flatten();
        content["role"] == "user" && parts.any(|part| part["text"].is_string())
    };
    let since = contents.iter().rposition(is_prompt)?;
    for (number, content) in contents.iter().enumerate().skip(since) {
        let called: Vec<_> = parts(content, "functionCall").collect();
        if called.is_empty() {
            continue;
        }
        if called[0]["thoughtSignature"] != SIGNATURE {
            return Some(format!(
                "Function call is missing a thought_signature in functionCall parts ({number})"
            ));
        }
        let ids: Vec<_> = called
            .iter()
            .map(|part| &part["functionCall"]["id"])
            .collect();
        let answered = contents.get(number + 1).unwrap_or(&Value::Null);
        let answered: Vec<_> = parts(answered, "functionResponse")
            .map(|part| &part["functionResponse"]["id"])
            .collect();
        if ids != answered {
            return Some(format!("{ids:?} are called and {answered:?} are answered"));
        }
    }
    None
}

fn parts<'v>(content: &'v Value, kind: &'v str) -> impl Iterator<Item = &'v Value> {
    let parts = content["parts"].as_array().into_iter().flatten();
    parts.filter(move |part| part.get(kind).is_some())
}

/// An error as Google writes it.
pub(crate) fn error(message: &str) -> String {
    let error = json!({ "code": 400, "message": message, "status": "INVALID_ARGUMENT" });
    json!({ "error": error }).to_string()
}
