//! The test suite: what it needs, cargo's tests, the browser pass.

use anyhow::Result;

use crate::debian::ensure_postgres;
use crate::repo::Repo;
use crate::step::{self, Step};
use crate::{browser, process, tool_servers};

/// Prepares and runs all tests.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    step::run_all(repo, STEPS)
}

/// In this order; what is missing is told before an hour of tests, not after it.
pub(crate) const STEPS: &[Step] = &[
    Step {
        title: "what the tests need",
        run: prepare,
    },
    Step {
        title: "tests",
        run: cargo_test,
    },
    Step {
        title: "browser pass",
        run: browser::pass,
    },
];

fn prepare(repo: &Repo) -> Result<()> {
    ensure_postgres()?;
    browser::prepare(repo)?;
    tool_servers::prepare(repo).map(drop)
}

fn cargo_test(repo: &Repo) -> Result<()> {
    let mut command = process::cargo();
    command
        .args(["test", "--workspace", "--no-fail-fast"])
        .current_dir(repo.root());
    tool_servers::prepare(repo)?.tell(&mut command);
    process::run(&mut command)
}
