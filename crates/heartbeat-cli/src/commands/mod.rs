//! One file for each subcommand. All of them work on the database, beside a running server.

mod bots;
pub(crate) mod config;
pub(crate) mod doctor;
mod executions;
mod find;
mod heartbeats;
mod inbox;
mod login;
pub(crate) mod next;
mod nodes;
mod projects;
mod reach;
mod schedule;
mod show;
mod stats;
mod tools;
mod trigger;
mod usage;

use std::process::ExitCode;
use std::sync::Arc;

use heartbeat_engine::control::Control;
use tokio::sync::Notify;

use crate::args::{Command, ProjectCommand};
use crate::config::Config;
use crate::open::{Missing, open};
use crate::output::Out;

/// Runs a subcommand that needs the database.
pub(crate) async fn run(
    command: Command,
    config: &Config,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    let missing = match command {
        Command::Project(ProjectCommand::Create { .. }) => Missing::Create,
        _ => Missing::Refuse,
    };
    let opened = open(config, missing).await?;
    let control = opened.control(config, Arc::new(Notify::new()));
    let done = dispatch(command, &control, config, out).await;
    opened.end_command().await;
    done
}

async fn dispatch(
    command: Command,
    control: &Control,
    config: &Config,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::Project(ask) => projects::run(ask, control, out).await?,
        Command::Key(ask) => projects::key(ask, control, out).await?,
        Command::Nodes => nodes::run(control, out).await?,
        Command::Login(ask) => login::run(&ask, control, config, out).await?,
        Command::Bot(ask) => bots::run(ask, control, config, out).await?,
        Command::Tool(ask) => return tools::run(ask, control, out).await,
        Command::Configure(ask) => heartbeats::configure(*ask, control, out).await?,
        Command::List(ask) => heartbeats::list(&ask, control, out).await?,
        Command::Read(ask) => heartbeats::read(&ask, control, out).await?,
        Command::Enable(ask) => heartbeats::enable(&ask, control, out).await?,
        Command::Disable(ask) => heartbeats::disable(&ask, control, out).await?,
        Command::Delete(ask) => heartbeats::delete(&ask, control, out).await?,
        Command::Cancel(ask) => heartbeats::cancel(&ask, control, out).await?,
        Command::Trigger(ask) => return trigger::run(&ask, control, out).await,
        Command::Pause(ask) => reach::pause(&ask, control, out).await?,
        Command::Resume(ask) => reach::resume(&ask, control, out).await?,
        Command::Logs(ask) => executions::logs(ask, control, out).await?,
        Command::Log(ask) => executions::log(&ask, control, out).await?,
        Command::Review(ask) => executions::review(&ask, control, out).await?,
        Command::Stats(ask) => stats::run(&ask, control, out).await?,
        Command::Usage(ask) => usage::run(&ask, control, out).await?,
        Command::Inbox(ask) => inbox::run(&ask, control, out).await?,
        Command::Serve(_) | Command::Next(_) | Command::Doctor | Command::Config(_) => {
            unreachable!("these need no open database and were handled before")
        }
    }
    Ok(ExitCode::SUCCESS)
}
