//! The `heartbeat` binary: one match over its subcommands.

mod args;
mod commands;
mod config;
mod demo;
mod first_start;
mod http;
mod open;
mod output;
mod serve;
mod tool_args;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};
use crate::config::{Config, Environment};
use crate::output::{Out, explain};

/// Whatever a row or a request brings is allocated on one thread and freed on another, which the
/// system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    let _only_once = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return explain(&error.into()),
    };
    match runtime.block_on(run(args)) {
        Ok(code) => code,
        Err(error) => explain(&error),
    }
}

async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let environment: Environment = std::env::vars().collect();
    let mut config = Config::load(args.config.as_deref(), &environment)?;
    if let Some(url) = args.database {
        config.database_url = url;
    }
    if let Some(path) = args.key_file {
        config.key_file = Some(path);
    }
    let mut out = Out::new(args.json);
    match args.command {
        Command::Serve(ask) => serve::serve(config, &environment, ask, &mut out).await?,
        Command::Config(ask) => commands::config::run(&ask, &mut out)?,
        Command::Next(ask) => return commands::next::run(&ask, &mut out),
        Command::Doctor => return commands::doctor::run(&config, &environment, &mut out).await,
        command => return commands::run(command, &config, &mut out).await,
    }
    Ok(ExitCode::SUCCESS)
}
