//! Heartbeats: configure, enable, disable, delete, cancel, stop and go on.

use heartbeat_domain::bot::Bot;
use heartbeat_domain::heartbeat::{Heartbeat, HeartbeatChange, Patch, ScheduleFields};
use heartbeat_domain::ids::{ExecutionId, HeartbeatId, ProjectId};
use heartbeat_domain::plan::Plan;
use heartbeat_domain::reason::Reason;
use heartbeat_domain::watch::Watch;
use heartbeat_store::verbs::{BotRef, Configure, HeartbeatKey, Reach, SettleAsk, Settled, Target};
use jiff::Timestamp;

use super::{Control, Result, refused};
use crate::privacy::watch_bounds;

/// What a pause stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Heartbeats that were active and no longer are.
    pub heartbeats: Vec<HeartbeatId>,
    /// Executions that were asked to end.
    pub executions: Vec<ExecutionId>,
}

impl Control {
    /// Creates a heartbeat, or updates the `existing` one.
    ///
    /// # Errors
    /// What is wrong, in this order: bot or heartbeat unknown, input, switch, plan and cap.
    pub async fn configure(
        &self,
        project_id: ProjectId,
        bot: BotRef,
        existing: Option<HeartbeatId>,
        change: HeartbeatChange,
    ) -> Result<Heartbeat> {
        let (_, plan) = self.plan_of(project_id).await?;
        let bot = self.store.bot(project_id, bot).await?;
        if let Patch::Set(watch) = &change.watch {
            self.check_watch(watch, (&bot, &plan)).await?;
        }
        if let Patch::Set(model) = &change.run_model {
            self.check_model("run_model", Some(model))?;
        }
        let now = self.now();
        let target = match existing {
            Some(id) => Target::Existing(id),
            None => Target::New(HeartbeatId::new(&self.ids, now)),
        };
        let ask = Configure {
            project_id,
            bot_id: bot.id,
            target,
            change,
            plan,
        };
        let heartbeat = self.store.configure(ask, now).await?;
        self.wake.due();
        Ok(heartbeat)
    }

    async fn check_watch(&self, watch: &Watch, (bot, plan): (&Bot, &Plan)) -> Result<()> {
        watch.check()?;
        heartbeat_tools::check_selector(watch)?;
        if watch.tool.is_local() && !plan.local_access {
            return Err(refused(
                "LOCAL_ACCESS_OFF",
                format!(
                    "The plan does not allow `{}` watches: they look at the machine that runs the \
                     server.",
                    watch.tool.as_str()
                ),
            ));
        }
        let bounds = watch_bounds(&*self.store, (bot, plan), watch).await?;
        self.checks.check(watch, &bounds)
    }

    /// Enables a heartbeat.
    ///
    /// # Errors
    /// It does not exist, or switch, plan or cap forbid it.
    pub async fn enable(&self, key: HeartbeatKey) -> Result<Heartbeat> {
        let (_, plan) = self.plan_of(key.project_id).await?;
        let heartbeat = self.store.enable(key, &plan, self.now()).await?;
        self.wake.due();
        Ok(heartbeat)
    }

    /// Disables a heartbeat.
    ///
    /// # Errors
    /// It does not exist.
    pub async fn disable(&self, key: HeartbeatKey) -> Result<Heartbeat> {
        self.store.disable(key, self.now()).await
    }

    /// Deletes a heartbeat; its record stays.
    ///
    /// # Errors
    /// It does not exist.
    pub async fn delete(&self, key: HeartbeatKey) -> Result<()> {
        self.store.delete(key, self.now()).await?;
        self.wake.stop();
        Ok(())
    }

    /// Asks the open execution of a heartbeat to stop; whoever carries it out cuts it within seconds.
    ///
    /// # Errors
    /// The heartbeat does not exist, or nothing of it is under way.
    pub async fn cancel(&self, key: HeartbeatKey) -> Result<ExecutionId> {
        let now = self.now();
        self.store.heartbeat(key, now).await?;
        let execution = self.store.cancel(key, Reason::ByPerson, now).await?;
        self.wake.stop();
        Ok(execution)
    }

    /// Stops everything within reach: nothing starts once the first transaction is through, and what
    /// runs is cut by the nodes that carry it out. Answers when all heartbeats are marked; where this
    /// process dies before, a caretaker marks the others.
    ///
    /// # Errors
    /// The project or agent does not exist.
    pub async fn pause(&self, reach: Reach) -> Result<Stopped> {
        let first = self.store.pause(reach, self.settle_most, self.now());
        let first = first.await?;
        self.wake.stop();
        let settled = self.settle(reach, first).await?;
        self.wake.stop();
        Ok(Stopped {
            heartbeats: settled.paused,
            executions: settled.executions,
        })
    }

    /// Lets everything within reach go on.
    ///
    /// # Errors
    /// The project or agent does not exist.
    pub async fn resume(&self, reach: Reach) -> Result<Vec<HeartbeatId>> {
        let first = self.store.resume(reach, self.settle_most, self.now());
        let settled = self.settle(reach, first.await?).await?;
        self.wake.due();
        Ok(settled.resumed)
    }

    /// Marks what a verb has left to mark.
    pub(super) async fn settle(&self, reach: Reach, mut settled: Settled) -> Result<Settled> {
        while settled.more {
            let ask = SettleAsk {
                place: settled.place,
                ..SettleAsk::new(reach, self.settle_most)
            };
            settled.add(self.store.settle(ask, self.now()).await?);
        }
        Ok(settled)
    }

    /// When a schedule fires: the `count` values after `from`.
    ///
    /// # Errors
    /// A field is wrong, or it never fires.
    pub fn preview(
        &self,
        fields: &ScheduleFields,
        from: Timestamp,
        count: usize,
    ) -> Result<Vec<Timestamp>> {
        Ok(fields.parse(from)?.preview(from, count))
    }
}
