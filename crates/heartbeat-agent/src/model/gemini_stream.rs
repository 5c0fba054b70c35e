//! Gemini's `generateContent`: the answer, put together from its chunks.
//!
//! Every chunk is a small answer of its own; calls come whole. The answer is whole once a chunk gave
//! a reason to finish: there is no other end. Thoughts are signed on the parts that came of them,
//! and Gemini 3 refuses a conversation whose signatures are missing, so a signed answer is kept part
//! by part.

use heartbeat_domain::conversation::{Turn, TurnRequest, Usage};
use serde_json::{Value, json};

use super::arguments::{RawCall, finish_calls};
use super::failure::from_event;
use super::http::{Answer, refused};
use super::{ModelError, OnText};
use crate::usage::estimate;

/// The name under which a turn keeps its parts.
pub(super) const ECHO: &str = "gemini";

#[derive(Default)]
pub(super) struct Candidate {
    text: String,
    calls: Vec<RawCall>,
    /// The parts as they came; pieces of unsigned text are put together.
    parts: Vec<Value>,
    usage: Option<Usage>,
    answer_bytes: usize,
    stop: Option<String>,
}

impl Answer for Candidate {
    fn take(&mut self, event: &Value, on_text: OnText<'_>) -> Result<(), ModelError> {
        if let Some(error) = event.get("error").filter(|error| !error.is_null()) {
            return Err(from_event(error, self.answer_bytes == 0));
        }
        self.take_usage(&event["usageMetadata"]);
        if let Some(reason) = said(&event["promptFeedback"]["blockReason"]) {
            return Err(refused(&format!("it blocked the prompt ({reason})")));
        }
        let candidate = &event["candidates"][0];
        for part in candidate["content"]["parts"]
            .as_array()
            .into_iter()
            .flatten()
        {
            self.take_part(part, on_text);
        }
        self.take_stop(candidate)
    }

    /// A server that does not know `alt=sse` sends its chunks as one list.
    fn take_whole(&mut self, body: &Value, on_text: OnText<'_>) -> Result<(), ModelError> {
        let chunks = match body {
            Value::Array(chunks) => chunks.as_slice(),
            whole => std::slice::from_ref(whole),
        };
        for chunk in chunks {
            self.take(chunk, on_text)?;
        }
        if self.stop.is_none() && self.answer_bytes == 0 {
            return Err(ModelError::broken("the answer has no candidate"));
        }
        Ok(())
    }

    fn end(&mut self) {}

    fn is_whole(&self) -> bool {
        self.stop.is_some()
    }

    fn is_over(&self) -> bool {
        self.stop.is_some() && self.usage.is_some()
    }
}

/// A word that is there and is not the one that stands for none.
fn said(word: &Value) -> Option<&str> {
    let word = word.as_str().filter(|word| !word.is_empty())?;
    (!word.ends_with("_UNSPECIFIED")).then_some(word)
}

impl Candidate {
    fn take_part(&mut self, part: &Value, on_text: OnText<'_>) {
        let text = part["text"].as_str().unwrap_or_default();
        self.answer_bytes += text.len();
        if let Some(call) = part.get("functionCall") {
            self.take_call(call);
        } else if part["thought"] != true && !text.is_empty() {
            self.text.push_str(text);
            on_text(text);
        }
        self.keep(part, text);
    }

    fn take_call(&mut self, call: &Value) {
        let text = |name: &str| call[name].as_str().unwrap_or_default().to_owned();
        let arguments = match &call["args"] {
            Value::Null => String::new(),
            arguments => arguments.to_string(),
        };
        let (id, name) = (text("id"), text("name"));
        self.answer_bytes += id.len() + name.len() + arguments.len();
        self.calls.push(RawCall {
            id,
            name,
            arguments,
        });
    }

    fn keep(&mut self, part: &Value, text: &str) {
        let signed = part["thoughtSignature"].is_string();
        let is_thought = part["thought"] == true;
        let is_text = part["text"].is_string() && !signed && !is_thought;
        if !signed && (is_thought || (is_text && text.is_empty())) {
            return;
        }
        match self.parts.last_mut() {
            Some(last) if is_text && is_plain_text(last) => {
                let before = last["text"].as_str().unwrap_or_default();
                last["text"] = format!("{before}{text}").into();
            }
            _ => self.parts.push(part.clone()),
        }
    }

    /// Gemini counts thoughts beside what was said; both are output. Cached input is within.
    fn take_usage(&mut self, usage: &Value) {
        let count = |name: &str| usage[name].as_u64().unwrap_or(0);
        let input = count("promptTokenCount").saturating_add(count("toolUsePromptTokenCount"));
        let output = count("candidatesTokenCount").saturating_add(count("thoughtsTokenCount"));
        if input.saturating_add(output) == 0 {
            return;
        }
        self.usage = Some(Usage {
            input_tokens: input,
            cached_input_tokens: count("cachedContentTokenCount").min(input),
            output_tokens: output,
            estimated: false,
        });
    }

    fn take_stop(&mut self, candidate: &Value) -> Result<(), ModelError> {
        let Some(reason) = said(&candidate["finishReason"]) else {
            return Ok(());
        };
        let detail = candidate["finishMessage"].as_str().unwrap_or_default();
        let detail: String = detail.chars().take(200).collect();
        match reason {
            "STOP" | "MAX_TOKENS" => {
                self.stop = Some(reason.to_owned());
                Ok(())
            }
            "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "TOO_MANY_TOOL_CALLS" => {
                Err(ModelError::broken(format!(
                    "the model wrote a call that its provider could not read ({reason}) {detail}"
                )))
            }
            "SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" => {
                Err(refused(&format!("{reason} {detail}")))
            }
            other => Err(ModelError::broken(format!(
                "the provider ended the answer early ({other}) {detail}"
            ))),
        }
    }

    /// What an answer that failed used up: the last count that was told, which may have come before
    /// the last words, or an estimate once anything was seen.
    pub(super) fn spent(&self, request: &TurnRequest) -> Option<Usage> {
        let seen = (self.answer_bytes > 0).then(|| estimate(request, self.answer_bytes));
        let Some(told) = self.usage else {
            return seen;
        };
        let written = seen.map_or(0, |seen| seen.output_tokens);
        Some(Usage {
            output_tokens: told.output_tokens.max(written),
            estimated: true,
            ..told
        })
    }

    /// The turn; its usage is an estimate where the server reported none.
    pub(super) fn into_turn(self, request: &TurnRequest) -> Turn {
        let cut = self.stop.as_deref() == Some("MAX_TOKENS");
        let is_kept = |part: &Value| {
            part["thoughtSignature"].is_string() || part["functionCall"]["id"].is_string()
        };
        let echo = self.parts.iter().any(is_kept);
        Turn {
            text: self.text,
            calls: finish_calls(self.calls, cut),
            usage: self
                .usage
                .unwrap_or_else(|| estimate(request, self.answer_bytes)),
            cut,
            echo: echo.then(|| json!({ ECHO: self.parts })),
        }
    }
}

fn is_plain_text(part: &Value) -> bool {
    part["text"].is_string() && part["thought"] != true && !part["thoughtSignature"].is_string()
}
