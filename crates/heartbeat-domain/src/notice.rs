//! Something to tell a person.

use serde::{Deserialize, Serialize};

/// How pressing a message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Can wait.
    Low,
    /// The default.
    #[default]
    Normal,
    /// Wants attention now.
    Urgent,
}

impl Priority {
    /// The wire name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::Urgent => "urgent",
        }
    }
}

/// A message to people before it has been recorded.
///
/// The same `state` of a `topic` within a project is silence; without a topic every message stands
/// for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeDraft {
    /// One line.
    pub title: String,
    /// The message.
    pub message: String,
    /// How pressing it is.
    #[serde(default)]
    pub priority: Priority,
    /// Where to act; `https` only when it comes from an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_url: Option<String>,
    /// What the message is about, for silence while its state does not change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// State of the topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Tells that the topic's state has ended: recorded only if the topic has another state now.
    #[serde(default)]
    pub ends: bool,
}
