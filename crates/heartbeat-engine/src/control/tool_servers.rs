//! Tool servers of agents: where they may be, what they list, what may be called.
//!
//! Invariant: an address is checked before it is kept and before anything connects to it; a server
//! whose listing fails stays, with its trouble shown.

use heartbeat_domain::headers::Headers;
use heartbeat_domain::ids::{BotId, ProjectId, ToolServerId};
use heartbeat_domain::plan::Plan;
use heartbeat_domain::tool::{ListedTool, Permission, Place, ToolServer};
use heartbeat_domain::tool_server::{ToolDecision, ToolServerChange, check_new};
use heartbeat_domain::violation::Violation;
use heartbeat_store::verbs::{BotRef, NewToolServer, Reachable, ToolServerKey};
use heartbeat_store::{StoreError, Thing};
use heartbeat_tools::{HandsError, Server};

use super::{Control, Result, refused};

/// Most tools of one server that are kept.
pub const TOOLS_MAX: usize = 512;

/// A tool server that somebody wants.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolServerAsk {
    /// Name for people.
    pub label: String,
    /// Where it is.
    pub place: Place,
    /// What its tools start as.
    pub fresh: Permission,
    /// Headers that it is sent.
    pub headers: Headers,
    /// Whether its tools are offered at all.
    pub is_enabled: bool,
    /// Whether its annotations count for repeats.
    pub trusted: bool,
}

/// A tool server that was asked for its list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    /// The server as it is now.
    pub server: ToolServer,
    /// How many tools it listed, or why it did not.
    pub outcome: std::result::Result<usize, HandsError>,
}

impl Control {
    /// Adds a tool server to an agent and asks it for its tools.
    ///
    /// # Errors
    /// In this order: the agent is unknown; a field is wrong; plan, address or cap do not allow it.
    pub async fn create_tool_server(
        &self,
        project_id: ProjectId,
        bot_id: BotId,
        ask: ToolServerAsk,
    ) -> Result<Listing> {
        let (_, plan) = self.plan_of(project_id).await?;
        self.store.bot(project_id, BotRef::Id(bot_id)).await?;
        let now = self.now();
        let server = ToolServer {
            id: ToolServerId::new(&self.ids, now),
            project_id,
            bot_id,
            label: ask.label.trim().to_owned(),
            place: ask.place,
            fresh: ask.fresh,
            header_names: ask.headers.names(),
            is_enabled: ask.is_enabled,
            trusted: ask.trusted,
            tools: Vec::new(),
            trouble: None,
            created_at: now,
            updated_at: now,
        };
        check_new(&server)?;
        self.check_reach(&server, &plan)?;
        let outcome = self.list(&server, &ask.headers, &plan).await;
        refuse_closed(&outcome)?;
        let ask = NewToolServer {
            server,
            headers: ask.headers,
            cap: plan.connectors.map(|cap| (cap, plan.name.clone())),
        };
        let server = self.store.create_tool_server(&ask).await?;
        self.keep(key(&server), outcome).await
    }

    /// Changes a tool server; one that is reached otherwise than before is asked for its tools first.
    ///
    /// # Errors
    /// In this order: it is unknown; a field is wrong; plan or address do not allow it.
    pub async fn update_tool_server(
        &self,
        key: ToolServerKey,
        change: ToolServerChange,
    ) -> Result<ToolServer> {
        let (_, plan) = self.plan_of(key.project_id).await?;
        let Reachable {
            server: before,
            headers: present,
        } = self.store.reach_one(key).await?;
        let now = self.now();
        let known = present.clone().unwrap_or_default();
        let (after, headers) = change.clone().applied_to(&before, &known, now)?;
        let wakes = after.is_enabled && !before.is_enabled;
        if change.moves(&before) || wakes {
            self.check_reach(&after, &plan)?;
        }
        let is_reached_otherwise = change.moves(&before) || wakes || headers.is_some();
        if !is_reached_otherwise || !after.is_enabled {
            return self.store.update_tool_server(key, change, now).await;
        }
        let headers = headers.map_or(present, Ok);
        let outcome = self.list_with(&after, headers, &plan).await?;
        refuse_closed(&outcome)?;
        let now = self.now();
        self.store.update_tool_server(key, change, now).await?;
        Ok(self.keep(key, outcome).await?.server)
    }

    /// Asks a tool server for its tools and takes its list over, or its trouble.
    ///
    /// # Errors
    /// It is unknown.
    pub async fn refresh_tools(&self, key: ToolServerKey) -> Result<Listing> {
        let (_, plan) = self.plan_of(key.project_id).await?;
        let Reachable { server, headers } = self.store.reach_one(key).await?;
        let outcome = self.list_with(&server, headers, &plan).await?;
        self.keep(key, outcome).await
    }

    /// Takes a person's decisions about tools over, all or none.
    ///
    /// # Errors
    /// The server is unknown, or lists no such tool.
    pub async fn decide_tools(
        &self,
        key: ToolServerKey,
        decisions: Vec<ToolDecision>,
    ) -> Result<ToolServer> {
        self.store.decide_tools(key, decisions, self.now()).await
    }

    /// Deletes a tool server with its secrets.
    ///
    /// # Errors
    /// It is unknown.
    pub async fn delete_tool_server(&self, key: ToolServerKey) -> Result<()> {
        self.store.delete_tool_server(key).await
    }

    /// The agent's tool server of that id or label.
    ///
    /// # Errors
    /// There is none.
    pub async fn pick_tool_server(
        &self,
        project_id: ProjectId,
        bot_id: BotId,
        named: &str,
    ) -> Result<ToolServer> {
        let mut number = 1;
        loop {
            let page = heartbeat_store::verbs::Page { number, size: 100 };
            let found = self.store.tool_servers(project_id, bot_id, page).await?;
            let is_last = page.offset() + 100 >= i64::try_from(found.total).unwrap_or(i64::MAX);
            let by_name =
                |server: &ToolServer| server.label == named || server.id.to_string() == named;
            if let Some(server) = found.rows.into_iter().find(by_name) {
                return Ok(server);
            }
            if is_last {
                return Err(StoreError::NotFound(Thing::ToolServer));
            }
            number += 1;
        }
    }

    /// Refuses an address that the plan may not reach, without connecting to it.
    fn check_reach(&self, server: &ToolServer, plan: &Plan) -> Result<()> {
        if matches!(server.place, Place::Declared { .. }) && !plan.local_access {
            let message = format!(
                "The plan {} has no local access, which tool servers on this machine need; reach \
                 the server over HTTP instead.",
                plan.name
            );
            return Err(refused("LOCAL_ACCESS_OFF", message));
        }
        let server = reached(server, Vec::new(), plan);
        self.hands.check(&server).map_err(refusal)
    }

    /// Lists with headers that may not open; a server is not asked without them.
    async fn list_with(
        &self,
        server: &ToolServer,
        headers: Result<Headers>,
        plan: &Plan,
    ) -> Result<Outcome> {
        match headers {
            Ok(headers) => Ok(self.list(server, &headers, plan).await),
            Err(error) => Ok(Err(unopened(&error)?)),
        }
    }

    async fn list(&self, server: &ToolServer, headers: &Headers, plan: &Plan) -> Outcome {
        let server = reached(server, headers.pairs().to_vec(), plan);
        bounded(self.hands.list(&server).await?)
    }

    /// Keeps what came of a listing.
    async fn keep(&self, key: ToolServerKey, outcome: Outcome) -> Result<Listing> {
        let now = self.now();
        match outcome {
            Ok(listed) => {
                let outcome = Ok(listed.len());
                let server = self.store.refresh_tools(key, listed, now).await?;
                Ok(Listing { server, outcome })
            }
            Err(error) => {
                let server = self.store.record_trouble(key, &error.message, now).await?;
                let outcome = Err(error);
                Ok(Listing { server, outcome })
            }
        }
    }
}

/// The tools that a server lists, or why it does not.
type Outcome = std::result::Result<Vec<ListedTool>, HandsError>;

/// Refuses an address that turned out to lead where the plan may not reach: nothing was connected
/// to, and nothing is kept.
fn refuse_closed(outcome: &Outcome) -> Result<()> {
    match outcome {
        Err(error) if error.code == "ADDRESS_REFUSED" => Err(refusal(error.clone())),
        _ => Ok(()),
    }
}

/// Names a server.
fn key(server: &ToolServer) -> ToolServerKey {
    ToolServerKey {
        project_id: server.project_id,
        bot_id: server.bot_id,
        id: server.id,
    }
}

/// A server as it is reached for a project of that plan.
fn reached(server: &ToolServer, headers: Vec<(String, String)>, plan: &Plan) -> Server {
    Server {
        id: server.id,
        project_id: server.project_id,
        place: server.place.clone(),
        headers,
        allow_networks: plan.allow_networks.clone(),
        local_access: plan.local_access,
    }
}

/// A list that is kept. What is beyond it would only fill the model's window.
fn bounded(listed: Vec<ListedTool>) -> Outcome {
    if listed.len() <= TOOLS_MAX {
        return Ok(listed);
    }
    Err(HandsError {
        code: "TOOL_SERVER_FLOODS",
        message: format!(
            "it lists {} tools, and at most {TOOLS_MAX} are kept",
            listed.len()
        ),
    })
}

/// Why headers that do not open keep a server from being asked.
fn unopened(error: &StoreError) -> Result<HandsError> {
    match error {
        StoreError::Corrupt(_) | StoreError::Conflict(_) => Ok(HandsError {
            code: "TOOL_SERVER_HEADERS",
            message: "its headers do not open with this server's key; enter them again".into(),
        }),
        other => Err(other.clone()),
    }
}

/// A refusal of an address as what people run into: a field that is wrong, or a plan.
fn refusal(error: HandsError) -> StoreError {
    let field = match error.code {
        "ADDRESS_REFUSED" | "LOCAL_ACCESS_OFF" => return refused(error.code, error.message),
        "NOT_DECLARED" => "server_name",
        "TOOL_SERVER_HEADERS" => "headers",
        _ => "server_url",
    };
    Violation::input(field, error.message).into()
}
