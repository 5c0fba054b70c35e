//! Arguments of a tool call, from the text that a model wrote.

use heartbeat_domain::conversation::ToolCall;
use serde_json::{Map, Value, json};

/// A call as it came over the wire, possibly in pieces.
#[derive(Clone, Debug, Default)]
pub(super) struct RawCall {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

/// The calls of a turn with ids unique within it. `cut` says that the answer ended early.
pub(super) fn finish_calls(raw: Vec<RawCall>, cut: bool) -> Vec<ToolCall> {
    let mut calls: Vec<ToolCall> = Vec::with_capacity(raw.len());
    for (number, call) in raw.into_iter().enumerate() {
        let taken = call.id.is_empty() || calls.iter().any(|earlier| earlier.id == call.id);
        let id = if taken {
            format!("call_{number}")
        } else {
            call.id
        };
        calls.push(ToolCall {
            id,
            name: call.name,
            arguments: parse(&call.arguments, cut),
        });
    }
    calls
}

/// An object where the text is one; otherwise the text itself, which the session tells the model.
fn parse(text: &str, cut: bool) -> Value {
    if text.trim().is_empty() && !cut {
        return Value::Object(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Null) => Value::Object(Map::new()),
        Ok(Value::String(inner)) => parse_twice_encoded(inner),
        Ok(value) => value,
        Err(_) => Value::String(text.to_owned()),
    }
}

fn parse_twice_encoded(inner: String) -> Value {
    match serde_json::from_str(&inner) {
        Ok(Value::Object(object)) => Value::Object(object),
        _ => Value::String(inner),
    }
}

/// The arguments as they are shown to the model again: always an object, since servers refuse
/// anything else in a conversation.
pub(super) fn replayable(arguments: &Value) -> Value {
    if arguments.is_object() {
        arguments.clone()
    } else {
        json!({ "not_an_object": arguments })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_leniently_but_never_invented() {
        let cases = [
            (r#"{"a":1}"#, false, json!({"a": 1})),
            ("", false, json!({})),
            ("null", false, json!({})),
            ("", true, json!("")),
            (r#""{\"a\":1}""#, false, json!({"a": 1})),
            (r#"{"a":"#, true, json!(r#"{"a":"#)),
            ("disk", false, json!("disk")),
            ("[1]", false, json!([1])),
        ];
        for (text, cut, expected) in cases {
            assert_eq!(parse(text, cut), expected, "{text}");
        }
    }

    #[test]
    fn every_call_of_a_turn_has_an_id_of_its_own() {
        let same = RawCall {
            id: "x".into(),
            ..RawCall::default()
        };
        let calls = finish_calls(vec![same.clone(), same, RawCall::default()], false);
        let ids: Vec<_> = calls.iter().map(|call| call.id.as_str()).collect();
        assert_eq!(ids, ["x", "call_1", "call_2"]);
    }
}
