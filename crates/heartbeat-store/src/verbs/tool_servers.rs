//! Tool servers of agents, and what people decided about their tools.

use async_trait::async_trait;
use heartbeat_domain::headers::Headers;
use heartbeat_domain::ids::{BotId, ProjectId, ToolServerId};
use heartbeat_domain::tool::{ListedTool, ToolServer};
use heartbeat_domain::tool_server::{ToolDecision, ToolServerChange};
use jiff::Timestamp;

use super::{Listed, Page, Result};

/// Names a tool server of an agent of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToolServerKey {
    /// Project.
    pub project_id: ProjectId,
    /// Agent.
    pub bot_id: BotId,
    /// Tool server.
    pub id: ToolServerId,
}

/// A tool server that is to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewToolServer {
    /// The server; its `header_names` are those of `headers`.
    pub server: ToolServer,
    /// Headers, which are sealed before they are written.
    pub headers: Headers,
    /// How many a project may have by its plan, and the plan's name.
    pub cap: Option<(u32, String)>,
}

/// A tool server with what is needed to reach it. Only for whoever calls it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reachable {
    /// The server.
    pub server: ToolServer,
    /// Its headers, opened. `Corrupt` if they do not open with this key: the server is then not to
    /// be called, and other servers are not concerned.
    pub headers: Result<Headers>,
}

/// Tool servers of an agent. Another project's server, and another agent's, is `NotFound`.
///
/// Verbs that seal or open values answer `Conflict` as long as the store was given no sealing key.
#[async_trait]
pub trait ToolServers: Send + Sync {
    /// Makes a tool server. Idempotent under its id. `NotFound` without the agent, `Violation` if a
    /// field is wrong or the agent has a server of that label, `Limit` beyond the cap.
    async fn create_tool_server(&self, ask: &NewToolServer) -> Result<ToolServer>;

    /// A tool server.
    async fn tool_server(&self, key: ToolServerKey) -> Result<ToolServer>;

    /// A page of an agent's tool servers, oldest first.
    async fn tool_servers(
        &self,
        project_id: ProjectId,
        bot_id: BotId,
        page: Page,
    ) -> Result<Listed<ToolServer>>;

    /// Changes a tool server, as [`ToolServerChange::applied_to`] says; values that are kept are
    /// read from the row as locked. Idempotent: what it sets is absolute.
    async fn update_tool_server(
        &self,
        key: ToolServerKey,
        change: ToolServerChange,
        now: Timestamp,
    ) -> Result<ToolServer>;

    /// Takes a fresh list over, as [`heartbeat_domain::tool::refreshed`] says for the tools as
    /// locked, and forgets the trouble of an earlier listing. Idempotent under the list.
    async fn refresh_tools(
        &self,
        key: ToolServerKey,
        listed: Vec<ListedTool>,
        now: Timestamp,
    ) -> Result<ToolServer>;

    /// Records why a listing failed; the tools stay as they were. Idempotent.
    async fn record_trouble(
        &self,
        key: ToolServerKey,
        trouble: &str,
        now: Timestamp,
    ) -> Result<ToolServer>;

    /// Takes decisions about tools over, all or none. Idempotent: what it sets is absolute.
    async fn decide_tools(
        &self,
        key: ToolServerKey,
        decisions: Vec<ToolDecision>,
        now: Timestamp,
    ) -> Result<ToolServer>;

    /// Deletes a tool server with its secrets. Repeated, it is `NotFound`.
    async fn delete_tool_server(&self, key: ToolServerKey) -> Result<()>;

    /// A tool server with its headers opened, enabled or not.
    async fn reach_one(&self, key: ToolServerKey) -> Result<Reachable>;

    /// An agent's enabled tool servers with their headers opened, oldest first, in one read; none
    /// where there is no such agent.
    async fn reach(&self, project_id: ProjectId, bot_id: BotId) -> Result<Vec<Reachable>>;
}
