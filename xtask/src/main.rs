//! One entrance for every chore of the repository: `cargo xtask --help` lists them.
//!
//! `.ci/run` and a contributor's laptop run the same thing.

mod browser;
mod ci;
mod debian;
mod docs;
mod engine_program;
mod migration;
mod node;
mod output;
mod process;
mod python;
mod repo;
mod step;
mod suite;
mod tidy;
mod tool_servers;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::repo::Repo;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of the repository")]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run every test; installs what they need where it may.
    Test,
    /// Install the tool servers of others that the tests call, and nothing else.
    ToolServers,
    /// Everything that a change must pass: format, lints, documentation, tidy, tests.
    Ci,
    /// Check the rules of the house that no compiler knows.
    Tidy,
    /// Run seeded worlds against the engine: `--seeds N`, `--seed S`, `--broken NAME`.
    Sim(PassedOn),
    /// Measure the engine beside bare SQL: `--heartbeats N --rate R`, `--postgres`, `--nodes N`.
    Load(PassedOn),
    /// Begin the next migration of every database.
    Migration {
        /// What it does, in `snake_case`.
        name: String,
    },
    /// Write the pages of `docs/reference` that are made from code.
    Docs,
}

/// Arguments that go to the program as they are.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
struct PassedOn {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match carry_out(args.chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&format!("error: {error:#}"));
            ExitCode::from(process::exit_code(&error))
        }
    }
}

fn carry_out(chore: Chore) -> anyhow::Result<()> {
    let repo = Repo::find()?;
    match chore {
        Chore::Test => suite::run(&repo),
        Chore::ToolServers => tool_servers::prepare(&repo).map(drop),
        Chore::Ci => ci::run(&repo),
        Chore::Tidy => tidy::run(&repo),
        Chore::Sim(passed) => engine_program::run(&repo, "sim", &passed.args),
        Chore::Load(passed) => engine_program::run(&repo, "load", &passed.args),
        Chore::Migration { name } => migration::begin(&repo, &name),
        Chore::Docs => docs::write(&repo),
    }
}
