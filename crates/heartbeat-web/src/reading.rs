//! What pages need to know that no single verb answers, composed of those that there are.

use std::collections::HashMap;

use heartbeat_domain::bot::Bot;
use heartbeat_domain::execution::{Execution, Phase};
use heartbeat_domain::heartbeat::Heartbeat;
use heartbeat_domain::ids::{ExecutionId, HeartbeatId, ProjectId};
use heartbeat_engine::control::{Control, Result};
use heartbeat_store::verbs::{
    BotRef, Counts, HeartbeatKey, LogFilter, LogState, NoticeFilter, Page,
};
use heartbeat_store::{StoreError, Thing};
use jiff::Timestamp;

use crate::views::Whose;

/// Agents of a project that pages look at; more than that are found through the API.
const BOTS_MAX: usize = 1_000;
/// A page of agents, and the most open executions that are shown.
const HUNDRED: u32 = 100;

/// The agents of a project and their heartbeats.
#[derive(Clone, Debug)]
pub(crate) struct Roster {
    pub(crate) bots: Vec<Bot>,
    pub(crate) heartbeats: Vec<Heartbeat>,
    whose: HashMap<HeartbeatId, Whose>,
}

impl Roster {
    /// Of a whole project.
    pub(crate) async fn of_project(
        control: &Control,
        project_id: ProjectId,
        now: Timestamp,
    ) -> Result<Self> {
        let bots = bots(control, project_id).await?;
        Self::of_bots(control, bots, now).await
    }

    /// Of these agents.
    pub(crate) async fn of_bots(control: &Control, bots: Vec<Bot>, now: Timestamp) -> Result<Self> {
        let mut heartbeats = Vec::new();
        let mut whose = HashMap::new();
        for bot in &bots {
            let store = control.store();
            let own = store.heartbeats(bot.project_id, bot.id, None, now).await?;
            whose.extend(own.iter().map(|one| (one.id, Whose::of(one, bot))));
            heartbeats.extend(own);
        }
        Ok(Self {
            bots,
            heartbeats,
            whose,
        })
    }

    /// To whom an execution belongs.
    pub(crate) fn whose(&self, execution: &Execution) -> Whose {
        self.of_heartbeat(execution.heartbeat_id)
            .cloned()
            .unwrap_or_else(|| Whose::gone(execution))
    }

    /// What is known of a heartbeat, if it is there.
    pub(crate) fn of_heartbeat(&self, id: Option<HeartbeatId>) -> Option<&Whose> {
        self.whose.get(&id?)
    }
}

/// All agents of a project, oldest first.
async fn bots(control: &Control, project_id: ProjectId) -> Result<Vec<Bot>> {
    let mut bots = Vec::new();
    for number in 1.. {
        let page = Page {
            number,
            size: HUNDRED,
        };
        let listed = control.store().bots(project_id, page).await?;
        let last = listed.rows.len() < HUNDRED as usize;
        bots.extend(listed.rows);
        if last || bots.len() >= BOTS_MAX {
            break;
        }
    }
    Ok(bots)
}

/// A heartbeat that is named by its id alone, with its agent.
pub(crate) async fn find_heartbeat(
    control: &Control,
    project_id: ProjectId,
    id: HeartbeatId,
) -> Result<(Bot, Heartbeat)> {
    let now = control.now();
    for bot in bots(control, project_id).await? {
        let key = HeartbeatKey {
            project_id,
            bot_id: bot.id,
            id,
        };
        match control.store().heartbeat(key, now).await {
            Ok(heartbeat) => return Ok((bot, heartbeat)),
            Err(StoreError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::NotFound(Thing::Heartbeat))
}

/// The agent and heartbeat of an execution, as far as they are still there.
pub(crate) async fn whose(control: &Control, execution: &Execution) -> Result<Whose> {
    let Some(id) = execution.heartbeat_id else {
        return Ok(Whose::gone(execution));
    };
    let (project_id, bot_id) = (execution.project_id, execution.bot_id);
    let key = HeartbeatKey {
        project_id,
        bot_id,
        id,
    };
    let store = control.store();
    let found = match store.bot(project_id, BotRef::Id(bot_id)).await {
        Ok(bot) => store
            .heartbeat(key, control.now())
            .await
            .map(|heartbeat| Whose::of(&heartbeat, &bot)),
        Err(error) => Err(error),
    };
    match found {
        Err(StoreError::NotFound(_)) => Ok(Whose::gone(execution)),
        found => found,
    }
}

/// What is under way within a filter, newest first.
pub(crate) async fn open(
    control: &Control,
    project_id: ProjectId,
    filter: &LogFilter,
) -> Result<Vec<Execution>> {
    let page = Page {
        number: 1,
        size: HUNDRED,
    };
    let mut open = Vec::new();
    for phase in [Phase::Running, Phase::Waiting] {
        let filter = LogFilter {
            state: Some(LogState::Open(phase)),
            ..filter.clone()
        };
        open.extend(control.store().logs(project_id, &filter, page).await?.rows);
    }
    Ok(open)
}

/// What people were told lately, by the execution that told it.
#[derive(Clone, Debug)]
pub(crate) struct Told(HashMap<ExecutionId, String>);

impl Told {
    /// The titles of the newest messages within a filter.
    pub(crate) async fn lately(
        control: &Control,
        project_id: ProjectId,
        filter: &NoticeFilter,
    ) -> Result<Self> {
        let page = Page {
            number: 1,
            size: HUNDRED,
        };
        let notices = control.store().notices(project_id, filter, page).await?;
        let titles = notices
            .rows
            .into_iter()
            .filter_map(|notice| Some((notice.execution_id?, notice.title)));
        Ok(Self(titles.collect()))
    }

    /// What an execution told.
    pub(crate) fn by(&self, execution: &Execution) -> Option<&str> {
        self.0.get(&execution.id).map(String::as_str)
    }
}

/// The counts of the present UTC day over these agents.
pub(crate) async fn today(
    control: &Control,
    project_id: ProjectId,
    bots: &[Bot],
    now: Timestamp,
) -> Result<Counts> {
    let mut today = Counts::default();
    for bot in bots {
        let stats = control.store().stats(project_id, bot.id, 1, now).await?;
        let counts = stats.all;
        today.success += counts.success;
        today.error += counts.error;
        today.skipped += counts.skipped;
        today.cancelled += counts.cancelled;
        today.tokens += counts.tokens;
        today.credits += counts.credits;
        today.duration_ms += counts.duration_ms;
    }
    Ok(today)
}
