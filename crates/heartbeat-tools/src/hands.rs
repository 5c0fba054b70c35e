//! Tool servers, as the engine and control need them; scripted in simulations.

use std::time::Duration;

use async_trait::async_trait;
use heartbeat_domain::ids::{ProjectId, ToolServerId};
use heartbeat_domain::tool::{ListedTool, Place};
use serde_json::Value;

/// A tool server with all that is needed to reach it. Its `Debug` shows no header's value.
#[derive(Clone)]
pub struct Server {
    /// Id.
    pub id: ToolServerId,
    /// The project on whose behalf it is reached.
    pub project_id: ProjectId,
    /// Where it is.
    pub place: Place,
    /// Headers, opened.
    pub headers: Vec<(String, String)>,
    /// Networks beyond the public ones that the project's plan may reach, such as `loopback`,
    /// `private` or `10.0.0.0/8`.
    pub allow_networks: Vec<String>,
    /// Whether the plan has local access, which declared servers need.
    pub local_access: bool,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Server")
            .field("id", &self.id)
            .field("project_id", &self.project_id)
            .field("place", &self.place)
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

/// A call that is to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct HandCall {
    /// Name on the server.
    pub tool: String,
    /// Arguments.
    pub arguments: Value,
    /// JSON Schema that the arguments must meet before anything is sent.
    pub schema: Value,
    /// Stable id of the effect, sent as `_meta["heartbeat/effect-id"]` and, over HTTP, as
    /// `Idempotency-Key`.
    pub effect_id: String,
    /// Longest time for the whole call, connecting included.
    pub within: Duration,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum CallEnd {
    /// The server answered.
    Answered {
        /// Its content as text for the model, bounded.
        text: String,
        /// Whether the server says that the tool failed.
        is_error: bool,
    },
    /// It is certain that the call did not reach the server: no byte of it was sent, or the server
    /// refused it before it looked at it.
    NotMade {
        /// Why, for the model and for people.
        message: String,
    },
    /// It was sent and no answer is known: it may have happened.
    Unknown {
        /// What is known, for the model and for people.
        message: String,
    },
}

/// Why a server could not be listed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct HandsError {
    /// A stable code, such as `TOOL_SERVER_UNREACHABLE`, `ADDRESS_REFUSED`, `WANTS_OAUTH`,
    /// `NOT_DECLARED`, `LOCAL_ACCESS_OFF`.
    pub code: &'static str,
    /// What happened and what to do.
    pub message: String,
}

/// Something that reaches tool servers.
#[async_trait]
pub trait Hands: Send + Sync {
    /// Checks an address before it is kept, without connecting to it.
    ///
    /// # Errors
    /// It is no http(s) URL, carries credentials, names an address literal that the plan may not
    /// reach, or a server that nobody declared.
    fn check(&self, server: &Server) -> Result<(), HandsError>;

    /// Asks a server for its tools.
    ///
    /// # Errors
    /// It cannot be reached, or does not answer what the protocol says.
    async fn list(&self, server: &Server) -> Result<Vec<ListedTool>, HandsError>;

    /// Makes one call, once. Dropping the future cancels the call as the protocol says.
    async fn call(&self, server: &Server, call: &HandCall) -> CallEnd;
}

/// Hands that reach nothing and say so.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHands;

impl NoHands {
    fn refusal() -> HandsError {
        HandsError {
            code: "TOOL_SERVER_UNREACHABLE",
            message: "this process reaches no tool servers".into(),
        }
    }
}

#[async_trait]
impl Hands for NoHands {
    fn check(&self, _server: &Server) -> Result<(), HandsError> {
        Err(Self::refusal())
    }

    async fn list(&self, _server: &Server) -> Result<Vec<ListedTool>, HandsError> {
        Err(Self::refusal())
    }

    async fn call(&self, _server: &Server, _call: &HandCall) -> CallEnd {
        CallEnd::NotMade {
            message: Self::refusal().message,
        }
    }
}
