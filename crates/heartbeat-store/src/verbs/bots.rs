//! Agents.

use async_trait::async_trait;
use heartbeat_domain::bot::{Bot, BotChange};
use heartbeat_domain::ids::{BotId, ProjectId};
use jiff::Timestamp;

use super::{Listed, Page, Result};

/// A request names an agent by its UUID or by its row number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BotRef {
    /// By id.
    Id(BotId),
    /// By row number.
    Number(i64),
}

/// Agents of a project. Another project's agent is `NotFound`.
#[async_trait]
pub trait Bots: Send + Sync {
    /// Creates an agent; `number` of the answer is its row number. Idempotent under its id.
    async fn create_bot(&self, bot: &Bot) -> Result<Bot>;

    /// An agent.
    async fn bot(&self, project_id: ProjectId, bot: BotRef) -> Result<Bot>;

    /// A page of a project's agents, oldest first.
    async fn bots(&self, project_id: ProjectId, page: Page) -> Result<Listed<Bot>>;

    /// Changes an agent. When it is switched off its active heartbeats pause with `switched_off`
    /// and what runs is asked to stop; when it is switched on they resume on their grids. Of many
    /// heartbeats only the first are marked, as [`super::Heartbeats::pause`] does.
    async fn update_bot(
        &self,
        project_id: ProjectId,
        bot: BotRef,
        change: BotChange,
        now: Timestamp,
    ) -> Result<Bot>;

    /// Deletes an agent with its heartbeats, tool servers and secrets; open executions are asked to
    /// stop, rows of executions stay. Repeated, it is `NotFound`.
    async fn delete_bot(&self, project_id: ProjectId, bot: BotRef, now: Timestamp) -> Result<()>;
}
