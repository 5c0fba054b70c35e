//! Anthropic Messages: the answer, put together from its events. It is whole at `message_stop`.
//!
//! Models that think sign what they thought, and want it back unchanged before the results of the
//! calls that came of it; such an answer is kept block by block beside the turn.

use heartbeat_domain::conversation::{ToolCall, Turn, TurnRequest, Usage};
use serde_json::{Value, json};

use super::arguments::{RawCall, finish_calls, replayable};
use super::failure::from_event;
use super::http::{Answer, refused};
use super::{ModelError, OnText};
use crate::usage::estimate;

/// The name under which a turn keeps its blocks.
pub(super) const ECHO: &str = "anthropic";

#[derive(Default)]
pub(super) struct Reply {
    /// Its blocks by their index, as they will be sent back.
    blocks: Vec<(u64, Value)>,
    text: String,
    calls: Vec<(u64, RawCall)>,
    input: Option<u64>,
    cached: u64,
    output: Option<u64>,
    answer_bytes: usize,
    stop: Option<String>,
    whole: bool,
}

impl Answer for Reply {
    fn take(&mut self, event: &Value, on_text: OnText<'_>) -> Result<(), ModelError> {
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => self.take_usage(&event["message"]["usage"]),
            "content_block_start" => self.begin_block(event, on_text),
            "content_block_delta" => self.take_delta(event, on_text),
            "message_delta" => {
                self.take_usage(&event["usage"]);
                self.take_stop(&event["delta"]["stop_reason"])?;
            }
            "message_stop" => self.whole = true,
            "error" => return Err(from_event(&event["error"], self.answer_bytes == 0)),
            _ => {}
        }
        Ok(())
    }

    fn take_whole(&mut self, body: &Value, on_text: OnText<'_>) -> Result<(), ModelError> {
        if let Some(error) = body.get("error") {
            return Err(from_event(error, true));
        }
        let Some(blocks) = body["content"].as_array() else {
            return Err(ModelError::broken("the answer has no content"));
        };
        for (index, block) in blocks.iter().enumerate() {
            self.take_block(index as u64, block, on_text);
        }
        self.take_usage(&body["usage"]);
        self.whole = true;
        self.take_stop(&body["stop_reason"])
    }

    fn end(&mut self) {}

    fn is_whole(&self) -> bool {
        self.whole
    }

    fn is_over(&self) -> bool {
        self.whole
    }
}

impl Reply {
    fn begin_block(&mut self, event: &Value, on_text: OnText<'_>) {
        self.take_block(
            event["index"].as_u64().unwrap_or(0),
            &event["content_block"],
            on_text,
        );
    }

    fn take_block(&mut self, index: u64, block: &Value, on_text: OnText<'_>) {
        self.blocks.push((index, block.clone()));
        match block["type"].as_str() {
            Some("text") => self.take_text(&block["text"], on_text),
            Some("tool_use") => {
                let text = |name: &str| block[name].as_str().unwrap_or_default().to_owned();
                let (id, name) = (text("id"), text("name"));
                // A stream begins with an empty input and sends the real one in deltas.
                let input = block["input"].as_object().filter(|input| !input.is_empty());
                let arguments = input.map_or_else(String::new, |_| block["input"].to_string());
                self.answer_bytes += id.len() + name.len() + arguments.len();
                self.calls.push((
                    index,
                    RawCall {
                        id,
                        name,
                        arguments,
                    },
                ));
            }
            _ => {}
        }
    }

    fn take_delta(&mut self, event: &Value, on_text: OnText<'_>) {
        let (index, delta) = (event["index"].as_u64().unwrap_or(0), &event["delta"]);
        self.keep_delta(index, delta);
        match delta["type"].as_str() {
            Some("text_delta") => self.take_text(&delta["text"], on_text),
            Some("input_json_delta") => {
                let piece = delta["partial_json"].as_str().unwrap_or_default();
                self.answer_bytes += piece.len();
                if let Some((_, call)) = self.calls.iter_mut().rev().find(|(at, _)| *at == index) {
                    call.arguments.push_str(piece);
                }
            }
            Some("thinking_delta") => {
                self.answer_bytes += delta["thinking"].as_str().map_or(0, str::len);
            }
            _ => {}
        }
    }

    /// Adds a piece to its block; arguments come whole with the calls, at the end.
    fn keep_delta(&mut self, index: u64, delta: &Value) {
        let Some((_, block)) = self.blocks.iter_mut().rev().find(|(at, _)| *at == index) else {
            return;
        };
        for field in ["text", "thinking", "signature"] {
            if let Some(piece) = delta[field].as_str() {
                let so_far = block[field].as_str().unwrap_or_default();
                block[field] = format!("{so_far}{piece}").into();
            }
        }
    }

    fn take_text(&mut self, text: &Value, on_text: OnText<'_>) {
        let text = text.as_str().unwrap_or_default();
        if !text.is_empty() {
            self.text.push_str(text);
            self.answer_bytes += text.len();
            on_text(text);
        }
    }

    /// Anthropic counts cached input beside the rest; we count it within.
    fn take_usage(&mut self, usage: &Value) {
        let count = |name: &str| usage[name].as_u64();
        if let Some(fresh) = count("input_tokens") {
            self.cached = count("cache_read_input_tokens").unwrap_or(0);
            let written = count("cache_creation_input_tokens").unwrap_or(0);
            self.input = Some(fresh.saturating_add(self.cached).saturating_add(written));
        }
        self.output = count("output_tokens").or(self.output);
    }

    fn take_stop(&mut self, reason: &Value) -> Result<(), ModelError> {
        match reason.as_str() {
            Some("refusal") => Err(refused("the model refused")),
            Some(reason) => {
                self.stop = Some(reason.to_owned());
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// What an answer that failed used up, once anything of it was seen.
    pub(super) fn spent(&self, request: &TurnRequest) -> Option<Usage> {
        (self.answer_bytes > 0).then(|| estimate(request, self.answer_bytes))
    }

    /// The turn; its usage is an estimate where the server reported none.
    pub(super) fn into_turn(self, request: &TurnRequest) -> Turn {
        let cut_reasons = ["max_tokens", "model_context_window_exceeded"];
        let cut = self
            .stop
            .as_deref()
            .is_some_and(|stop| cut_reasons.contains(&stop));
        let usage = match (self.input, self.output) {
            (Some(input), Some(output)) if input + output > 0 => Usage {
                input_tokens: input,
                cached_input_tokens: self.cached,
                output_tokens: output,
                estimated: false,
            },
            _ => estimate(request, self.answer_bytes),
        };
        let calls = self.calls.into_iter().map(|(_, call)| call).collect();
        let calls = finish_calls(calls, cut);
        Turn {
            text: self.text,
            echo: echo(self.blocks, &calls),
            calls,
            usage,
            cut,
        }
    }
}

/// The blocks of an answer with thoughts, those without a signature left out: they were cut.
fn echo(blocks: Vec<(u64, Value)>, calls: &[ToolCall]) -> Option<Value> {
    let mut calls = calls.iter();
    let mut thought = false;
    let blocks = blocks.into_iter().filter_map(|(_, mut block)| {
        match block["type"].as_str()? {
            "text" if block["text"].as_str()?.trim().is_empty() => return None,
            "text" => {}
            "thinking" if block["signature"].as_str()?.is_empty() => return None,
            "thinking" | "redacted_thinking" => thought = true,
            "tool_use" => {
                let call = calls.next()?;
                block["id"] = call.id.as_str().into();
                block["input"] = replayable(&call.arguments);
            }
            _ => return None,
        }
        Some(block)
    });
    let blocks: Vec<_> = blocks.collect();
    thought.then(|| json!({ ECHO: blocks }))
}
