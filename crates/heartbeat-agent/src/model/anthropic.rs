//! Anthropic Messages: the request.

use std::sync::Arc;

use async_trait::async_trait;
use heartbeat_domain::conversation::{Message, ToolSpec, Turn, TurnRequest};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::anthropic_stream::{ECHO, Reply};
use super::arguments::replayable;
use super::http::{Server, read};
use super::{ModelError, OnText, Provider};

const VERSION: &str = "2023-06-01";

/// A model behind Anthropic's API or a server that speaks it.
#[derive(Clone, Debug)]
pub struct Anthropic {
    label: String,
    model: String,
    server: Server,
    lane: Arc<Semaphore>,
}

impl Anthropic {
    /// The model that the server calls `model`.
    pub fn new(
        label: impl Into<String>,
        model: impl Into<String>,
        server: Server,
        lane: Arc<Semaphore>,
    ) -> Self {
        Self {
            label: label.into(),
            model: model.into(),
            server,
            lane,
        }
    }

    fn path(&self) -> &'static str {
        if self.server.path_ends_with("/v1") {
            "/messages"
        } else {
            "/v1/messages"
        }
    }

    fn body(&self, request: &TurnRequest) -> Value {
        let mut body = json!({
            "model": self.model,
            "max_tokens": request.max_tokens,
            "messages": messages(&request.messages),
            "stream": true,
        });
        let system = system(&request.messages);
        if !system.is_empty() {
            body["system"] = system.into();
        }
        if !request.tools.is_empty() {
            body["tools"] = request.tools.iter().map(tool).collect();
        }
        body
    }
}

#[async_trait]
impl Provider for Anthropic {
    fn label(&self) -> String {
        self.label.clone()
    }

    async fn turn(&self, request: &TurnRequest, on_text: OnText<'_>) -> Result<Turn, ModelError> {
        let post = self.server.post(self.path(), &self.body(request));
        let mut post = post.header("anthropic-version", VERSION);
        if let Some(key) = self.server.key() {
            post = post.header("x-api-key", key);
        }
        let response = self.server.send(post).await?;
        let mut reply = Reply::default();
        match read(response, &mut reply, on_text).await {
            Ok(()) => Ok(reply.into_turn(request)),
            Err(error) => Err(error.having_spent(reply.spent(request))),
        }
    }

    fn lane(&self) -> Option<Arc<Semaphore>> {
        Some(self.lane.clone())
    }
}

fn system(messages: &[Message]) -> String {
    let texts = messages.iter().filter_map(|message| match message {
        Message::System { text } => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n\n")
}

/// Turns by role: what follows one another in the same role, such as the results of parallel
/// calls, becomes one message.
fn messages(messages: &[Message]) -> Vec<Value> {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in messages {
        let Some((role, blocks)) = blocks(message) else {
            continue;
        };
        match turns.last_mut() {
            Some((last, earlier)) if *last == role => earlier.extend(blocks),
            _ => turns.push((role, blocks)),
        }
    }
    let turns = turns.into_iter().filter(|(_, blocks)| !blocks.is_empty());
    turns
        .map(|(role, content)| json!({ "role": role, "content": content }))
        .collect()
}

fn blocks(message: &Message) -> Option<(&'static str, Vec<Value>)> {
    match message {
        Message::System { .. } => None,
        Message::User { text } => Some(("user", text_block(text).into_iter().collect())),
        Message::Assistant {
            echo: Some(echo), ..
        } if echo[ECHO].is_array() => {
            let blocks = echo[ECHO].as_array().cloned();
            Some(("assistant", blocks.unwrap_or_default()))
        }
        Message::Assistant { text, calls, .. } => {
            let calls = calls.iter().map(|call| {
                let input = replayable(&call.arguments);
                json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input })
            });
            Some((
                "assistant",
                text_block(text).into_iter().chain(calls).collect(),
            ))
        }
        Message::ToolResult {
            call_id,
            text,
            is_error,
            ..
        } => {
            let mut block = json!({ "type": "tool_result", "tool_use_id": call_id });
            block["content"] = text.as_str().into();
            if *is_error {
                block["is_error"] = true.into();
            }
            Some(("user", vec![block]))
        }
    }
}

/// Anthropic refuses blocks without text.
fn text_block(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| json!({ "type": "text", "text": text }))
}

fn tool(tool: &ToolSpec) -> Value {
    json!({
        "name": tool.name,
        "description": tool.description,
        "input_schema": tool.schema,
    })
}
