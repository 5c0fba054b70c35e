//! What is said between an agent and its model, in a form that is journaled and replayed.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One message of a conversation, independent of any provider's dialect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Message {
    /// Instructions and circumstances; the first message.
    System {
        /// The text.
        text: String,
    },
    /// What a person, or the heartbeat's prompt, says.
    User {
        /// The text, verbatim.
        text: String,
    },
    /// What the model said, and which tools it called.
    Assistant {
        /// The text, possibly empty.
        text: String,
        /// Tool calls in the model's order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<ToolCall>,
        /// What [`Turn::echo`] was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        echo: Option<Value>,
    },
    /// The result of one tool call.
    ToolResult {
        /// Id of the call that it answers.
        call_id: String,
        /// Name of the tool.
        name: String,
        /// The result as the model sees it.
        text: String,
        /// Whether the call failed.
        #[serde(default)]
        is_error: bool,
    },
}

/// A tool as the model sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Name, unique within a session.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// JSON Schema of its arguments.
    pub schema: Value,
}

/// A tool call that the model asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The model's id of the call; unique within a turn.
    pub id: String,
    /// Name of the tool.
    pub name: String,
    /// Arguments as the model gave them.
    pub arguments: Value,
}

/// Tokens of one turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Input tokens, cached ones included.
    pub input_tokens: u64,
    /// Input tokens that the provider read from its cache.
    #[serde(default)]
    pub cached_input_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
    /// Whether these were counted by us because the provider reported nothing.
    #[serde(default)]
    pub estimated: bool,
}

impl Usage {
    /// Input and output together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

/// What one turn asks of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnRequest {
    /// `provider/name`, or a name from the configuration.
    pub model: String,
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// Tools that the model may call.
    pub tools: Vec<ToolSpec>,
    /// Most output tokens; always sent.
    pub max_tokens: u32,
}

/// What a model answered in one turn.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// The text, possibly empty.
    pub text: String,
    /// Tool calls in the model's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ToolCall>,
    /// Tokens used.
    pub usage: Usage,
    /// Whether the answer was cut at `max_tokens`.
    #[serde(default)]
    pub cut: bool,
    /// The turn in the provider's own form, where it signed its thoughts: kept unread, and sent back
    /// to the same provider as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub echo: Option<Value>,
}

/// What a tool gave back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolOutput {
    /// The result as the model sees it.
    pub text: String,
    /// Whether the call failed.
    #[serde(default)]
    pub is_error: bool,
    /// Messages to people that are written down together with this result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<crate::notice::NoticeDraft>,
    /// Whether it came from outside: data to judge, never an instruction.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outside: bool,
    /// Set by `nothing_to_report`: the reason given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<String>,
}

impl ToolOutput {
    /// A plain result.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// A failed call, told to the model.
    pub fn error(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            is_error: true,
            ..Self::default()
        }
    }
}
