//! Agents.

use heartbeat_domain::bot::{Bot, BotChange};
use heartbeat_domain::heartbeat::Patch;
use heartbeat_domain::violation::Violation;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::{instant, switch};
use crate::input::{BotStatus, Input};
use crate::page::Pagination;

/// Creates an agent.
#[derive(Clone, Debug, ToSchema)]
pub struct CreateBotRequest {
    /// The project.
    pub project_id: String,
    /// Name, 1 to 255 characters.
    pub name: String,
    /// `provider/name`, or a name from the configuration.
    pub model: String,
    /// What it is told first in every session.
    pub instruction: Option<String>,
    /// Whether it works at all: true, false, 1 or 0; on where left out.
    pub status: Option<bool>,
    /// Whether it may have heartbeats: true, false, 1 or 0; off where left out.
    pub heartbeat: Option<bool>,
    /// Most credits in a calendar month, UTC; unlimited where left out.
    pub credit_limit: Option<u64>,
    /// The only hosts of pages and of watches on web addresses, as `name` or `name:port`. Where left
    /// out, all public ones, and none once a tool of the agent reads private data.
    pub web_hosts: Option<Vec<String>>,
}

/// Changes an agent; a field that is null or left out keeps its value, but for
/// `credit_limit` and `web_hosts`.
#[derive(Clone, Debug, ToSchema)]
pub struct UpdateBotRequest {
    /// The project.
    pub project_id: String,
    /// The agent, by UUID or row number.
    pub bot_id: String,
    /// Name, 1 to 255 characters.
    pub name: Option<String>,
    /// `provider/name`, or a name from the configuration.
    pub model: Option<String>,
    /// What it is told first in every session.
    pub instruction: Option<String>,
    /// Whether it works at all: true, false, 1 or 0.
    pub status: Option<bool>,
    /// Whether it may have heartbeats: true, false, 1 or 0.
    pub heartbeat: Option<bool>,
    /// Most credits in a calendar month, UTC; null is unlimited, 0 is nothing.
    pub credit_limit: Option<u64>,
    /// The only hosts of pages and of watches on web addresses, as `name` or `name:port`; null takes
    /// the list away, an empty one is no host at all.
    pub web_hosts: Option<Vec<String>>,
}

/// What a request says of an agent.
pub(crate) fn change(input: &Input) -> Result<BotChange, Violation> {
    Ok(BotChange {
        name: input.optional("name")?,
        model: input.optional("model")?,
        instruction: input.optional("instruction")?,
        status: input.optional("status")?.map(|BotStatus(on)| on),
        heartbeat: input.optional("heartbeat")?,
        credit_limit: input.patch("credit_limit")?,
        web_hosts: input.patch("web_hosts")?,
    })
}

/// Names an agent.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BotRequest {
    /// The project.
    pub project_id: String,
    /// The agent, by UUID or row number.
    pub bot_id: String,
}

/// Which page of a project's list.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageRequest {
    /// The project.
    pub project_id: String,
    /// 1 and up.
    pub page: Option<u32>,
    /// 1 to 100; 10 where left out.
    pub per_page: Option<u32>,
}

/// An agent.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Bot)]
pub struct BotObject {
    /// Row number, as a text; what heartbeats have in `bot_id`.
    pub id: String,
    /// UUID.
    pub uuid: String,
    /// Name.
    pub name: String,
    /// Model.
    pub model: String,
    /// What it is told first in every session.
    pub instruction: String,
    /// 1 if it works at all.
    #[schema(maximum = 1)]
    pub status: u8,
    /// 1 if it may have heartbeats.
    #[schema(maximum = 1)]
    pub heartbeat: u8,
    /// 1 if it keeps memories; not yet.
    #[schema(maximum = 1)]
    pub memory: u8,
    /// `agent`: heartbeats run with tools.
    pub reasoning_type: &'static str,
    /// When it was made.
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
    /// Most credits in a calendar month, UTC; null is unlimited.
    pub credit_limit: Option<u64>,
    /// The only hosts of pages and of watches on web addresses; null where there is no list.
    pub web_hosts: Option<Vec<String>>,
}

impl From<Bot> for BotObject {
    fn from(bot: Bot) -> Self {
        Self {
            id: bot.number.to_string(),
            uuid: bot.id.to_string(),
            name: bot.name,
            model: bot.model,
            instruction: bot.instruction,
            status: switch(bot.status),
            heartbeat: switch(bot.heartbeat),
            memory: switch(false),
            reasoning_type: "agent",
            created_at: instant(bot.created_at),
            updated_at: instant(bot.updated_at),
            credit_limit: bot.credit_limit,
            web_hosts: bot.web_hosts,
        }
    }
}

/// One agent.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BotResponse {
    /// The agent.
    pub bot: BotObject,
}

/// A page of agents, oldest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BotsResponse {
    /// The agents of this page.
    pub bots: Vec<BotObject>,
    /// Where this page stands.
    pub pagination: Pagination,
}

/// What an update changed: only the fields that it named.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BotUpdated {
    /// Row number, as a text.
    pub id: String,
    /// When.
    pub updated_at: String,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What it is told first in every session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instruction: Option<String>,
    /// 1 if it works at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1)]
    pub status: Option<u8>,
    /// 1 if it may have heartbeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1)]
    pub heartbeat: Option<u8>,
    /// Most credits in a calendar month, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credit_limit: Option<Option<u64>>,
    /// The only hosts of pages and of watches on web addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_hosts: Option<Option<Vec<String>>>,
}

impl BotUpdated {
    /// Of the agent as it is now, what `change` named.
    pub(crate) fn of(bot: Bot, change: &BotChange) -> Self {
        Self {
            id: bot.number.to_string(),
            updated_at: instant(bot.updated_at),
            name: change.name.is_some().then_some(bot.name),
            model: change.model.is_some().then_some(bot.model),
            instruction: change.instruction.is_some().then_some(bot.instruction),
            status: change.status.map(|_| switch(bot.status)),
            heartbeat: change.heartbeat.map(|_| switch(bot.heartbeat)),
            credit_limit: (change.credit_limit != Patch::Keep).then_some(bot.credit_limit),
            web_hosts: (change.web_hosts != Patch::Keep).then_some(bot.web_hosts),
        }
    }
}

/// Whether something was done.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DoneResponse {
    /// Always true.
    pub success: bool,
    /// For people.
    pub message: &'static str,
}
