//! Agents and heartbeats as people name them: by name, label, number or id.

use heartbeat_domain::bot::Bot;
use heartbeat_domain::heartbeat::Heartbeat;
use heartbeat_domain::ids::ProjectId;
use heartbeat_engine::control::Control;
use heartbeat_store::verbs::{HeartbeatKey, Page};
use heartbeat_store::{StoreError, Thing};

use crate::args::{BotWithin, HeartbeatArgs};
use crate::output::BadArgument;

/// All agents of a project, or the one that was named.
pub(crate) async fn bots(control: &Control, ask: &BotWithin) -> anyhow::Result<Vec<Bot>> {
    let project = control.pick_project(ask.within.project.as_deref()).await?;
    match &ask.bot {
        Some(named) => Ok(vec![bot(control, project.id, named).await?]),
        None => all_bots(control, project.id).await,
    }
}

/// The agent that was named; the only one there is, where none was.
pub(crate) async fn one_bot(control: &Control, ask: &BotWithin) -> anyhow::Result<Bot> {
    let mut bots = bots(control, ask).await?;
    match bots.len() {
        1 => Ok(bots.remove(0)),
        0 => Err(
            BadArgument("there is no bot yet; make one with `heartbeat bot create`".into()).into(),
        ),
        _ => Err(BadArgument("there are several bots; name one with --bot".into()).into()),
    }
}

/// The agent of that name, number or id.
pub(crate) async fn bot(
    control: &Control,
    project_id: ProjectId,
    named: &str,
) -> anyhow::Result<Bot> {
    let bots = all_bots(control, project_id).await?;
    let is_it = |bot: &Bot| {
        bot.id.to_string() == named || bot.number.to_string() == named || bot.name == named
    };
    let mut found = bots.into_iter().filter(is_it);
    match (found.next(), found.next()) {
        (Some(bot), None) => Ok(bot),
        (None, _) => Err(StoreError::NotFound(Thing::Bot).into()),
        (Some(_), Some(_)) => Err(BadArgument(format!(
            "several bots are called `{named}`; use the number or the id"
        ))
        .into()),
    }
}

async fn all_bots(control: &Control, project_id: ProjectId) -> anyhow::Result<Vec<Bot>> {
    let mut bots = Vec::new();
    for number in 1.. {
        let page = control
            .store()
            .bots(project_id, Page { number, size: 100 })
            .await?;
        let is_last = page.rows.len() < 100;
        bots.extend(page.rows);
        if is_last {
            break;
        }
    }
    Ok(bots)
}

/// The heartbeat of that id or label, within a project.
pub(crate) async fn heartbeat(
    control: &Control,
    ask: &HeartbeatArgs,
) -> anyhow::Result<(HeartbeatKey, Heartbeat)> {
    let within = BotWithin {
        within: ask.within.clone(),
        bot: None,
    };
    let named = &ask.heartbeat;
    let mut found = Vec::new();
    for bot in bots(control, &within).await? {
        let all = control
            .store()
            .heartbeats(bot.project_id, bot.id, None, control.now())
            .await?;
        found.extend(all.into_iter().filter(|heartbeat| {
            heartbeat.id.to_string() == *named || heartbeat.settings.label.as_ref() == Some(named)
        }));
    }
    match found.len() {
        1 => {
            let heartbeat = found.remove(0);
            Ok((key(&heartbeat), heartbeat))
        }
        0 => Err(StoreError::NotFound(Thing::Heartbeat).into()),
        _ => Err(BadArgument(format!(
            "several heartbeats are called `{named}`; use the id"
        ))
        .into()),
    }
}

/// The key of a heartbeat.
pub(crate) fn key(heartbeat: &Heartbeat) -> HeartbeatKey {
    HeartbeatKey {
        project_id: heartbeat.project_id,
        bot_id: heartbeat.bot_id,
        id: heartbeat.id,
    }
}
