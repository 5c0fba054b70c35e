//! Models: who answers one turn, and how that can fail.
//!
//! We speak the dialects ourselves ([`openai`], [`anthropic`], [`gemini`]) rather than through a client
//! library. genai 0.7.2 was tried first; it loses a tool call whose delta carries no `index`, drops
//! usage and stop reason of a stream that ends without `[DONE]`, announces the start of an answer
//! before the request was sent (so a time to first byte cannot be measured), buffers without a
//! bound, ignores an answer that is JSON or a web page instead of a stream, and writes stream
//! contents to the log. None of these has a hook.

pub mod anthropic;
mod anthropic_stream;
mod arguments;
pub mod demo;
mod failure;
pub mod gemini;
mod gemini_schema;
mod gemini_stream;
pub mod habits;
pub mod http;
pub mod openai;
mod openai_stream;
pub mod scripted;
mod sse;

use std::sync::Arc;

use async_trait::async_trait;
use heartbeat_domain::conversation::{Turn, TurnRequest, Usage};
use jiff::SignedDuration;
use tokio::sync::Semaphore;

/// Called with text as it streams in.
///
/// The first call comes with the first sign of an answer, and its text may be empty.
pub type OnText<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Something that answers one turn: one attempt, streaming, no retries inside.
#[async_trait]
pub trait Provider: Send + Sync {
    /// `provider/name`, for messages and logs.
    fn label(&self) -> String;

    /// Asks once. A cut stream is [`ModelErrorKind::Broken`], never a shorter success.
    async fn turn(&self, request: &TurnRequest, on_text: OnText<'_>) -> Result<Turn, ModelError>;

    /// Places shared by everybody who asks the same server; a session queues for one.
    fn lane(&self) -> Option<Arc<Semaphore>> {
        None
    }
}

/// Why a turn failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ModelError {
    /// What kind of failure it is.
    pub kind: ModelErrorKind,
    /// What happened, for people; no secrets in it.
    pub message: String,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// How long the provider asked us to stay away.
    pub retry_after: Option<SignedDuration>,
    /// What an answer that began and failed used up: an estimate, to be charged like an answer.
    pub spent: Option<Usage>,
}

/// Kinds of failure, by what follows from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelErrorKind {
    /// Refused, not resolved, or no first byte in time.
    Unreachable,
    /// 408, 429 or 5xx.
    Overloaded,
    /// 401 or 403.
    Denied,
    /// The provider does not know the model.
    UnknownModel,
    /// Any other refusal of the request.
    Rejected,
    /// A cut stream, bad JSON, nonsense.
    Broken,
}

impl ModelErrorKind {
    /// Its name on record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Overloaded => "overloaded",
            Self::Denied => "denied",
            Self::UnknownModel => "unknown_model",
            Self::Rejected => "rejected",
            Self::Broken => "broken",
        }
    }

    /// The kind of that name; broken where it is none.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let kinds = [
            Self::Unreachable,
            Self::Overloaded,
            Self::Denied,
            Self::UnknownModel,
            Self::Rejected,
        ];
        let known = kinds.into_iter().find(|kind| kind.as_str() == name);
        known.unwrap_or(Self::Broken)
    }
}

impl ModelError {
    /// A failure without an HTTP status.
    pub fn new(kind: ModelErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            status: None,
            retry_after: None,
            spent: None,
        }
    }

    /// An answer that makes no sense.
    pub fn broken(message: impl Into<String>) -> Self {
        Self::new(ModelErrorKind::Broken, message)
    }

    /// The same failure, of an answer that had begun.
    #[must_use]
    pub fn having_spent(self, spent: Option<Usage>) -> Self {
        Self { spent, ..self }
    }

    /// Whether asking again may help.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(
            self.kind,
            ModelErrorKind::Unreachable | ModelErrorKind::Overloaded
        )
    }
}
