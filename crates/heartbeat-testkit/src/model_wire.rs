//! What the dialects look like on the wire when a model answers.

use serde_json::{Value, json};

use crate::gemini_wire;

/// Which dialect a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenAi,
    Anthropic,
    Gemini,
}

impl Dialect {
    pub(crate) fn stopped(self) -> &'static str {
        match self {
            Self::OpenAi => "stop",
            Self::Anthropic => "end_turn",
            Self::Gemini => "STOP",
        }
    }

    pub(crate) fn called(self) -> &'static str {
        match self {
            Self::OpenAi => "tool_calls",
            Self::Anthropic => "tool_use",
            Self::Gemini => "STOP",
        }
    }

    pub(crate) fn truncated(self) -> &'static str {
        match self {
            Self::OpenAi => "length",
            Self::Anthropic => "max_tokens",
            Self::Gemini => "MAX_TOKENS",
        }
    }
}

/// A whole answer as the body of an event stream. Usage, where told, is 100 in (20 of them from
/// the cache) and 10 out.
pub(crate) fn stream(
    dialect: Dialect,
    text: &str,
    calls: &[(String, Value)],
    stop: &str,
    usage: bool,
) -> String {
    match dialect {
        Dialect::OpenAi => open_ai(text, calls, stop, usage),
        Dialect::Anthropic => anthropic(text, calls, stop, usage),
        Dialect::Gemini => gemini_wire::stream(&pieces(text), calls, stop, usage),
    }
}

fn open_ai(text: &str, calls: &[(String, Value)], stop: &str, usage: bool) -> String {
    let mut body = String::new();
    let mut chunk = |delta: Value, finish: Value| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
        body.push_str(&format!("data: {}\n\n", json!({ "choices": [choice] })));
    };
    chunk(json!({ "role": "assistant", "content": "" }), Value::Null);
    for piece in pieces(text) {
        chunk(json!({ "content": piece }), Value::Null);
    }
    for (index, (name, _)) in calls.iter().enumerate() {
        let function = json!({ "name": name, "arguments": "" });
        let call = json!({ "index": index, "id": format!("call_{index}"), "type": "function", "function": function });
        chunk(json!({ "tool_calls": [call] }), Value::Null);
    }
    for (index, (_, arguments)) in calls.iter().enumerate() {
        for piece in pieces(&written(arguments)) {
            let call = json!({ "index": index, "function": { "arguments": piece } });
            chunk(json!({ "tool_calls": [call] }), Value::Null);
        }
    }
    chunk(json!({}), json!(stop));
    if usage {
        let cached = json!({ "cached_tokens": 20 });
        let usage = json!({ "prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": cached });
        body.push_str(&format!(
            "data: {}\n\n",
            json!({ "choices": [], "usage": usage })
        ));
    }
    body + "data: [DONE]\n\n"
}

fn anthropic(text: &str, calls: &[(String, Value)], stop: &str, usage: bool) -> String {
    let mut body = String::new();
    let mut event = |event: Value| {
        let kind = event["type"].as_str().unwrap_or_default();
        body.push_str(&format!("event: {kind}\ndata: {event}\n\n"));
    };
    let input = json!({ "input_tokens": 80, "cache_read_input_tokens": 20, "output_tokens": 1 });
    let start = if usage {
        json!({ "usage": input })
    } else {
        json!({})
    };
    event(json!({ "type": "message_start", "message": start }));
    event(json!({ "type": "ping" }));
    let mut index = 0;
    if !text.is_empty() {
        event(begin(index, json!({ "type": "text", "text": "" })));
        for piece in pieces(text) {
            event(delta(index, json!({ "type": "text_delta", "text": piece })));
        }
        event(json!({ "type": "content_block_stop", "index": index }));
        index += 1;
    }
    for (name, arguments) in calls {
        let id = format!("toolu_{index}");
        event(begin(
            index,
            json!({ "type": "tool_use", "id": id, "name": name, "input": {} }),
        ));
        for piece in pieces(&written(arguments)) {
            event(delta(
                index,
                json!({ "type": "input_json_delta", "partial_json": piece }),
            ));
        }
        event(json!({ "type": "content_block_stop", "index": index }));
        index += 1;
    }
    let mut last = json!({ "type": "message_delta", "delta": { "stop_reason": stop } });
    if usage {
        last["usage"] = json!({ "output_tokens": 10 });
    }
    event(last);
    event(json!({ "type": "message_stop" }));
    body
}

fn begin(index: u32, block: Value) -> Value {
    json!({ "type": "content_block_start", "index": index, "content_block": block })
}

fn delta(index: u32, delta: Value) -> Value {
    json!({ "type": "content_block_delta", "index": index, "delta": delta })
}

/// Arguments as a model writes them; a bare string stands for what is no JSON.
fn written(arguments: &Value) -> String {
    arguments
        .as_str()
        .map_or_else(|| arguments.to_string(), str::to_owned)
}

/// A text in pieces of five characters, as tokens come.
fn pieces(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters
        .chunks(5)
        .map(|piece| piece.iter().collect())
        .collect()
}
