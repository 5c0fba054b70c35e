//! `heartbeat pause` and `heartbeat resume`.

use heartbeat_engine::control::Control;
use heartbeat_store::verbs::Reach;
use serde_json::json;

use super::find;
use crate::args::{BotWithin, ReachArgs, Within};
use crate::output::Out;

/// How many heartbeats are listed for people; `--json` lists all.
const LISTED: usize = 50;

/// Stops everything within reach and lists what that was.
pub(crate) async fn pause(ask: &ReachArgs, control: &Control, out: &mut Out) -> anyhow::Result<()> {
    let stopped = control.pause(reach(ask, control).await?).await?;
    if out.is_json() {
        let value = json!({ "heartbeats": stopped.heartbeats, "executions": stopped.executions });
        out.value(&value);
        return Ok(());
    }
    out.line(&format!(
        "Stopped {} heartbeats; {} executions end within 5 seconds",
        stopped.heartbeats.len(),
        stopped.executions.len()
    ));
    for id in &stopped.executions {
        out.line(&format!("  execution {id}"));
    }
    for id in stopped.heartbeats.iter().take(LISTED) {
        out.line(&format!("  heartbeat {id}"));
    }
    if let Some(more) = stopped.heartbeats.len().checked_sub(LISTED + 1) {
        out.line(&format!(
            "  and {} heartbeats more; --json lists all",
            more + 1
        ));
    }
    Ok(())
}

/// Lets everything within reach go on.
pub(crate) async fn resume(
    ask: &ReachArgs,
    control: &Control,
    out: &mut Out,
) -> anyhow::Result<()> {
    let resumed = control.resume(reach(ask, control).await?).await?;
    let text = format!("{} heartbeats go on", resumed.len());
    out.either(&json!({ "heartbeats": resumed }), &text);
    Ok(())
}

async fn reach(ask: &ReachArgs, control: &Control) -> anyhow::Result<Reach> {
    if let Some(project) = &ask.project {
        return Ok(Reach::Project(
            control.pick_project(Some(project)).await?.id,
        ));
    }
    if ask.bot.is_some() {
        let within = BotWithin {
            within: Within { project: None },
            bot: ask.bot.clone(),
        };
        let bot = find::one_bot(control, &within).await?;
        return Ok(Reach::Bot(bot.project_id, bot.id));
    }
    Ok(Reach::All)
}
