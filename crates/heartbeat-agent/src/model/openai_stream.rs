//! OpenAI's Chat Completions: the answer, put together from its chunks.
//!
//! Compatible servers differ in what they leave out: an index, an id, usage, the closing `[DONE]`.
//! An answer is whole when it gave a reason to stop, or when the server said `[DONE]`.

use heartbeat_domain::conversation::{Turn, TurnRequest, Usage};
use serde_json::Value;

use super::arguments::{RawCall, finish_calls};
use super::failure::from_event;
use super::http::{Answer, refused};
use super::{ModelError, OnText};
use crate::usage::estimate;

#[derive(Default)]
pub(super) struct Completion {
    text: String,
    calls: Vec<(Option<u64>, RawCall)>,
    usage: Option<Usage>,
    answer_bytes: usize,
    stop: Option<String>,
    began: bool,
    done: bool,
}

impl Answer for Completion {
    fn take(&mut self, event: &Value, on_text: OnText<'_>) -> Result<(), ModelError> {
        if let Some(error) = event.get("error").filter(|error| !error.is_null()) {
            return Err(from_event(error, self.answer_bytes == 0));
        }
        self.take_usage(&event["usage"]);
        let choice = &event["choices"][0];
        if choice.is_null() {
            return Ok(());
        }
        self.began = true;
        self.take_message(&choice["delta"], on_text);
        self.take_stop(&choice["finish_reason"])
    }

    fn take_whole(&mut self, body: &Value, on_text: OnText<'_>) -> Result<(), ModelError> {
        if let Some(error) = body.get("error").filter(|error| !error.is_null()) {
            return Err(from_event(error, true));
        }
        let choice = &body["choices"][0];
        if !choice["message"].is_object() {
            return Err(ModelError::broken("the answer has no message"));
        }
        self.take_usage(&body["usage"]);
        self.take_message(&choice["message"], on_text);
        self.done = true;
        self.began = true;
        self.take_stop(&choice["finish_reason"])
    }

    fn end(&mut self) {
        self.done = true;
    }

    fn is_whole(&self) -> bool {
        self.began && (self.done || self.stop.is_some())
    }

    fn is_over(&self) -> bool {
        self.done
    }
}

impl Completion {
    fn take_message(&mut self, message: &Value, on_text: OnText<'_>) {
        if let Some(text) = message["content"].as_str().filter(|text| !text.is_empty()) {
            self.text.push_str(text);
            self.answer_bytes += text.len();
            on_text(text);
        }
        for hidden in ["reasoning_content", "reasoning"] {
            self.answer_bytes += message[hidden].as_str().map_or(0, str::len);
        }
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            self.take_call(call);
        }
    }

    fn take_call(&mut self, delta: &Value) {
        let index = delta["index"].as_u64();
        let id = delta["id"].as_str().unwrap_or_default();
        let function = &delta["function"];
        let position = self.calls.iter().rposition(|(at, call)| {
            (index.is_none() || *at == index)
                && (id.is_empty() || call.id == id || call.id.is_empty())
        });
        let position = position.unwrap_or_else(|| {
            self.calls.push((index, RawCall::default()));
            self.calls.len() - 1
        });
        let call = &mut self.calls[position].1;
        fill(&mut call.id, id);
        fill(
            &mut call.name,
            function["name"].as_str().unwrap_or_default(),
        );
        let arguments = match &function["arguments"] {
            Value::String(piece) => piece.clone(),
            Value::Null => String::new(),
            object => object.to_string(),
        };
        self.answer_bytes += arguments.len() + id.len();
        call.arguments.push_str(&arguments);
    }

    fn take_usage(&mut self, usage: &Value) {
        let count = |name: &str| usage[name].as_u64().unwrap_or(0);
        let (input, output) = (count("prompt_tokens"), count("completion_tokens"));
        if input + output == 0 {
            return;
        }
        let cached = usage["prompt_tokens_details"]["cached_tokens"]
            .as_u64()
            .unwrap_or(0);
        self.usage = Some(Usage {
            input_tokens: input,
            cached_input_tokens: cached.min(input),
            output_tokens: output,
            estimated: false,
        });
    }

    fn take_stop(&mut self, reason: &Value) -> Result<(), ModelError> {
        match reason.as_str() {
            None | Some("") => Ok(()),
            Some("content_filter") => Err(refused("its content filter")),
            Some("error") => Err(ModelError::broken(
                "the provider ended the answer with an error",
            )),
            Some(reason) => {
                self.stop = Some(reason.to_owned());
                Ok(())
            }
        }
    }

    /// What an answer that failed used up, once anything of it was seen.
    pub(super) fn spent(&self, request: &TurnRequest) -> Option<Usage> {
        (self.answer_bytes > 0).then(|| estimate(request, self.answer_bytes))
    }

    /// The turn; its usage is an estimate where the server reported none.
    pub(super) fn into_turn(self, request: &TurnRequest) -> Turn {
        let cut = self.stop.as_deref() == Some("length");
        let calls = self.calls.into_iter().map(|(_, call)| call).collect();
        Turn {
            text: without_thinking(self.text),
            calls: finish_calls(calls, cut),
            usage: self
                .usage
                .unwrap_or_else(|| estimate(request, self.answer_bytes)),
            cut,
            echo: None,
        }
    }
}

fn fill(empty: &mut String, value: &str) {
    if empty.is_empty() {
        empty.push_str(value);
    }
}

/// Local servers often leave a model's thinking in front of what it says.
fn without_thinking(text: String) -> String {
    let thought = text
        .trim_start()
        .strip_prefix("<think>")
        .and_then(|rest| rest.split_once("</think>"));
    match thought {
        Some((_, said)) => said.trim_start().to_owned(),
        None => text,
    }
}
