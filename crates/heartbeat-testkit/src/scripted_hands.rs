//! Hands that reach nothing: what they answer is set by a test, and what they were asked is counted.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use heartbeat_domain::tool::{Annotations, ListedTool, Place};
use heartbeat_tools::{CallEnd, HandCall, Hands, HandsError, Server};
use serde_json::json;

/// Hands by script. Fresh ones list no tools, know the declared server `git` and refuse addresses
/// with `refused` in them.
#[derive(Default)]
pub struct ScriptedHands(Mutex<Script>);

#[derive(Default)]
struct Script {
    tools: Vec<ListedTool>,
    failure: Option<HandsError>,
    listed: Vec<Server>,
}

impl ScriptedHands {
    /// From now on every server lists these.
    pub fn list_of(&self, tools: Vec<ListedTool>) {
        let mut script = self.script();
        script.tools = tools;
        script.failure = None;
    }

    /// From now on no server can be listed.
    pub fn fail(&self, code: &'static str, message: &str) {
        self.script().failure = Some(HandsError {
            code,
            message: message.to_owned(),
        });
    }

    /// The servers that were asked for their tools, as they were reached.
    pub fn asked(&self) -> Vec<Server> {
        self.script().listed.clone()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A tool that takes one text.
#[must_use]
pub fn tool(name: &str, description: &str) -> ListedTool {
    ListedTool {
        name: name.to_owned(),
        description: description.to_owned(),
        schema: json!({ "type": "object", "properties": { "id": { "type": "string" } } }),
        annotations: Annotations {
            idempotent: Some(true),
            ..Annotations::default()
        },
    }
}

#[async_trait]
impl Hands for ScriptedHands {
    fn check(&self, server: &Server) -> Result<(), HandsError> {
        let (code, message) = match &server.place {
            Place::Http { url } if url.contains("refused") => {
                ("ADDRESS_REFUSED", "the address may not be reached")
            }
            Place::Declared { name } if name != "git" => {
                ("NOT_DECLARED", "no tool server of that name is declared")
            }
            _ => return Ok(()),
        };
        Err(HandsError {
            code,
            message: message.to_owned(),
        })
    }

    async fn list(&self, server: &Server) -> Result<Vec<ListedTool>, HandsError> {
        let mut script = self.script();
        script.listed.push(server.clone());
        match &script.failure {
            Some(failure) => Err(failure.clone()),
            None => Ok(script.tools.clone()),
        }
    }

    async fn call(&self, _server: &Server, _call: &HandCall) -> CallEnd {
        CallEnd::NotMade {
            message: "these hands make no calls".to_owned(),
        }
    }
}
