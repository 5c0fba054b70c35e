//! Everything that a change must pass, cheapest first, up to the first failure.

use anyhow::{Context, Result};

use crate::repo::Repo;
use crate::step::{self, Step};
use crate::{process, suite, tidy};

const CHECKS: &[Step] = &[
    Step {
        title: "toolchain",
        run: ensure_components,
    },
    Step {
        title: "format",
        run: format,
    },
    Step {
        title: "lints",
        run: lints,
    },
    Step {
        title: "documentation",
        run: documentation,
    },
    Step {
        title: "tidy",
        run: tidy::run,
    },
];

/// Runs all checks and then the test suite.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    step::run_all(repo, CHECKS)?;
    suite::run(repo)
}

/// A minimal toolchain lacks rustfmt and clippy; rustup can add them.
fn ensure_components(_: &Repo) -> Result<()> {
    let has = |tool| process::answer(process::cargo().args([tool, "--version"])).is_some();
    if has("fmt") && has("clippy") {
        return Ok(());
    }
    let mut rustup = std::process::Command::new("rustup");
    process::run(rustup.args(["component", "add", "rustfmt", "clippy"]))
        .context("rustfmt or clippy is missing; install both for the toolchain that cargo uses")
}

fn format(repo: &Repo) -> Result<()> {
    cargo(repo, &["fmt", "--all", "--check"])
}

/// All features, so that the programs behind `testing` are looked at too.
fn lints(repo: &Repo) -> Result<()> {
    let args = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ];
    cargo(repo, &args)
}

fn documentation(repo: &Repo) -> Result<()> {
    let mut command = process::cargo();
    command
        .args([
            "doc",
            "--workspace",
            "--no-deps",
            "--document-private-items",
        ])
        .env("RUSTDOCFLAGS", "-D warnings")
        .current_dir(repo.root());
    process::run(&mut command)
}

fn cargo(repo: &Repo, args: &[&str]) -> Result<()> {
    process::run(process::cargo().args(args).current_dir(repo.root()))
}
