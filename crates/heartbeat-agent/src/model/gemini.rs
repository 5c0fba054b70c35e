//! Gemini's `generateContent`: the request.
//!
//! A turn that Gemini signed goes back part by part as it came; every other turn is written anew
//! from its text and calls. Ids of calls are sent only where Gemini gave them.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use heartbeat_domain::conversation::{Message, ToolCall, ToolSpec, Turn, TurnRequest};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::arguments::replayable;
use super::gemini_schema::parameters;
use super::gemini_stream::{Candidate, ECHO};
use super::http::{Server, read};
use super::{ModelError, OnText, Provider};

/// A model behind Google's Gemini API or a server that speaks it.
#[derive(Clone, Debug)]
pub struct Gemini {
    label: String,
    /// `models/NAME`, or another collection where the name says so.
    model: String,
    server: Server,
    lane: Arc<Semaphore>,
}

impl Gemini {
    /// The model that the server calls `model`. Its name is part of the address that is asked.
    ///
    /// # Errors
    /// The name has characters that no name of a model has.
    pub fn new(
        label: impl Into<String>,
        model: &str,
        server: Server,
        lane: Arc<Semaphore>,
    ) -> Result<Self, String> {
        let (collection, name) = model.split_once('/').unwrap_or(("models", model));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let known = matches!(collection, "models" | "tunedModels");
        if !known || name.is_empty() || !name.chars().all(plain) {
            return Err(format!(
                "{model:?} is no name of a Gemini model; one has letters, digits, `.`, `_` and `-`, \
                 such as gemini-flash-latest"
            ));
        }
        Ok(Self {
            label: label.into(),
            model: format!("{collection}/{name}"),
            server,
            lane,
        })
    }

    fn path(&self) -> String {
        let has_version = ["/v1", "/v1beta", "/v1alpha"]
            .iter()
            .any(|version| self.server.path_ends_with(version));
        let version = if has_version { "" } else { "/v1beta" };
        format!("{version}/{}:streamGenerateContent?alt=sse", self.model)
    }
}

#[async_trait]
impl Provider for Gemini {
    fn label(&self) -> String {
        self.label.clone()
    }

    async fn turn(&self, request: &TurnRequest, on_text: OnText<'_>) -> Result<Turn, ModelError> {
        let mut post = self.server.post(&self.path(), &body(request));
        if let Some(key) = self.server.key() {
            post = post.header("x-goog-api-key", key);
        }
        let response = self.server.send(post).await?;
        let mut candidate = Candidate::default();
        match read(response, &mut candidate, on_text).await {
            Ok(()) => Ok(candidate.into_turn(request)),
            Err(error) => Err(error.having_spent(candidate.spent(request))),
        }
    }

    fn lane(&self) -> Option<Arc<Semaphore>> {
        Some(self.lane.clone())
    }
}

fn body(request: &TurnRequest) -> Value {
    let mut body = json!({
        "contents": contents(&request.messages),
        "generationConfig": { "maxOutputTokens": request.max_tokens },
    });
    let system = request.messages.iter().filter_map(|message| match message {
        Message::System { text } => text_part(text),
        _ => None,
    });
    let system: Vec<_> = system.collect();
    if !system.is_empty() {
        body["systemInstruction"] = json!({ "parts": system });
    }
    if !request.tools.is_empty() {
        let tools: Vec<_> = request.tools.iter().map(tool).collect();
        body["tools"] = json!([{ "functionDeclarations": tools }]);
    }
    body
}

/// Contents by role: what follows one another in the same role, such as the results of parallel
/// calls, becomes one content. Gemini counts them.
fn contents(messages: &[Message]) -> Vec<Value> {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    let mut ids = BTreeMap::new();
    for message in messages {
        let Some((role, parts)) = parts(message, &mut ids) else {
            continue;
        };
        match turns.last_mut() {
            Some((last, earlier)) if *last == role => earlier.extend(parts),
            _ => turns.push((role, parts)),
        }
    }
    let turns = turns.into_iter().filter(|(_, parts)| !parts.is_empty());
    turns
        .map(|(role, parts)| json!({ "role": role, "parts": parts }))
        .collect()
}

/// `ids` are those that Gemini gave to the calls of the latest turn, by the ids that we know.
fn parts(
    message: &Message,
    ids: &mut BTreeMap<String, Value>,
) -> Option<(&'static str, Vec<Value>)> {
    match message {
        Message::System { .. } => None,
        Message::User { text } => Some(("user", text_part(text).into_iter().collect())),
        Message::Assistant { text, calls, echo } => {
            let echoed = echo.as_ref().and_then(|echo| echo[ECHO].as_array());
            *ids = given_ids(calls, echoed.map(Vec::as_slice).unwrap_or_default());
            let parts = match echoed {
                Some(parts) => parts.clone(),
                None => text_part(text)
                    .into_iter()
                    .chain(calls.iter().map(call))
                    .collect(),
            };
            Some(("model", parts))
        }
        Message::ToolResult {
            call_id,
            name,
            text,
            is_error,
        } => {
            let kind = if *is_error { "error" } else { "output" };
            let mut response = json!({ "name": name, "response": { kind: text } });
            if let Some(id) = ids.get(call_id) {
                response["id"] = id.clone();
            }
            Some(("user", vec![json!({ "functionResponse": response })]))
        }
    }
}

fn given_ids(calls: &[ToolCall], parts: &[Value]) -> BTreeMap<String, Value> {
    let called = parts.iter().filter_map(|part| part.get("functionCall"));
    let pairs = calls.iter().zip(called);
    let given = pairs.filter(|(_, called)| called["id"].is_string());
    given
        .map(|(call, called)| (call.id.clone(), called["id"].clone()))
        .collect()
}

/// Gemini refuses parts without text.
fn text_part(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| json!({ "text": text }))
}

fn call(call: &ToolCall) -> Value {
    json!({ "functionCall": { "name": call.name, "args": replayable(&call.arguments) } })
}

fn tool(tool: &ToolSpec) -> Value {
    json!({
        "name": tool.name,
        "description": tool.description,
        "parametersJsonSchema": parameters(&tool.schema),
    })
}
