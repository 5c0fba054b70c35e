//! What a claim makes of the rows that it locked, whichever database keeps them.

use std::collections::HashMap;

use heartbeat_domain::bot::{Bot, Project};
use heartbeat_domain::claim::{Claim, Hold};
use heartbeat_domain::execution::{Execution, Trigger};
use heartbeat_domain::heartbeat::{Heartbeat, Skipped, Standing};
use heartbeat_domain::ids::{BotId, ExecutionId, IdSource, NodeId, ProjectId};
use heartbeat_domain::reason::Reason;
use heartbeat_domain::schedule::{Passed, Schedule};
use jiff::{SignedDuration, Timestamp};

use crate::marking::Above;
use crate::schedules::Schedules;
use crate::verbs::Result;
use crate::{StoreError, entries};

/// A fire that is about to be claimed.
pub(crate) struct Fire {
    pub(crate) heartbeat: Heartbeat,
    pub(crate) execution: Execution,
    pub(crate) missed: Option<Skipped>,
}

/// Agents and projects of claims, each read once.
#[derive(Default)]
pub(crate) struct Owners {
    pub(crate) bots: HashMap<(ProjectId, BotId), Bot>,
    pub(crate) projects: HashMap<ProjectId, Project>,
}

impl Owners {
    /// The switches above a heartbeat, and when one was last set.
    pub(crate) fn above(&self, heartbeat: &Heartbeat, now: Timestamp) -> (Above, Timestamp) {
        let bot = self.bots.get(&(heartbeat.project_id, heartbeat.bot_id));
        let project = self.projects.get(&heartbeat.project_id);
        let Some((project, bot)) = project.zip(bot) else {
            return (Above::default(), now);
        };
        let changed_at = project.paused_at.unwrap_or(bot.updated_at);
        (Above::of(project, bot), changed_at)
    }

    /// What the holder of a fire is given.
    pub(crate) fn claim(
        &self,
        execution: Execution,
        heartbeat: Option<Heartbeat>,
        node_id: NodeId,
        missed: Option<Skipped>,
    ) -> Result<Claim> {
        let bot = self.bots.get(&(execution.project_id, execution.bot_id));
        let project = self.projects.get(&execution.project_id);
        let (Some(bot), Some(project)) = (bot, project) else {
            let what = format!("execution {} has no agent or no project", execution.id);
            return Err(StoreError::Corrupt(what));
        };
        Ok(Claim {
            hold: Hold {
                due_at: execution.due_at,
                project_id: execution.project_id,
                execution_id: execution.id,
                node_id,
                fence: execution.fence,
            },
            taken_over: execution.fence > 1,
            heartbeat,
            bot: bot.clone(),
            project: project.clone(),
            missed,
            execution,
        })
    }
}

/// Due moments before a taken-over fire's own, as its first holder saw them.
pub(crate) fn missed_before(
    schedules: &Schedules,
    heartbeat: Option<&Heartbeat>,
    execution: &Execution,
) -> Option<Skipped> {
    let heartbeat = heartbeat.filter(|heartbeat| heartbeat.standing() == Standing::Active)?;
    let schedule = schedules.of(heartbeat).ok()?;
    let before = execution
        .due_at
        .checked_sub(SignedDuration::from_millis(1))
        .ok()?;
    let passed = schedule.advance(&heartbeat.next?, before).passed?;
    Some(Skipped {
        reason: execution.missed_reason,
        first_due_at: passed.first,
        last_due_at: passed.latest.at,
        count: passed.count,
    })
}

/// The fire of a heartbeat that is due: for the latest of its due moments, of which the earlier
/// ones were missed.
pub(crate) fn fire(
    ids: &IdSource,
    (heartbeat, schedule): (&Heartbeat, &Schedule),
    awake_since: Timestamp,
    now: Timestamp,
) -> Option<Fire> {
    if heartbeat.standing() != Standing::Active {
        return None;
    }
    let passed = schedule.advance(&heartbeat.next?, now).passed?;
    let due_at = passed.latest.at;
    let trigger = if due_at < awake_since {
        Trigger::CatchUp
    } else {
        Trigger::Schedule
    };
    let reason = if passed.first < awake_since {
        Reason::Downtime
    } else {
        Reason::Capacity
    };
    let id = ExecutionId::new(ids, now);
    let mut execution = entries::fresh(heartbeat, id, (trigger, due_at), now);
    execution.missed_reason = reason;
    execution.fence = 1;
    execution.started_at = Some(now);
    let missed = missed(&passed, reason);
    Some(Fire {
        heartbeat: heartbeat.clone(),
        execution,
        missed,
    })
}

fn missed(passed: &Passed, reason: Reason) -> Option<Skipped> {
    passed.before_latest.map(|last_due_at| Skipped {
        reason,
        first_due_at: passed.first,
        last_due_at,
        count: passed.count - 1,
    })
}
