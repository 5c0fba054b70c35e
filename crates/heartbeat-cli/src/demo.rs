//! `serve --demo`: an agent with heartbeats on this machine's own state. Nothing of it is canned:
//! the watches look at the real machine and a real file, and the agent runs on the model that was
//! chosen, which is the labelled `demo` provider where there is no other.

use std::path::{Path, PathBuf};

use anyhow::Context;
use heartbeat_agent::default_model::DefaultModel;
use heartbeat_domain::bot::{Bot, BotChange};
use heartbeat_domain::heartbeat::{Heartbeat, HeartbeatChange, Patch};
use heartbeat_domain::ids::ProjectId;
use heartbeat_domain::watch::{Condition, Probe, Selector, Watch};
use heartbeat_engine::control::Control;
use heartbeat_store::Address;
use heartbeat_store::verbs::{BotRef, HeartbeatKey, Page};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::config::Config;
use crate::open::beside;

/// The demo agent's name.
const NAME: &str = "Machine watch";

/// What the demo's file holds at first, and the threshold that wakes its watch.
const QUEUE_LENGTH: u32 = 12;
const QUEUE_THRESHOLD: f64 = 100.0;

/// Makes the demo's own file in a directory beside the database, and opens that directory to
/// `file` watches.
pub(crate) fn prepare(database: &Address, config: &mut Config) -> anyhow::Result<PathBuf> {
    let directory = beside(database, "").with_file_name("heartbeat-demo");
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let directory = directory.canonicalize()?;
    let file = directory.join("queue.txt");
    if !file.exists() {
        std::fs::write(&file, format!("{QUEUE_LENGTH}\n"))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    config.watch.local_roots.push(directory);
    Ok(file)
}

/// Makes the demo agent with its heartbeats, unless it is there, and lets each beat once now.
/// Answers what to say on the first screen.
pub(crate) async fn set_up(
    control: &Control,
    project_id: ProjectId,
    file: &Path,
    model: &DefaultModel,
) -> anyhow::Result<String> {
    let said = format!(
        "Demo: to see a watch fire, run: echo 150 > {}",
        file.display()
    );
    let control = &control.for_demo();
    let bots = control
        .store()
        .bots(
            project_id,
            Page {
                number: 1,
                size: 100,
            },
        )
        .await?;
    let bot = match bots.rows.into_iter().find(|bot| bot.name == NAME) {
        Some(bot) => follow_model(control, bot, model).await?,
        None => control.create_bot(project_id, agent(model)).await?,
    };
    let there = control
        .store()
        .heartbeats(project_id, bot.id, None, control.now())
        .await?;
    let is_there = |change: &HeartbeatChange| {
        there
            .iter()
            .any(|heartbeat| change.label == Patch::Set(label(heartbeat)))
    };
    for change in [machine(), queue(file), report()]
        .into_iter()
        .filter(|one| !is_there(one))
    {
        let heartbeat = control
            .configure(project_id, BotRef::Id(bot.id), None, change)
            .await?;
        let key = HeartbeatKey {
            project_id,
            bot_id: bot.id,
            id: heartbeat.id,
        };
        control.trigger(key, SignedDuration::ZERO).await?;
    }
    Ok(said)
}

/// A demo agent without a model takes one up as soon as there is one, and the other way round.
async fn follow_model(control: &Control, bot: Bot, model: &DefaultModel) -> anyhow::Result<Bot> {
    if bot.model == model.model {
        return Ok(bot);
    }
    let change = BotChange {
        model: Some(model.model.clone()),
        ..BotChange::default()
    };
    Ok(control
        .update_bot(bot.project_id, BotRef::Id(bot.id), change)
        .await?)
}

fn label(heartbeat: &Heartbeat) -> String {
    heartbeat.settings.label.clone().unwrap_or_default()
}

fn agent(model: &DefaultModel) -> BotChange {
    BotChange {
        name: Some(NAME.into()),
        model: Some(model.model.clone()),
        instruction: Some(
            "You look after the machine that you run on. You are brief, and you only disturb \
             people when something needs them."
                .into(),
        ),
        heartbeat: Some(true),
        ..BotChange::default()
    }
}

fn machine() -> HeartbeatChange {
    let selector = Selector::Jsonpath("$.disk.free_percent".into());
    let watch = Watch {
        tool: Probe::HostStatus,
        arguments: Value::Null,
        selector: Some(selector),
        condition: Condition::Below(10.0),
        remind_minutes: Some(60),
    };
    heartbeat(
        "Disk space of this machine, in percent free",
        1,
        Some(watch),
        None,
    )
}

fn queue(file: &Path) -> HeartbeatChange {
    let watch = Watch {
        tool: Probe::File,
        arguments: json!({ "path": file.display().to_string() }),
        selector: None,
        condition: Condition::Above(QUEUE_THRESHOLD),
        remind_minutes: None,
    };
    heartbeat("Length of the demo queue", 1, Some(watch), None)
}

fn report() -> HeartbeatChange {
    let prompt = "Look at this machine's disk, memory and load. If something needs attention, tell \
                  people what and why; otherwise report nothing.";
    heartbeat("Round of this machine", 5, None, Some(prompt))
}

fn heartbeat(
    label: &str,
    interval_minutes: u32,
    watch: Option<Watch>,
    prompt: Option<&str>,
) -> HeartbeatChange {
    HeartbeatChange {
        label: Patch::Set(label.into()),
        interval_minutes: Patch::Set(interval_minutes),
        watch: watch.map_or(Patch::Keep, Patch::Set),
        prompt: prompt.map_or(Patch::Keep, |prompt| Patch::Set(prompt.into())),
        enabled: Some(true),
        ..HeartbeatChange::default()
    }
}
