//! Agents.

use heartbeat_domain::bot::{Bot, BotChange};
use heartbeat_domain::ids::{BotId, ProjectId};
use heartbeat_domain::violation::Violation;
use heartbeat_store::verbs::{BotRef, HeartbeatKey, Reach, Settled};

use super::{Control, Result, refused};

impl Control {
    /// Creates an agent. `name` and `model` are required; the heartbeat switch is off unless asked
    /// for.
    ///
    /// # Errors
    /// A field is missing or wrong, or the plan has no heartbeats and the switch was asked for.
    pub async fn create_bot(&self, project_id: ProjectId, ask: BotChange) -> Result<Bot> {
        let (_, plan) = self.plan_of(project_id).await?;
        ask.check()?;
        self.check_model("model", ask.model.as_deref())?;
        let missing = |field| Violation::input(field, "is required: a text of 1 to 255 characters");
        let now = self.now();
        let bot = Bot {
            id: BotId::new(&self.ids, now),
            number: 0,
            project_id,
            name: ask.name.ok_or_else(|| missing("name"))?,
            model: ask.model.ok_or_else(|| missing("model"))?,
            instruction: ask.instruction.unwrap_or_default(),
            status: ask.status.unwrap_or(true),
            heartbeat: ask.heartbeat.unwrap_or(false),
            credit_limit: ask.credit_limit.or_keep(None),
            web_hosts: ask.web_hosts.or_keep(None),
            created_at: now,
            updated_at: now,
        };
        if bot.heartbeat && !plan.has_heartbeats() {
            return Err(no_heartbeats(&plan.name));
        }
        self.store.create_bot(&bot).await
    }

    /// Changes an agent.
    ///
    /// # Errors
    /// It does not exist, a field is wrong, or the plan has no heartbeats and the switch is to be
    /// on.
    pub async fn update_bot(
        &self,
        project_id: ProjectId,
        bot: BotRef,
        change: BotChange,
    ) -> Result<Bot> {
        let (_, plan) = self.plan_of(project_id).await?;
        self.store.bot(project_id, bot).await?;
        change.check()?;
        self.check_model("model", change.model.as_deref())?;
        if change.heartbeat == Some(true) && !plan.has_heartbeats() {
            return Err(no_heartbeats(&plan.name));
        }
        let bot = self
            .store
            .update_bot(project_id, bot, change, self.now())
            .await?;
        let rest = Settled {
            more: true,
            ..Settled::default()
        };
        self.settle(Reach::Bot(project_id, bot.id), rest).await?;
        self.wake.due();
        self.wake.stop();
        Ok(bot)
    }

    /// Deletes an agent with its heartbeats; the record stays.
    ///
    /// # Errors
    /// It does not exist.
    pub async fn delete_bot(&self, project_id: ProjectId, bot: BotRef) -> Result<()> {
        self.store.delete_bot(project_id, bot, self.now()).await?;
        self.wake.stop();
        Ok(())
    }

    /// Refuses what needs the switch and the plan.
    pub(super) async fn check_switch(&self, key: HeartbeatKey) -> Result<()> {
        let (_, plan) = self.plan_of(key.project_id).await?;
        let bot = self
            .store
            .bot(key.project_id, BotRef::Id(key.bot_id))
            .await?;
        if !bot.is_switched_on() {
            return Err(refused(
                "HEARTBEAT_OFF",
                "Heartbeat is not enabled for this bot. Set heartbeat: true (and status: 1) on the \
                 bot first.",
            ));
        }
        if !plan.has_heartbeats() {
            return Err(no_heartbeats(&plan.name));
        }
        Ok(())
    }
}

fn no_heartbeats(plan: &str) -> heartbeat_store::StoreError {
    refused(
        "PLAN_WITHOUT_HEARTBEATS",
        format!("The plan `{plan}` has no heartbeats. Move the project to a plan that has them."),
    )
}
