//! OpenAI's Chat Completions, as every compatible server speaks it: the request.

use std::sync::Arc;

use async_trait::async_trait;
use heartbeat_domain::conversation::{Message, ToolCall, ToolSpec, Turn, TurnRequest};
use reqwest::Response;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::arguments::replayable;
use super::habits::{Habit, Habits};
use super::http::{Server, read};
use super::openai_stream::Completion;
use super::{ModelError, ModelErrorKind, OnText, Provider};

/// A model behind an OpenAI-compatible server.
#[derive(Clone, Debug)]
pub struct OpenAi {
    label: String,
    model: String,
    server: Server,
    lane: Arc<Semaphore>,
    habits: Arc<Habits>,
}

impl OpenAi {
    /// The model that the server calls `model`, with what all who ask it have learnt.
    pub fn new(
        label: impl Into<String>,
        model: impl Into<String>,
        server: Server,
        (lane, habits): (Arc<Semaphore>, Arc<Habits>),
    ) -> Self {
        Self {
            label: label.into(),
            model: model.into(),
            server,
            lane,
            habits,
        }
    }

    /// OpenAI's own newer models refuse `max_tokens`; other servers know no other name.
    fn max_tokens_name(&self) -> &'static str {
        if self.server.host().ends_with("openai.com") {
            "max_completion_tokens"
        } else {
            "max_tokens"
        }
    }

    /// Sends, and again without what this server refuses by name. A refusal costs nothing, and what
    /// helped is remembered.
    async fn send(&self, mut body: Value) -> Result<Response, ModelError> {
        self.habits.shape(&mut body);
        let mut tried = Vec::new();
        loop {
            let answer = self.send_once(&body).await;
            let habit = match &answer {
                Err(error) if error.kind == ModelErrorKind::Rejected => {
                    Habit::asked_for(&error.message, &body).filter(|habit| !tried.contains(habit))
                }
                _ => None,
            };
            let Some(habit) = habit else {
                if answer.is_ok() {
                    self.habits.learn(&tried);
                }
                return answer;
            };
            habit.shape(&mut body);
            tried.push(habit);
        }
    }

    async fn send_once(&self, body: &Value) -> Result<Response, ModelError> {
        let mut post = self.server.post("/chat/completions", body);
        if let Some(key) = self.server.key() {
            post = post.bearer_auth(key);
        }
        self.server.send(post).await
    }

    fn body(&self, request: &TurnRequest) -> Value {
        let mut body = json!({
            "model": self.model,
            "messages": request.messages.iter().map(message).collect::<Vec<_>>(),
            "stream": true,
            "stream_options": { "include_usage": true },
        });
        body[self.max_tokens_name()] = request.max_tokens.into();
        if !request.tools.is_empty() {
            body["tools"] = request.tools.iter().map(tool).collect();
        }
        body
    }
}

#[async_trait]
impl Provider for OpenAi {
    fn label(&self) -> String {
        self.label.clone()
    }

    async fn turn(&self, request: &TurnRequest, on_text: OnText<'_>) -> Result<Turn, ModelError> {
        let response = self.send(self.body(request)).await?;
        let mut completion = Completion::default();
        match read(response, &mut completion, on_text).await {
            Ok(()) => Ok(completion.into_turn(request)),
            Err(error) => Err(error.having_spent(completion.spent(request))),
        }
    }

    fn lane(&self) -> Option<Arc<Semaphore>> {
        Some(self.lane.clone())
    }
}

fn message(message: &Message) -> Value {
    match message {
        Message::System { text } => json!({ "role": "system", "content": text }),
        Message::User { text } => json!({ "role": "user", "content": text }),
        Message::Assistant { text, calls, .. } if calls.is_empty() => {
            json!({ "role": "assistant", "content": text })
        }
        Message::Assistant { text, calls, .. } => {
            let content = if text.is_empty() {
                Value::Null
            } else {
                text.as_str().into()
            };
            let calls: Vec<_> = calls.iter().map(call).collect();
            json!({ "role": "assistant", "content": content, "tool_calls": calls })
        }
        Message::ToolResult { call_id, text, .. } => {
            json!({ "role": "tool", "tool_call_id": call_id, "content": text })
        }
    }
}

fn call(call: &ToolCall) -> Value {
    let arguments = replayable(&call.arguments).to_string();
    let function = json!({ "name": call.name, "arguments": arguments });
    json!({ "id": call.id, "type": "function", "function": function })
}

fn tool(tool: &ToolSpec) -> Value {
    let function = json!({
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.schema,
    });
    json!({ "type": "function", "function": function })
}
