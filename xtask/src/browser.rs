//! The browser pass: a real Chromium walks through the pages of the real binary.
//!
//! The script is `run.mjs`; it finds what it needs in the environment: `HEARTBEAT_BINARY`,
//! `CHROMIUM` and `PLAYWRIGHT_CORE` (a module to import), all absolute paths.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::debian::ensure_chromium;
use crate::node::{NodePackage, ensure_node, ensure_node_package};
use crate::output::say;
use crate::process;
use crate::repo::Repo;

const SCRIPT: &str = "crates/heartbeat-web/tests/browser/run.mjs";
/// The last that runs on the Node of Debian 12.
const PLAYWRIGHT: NodePackage = NodePackage {
    name: "playwright-core",
    version: "1.61.1",
};

/// Installs what the pass needs; a failure here is a failure of the suite.
pub(crate) fn prepare(repo: &Repo) -> Result<()> {
    if !repo.path(SCRIPT).is_file() {
        return Ok(());
    }
    ensure_chromium()?;
    ensure_node()?;
    ensure_node_package(repo, &PLAYWRIGHT)?;
    Ok(())
}

/// Runs the script against the binary as it is now.
pub(crate) fn pass(repo: &Repo) -> Result<()> {
    if !repo.path(SCRIPT).is_file() {
        say(&format!("there is no {SCRIPT}: no pages to look at yet"));
        return Ok(());
    }
    let playwright = ensure_node_package(repo, &PLAYWRIGHT)?.join("index.mjs");
    let mut command = Command::new(ensure_node()?);
    command
        .arg(repo.path(SCRIPT))
        .env("HEARTBEAT_BINARY", build_binary(repo)?)
        .env("CHROMIUM", ensure_chromium()?)
        .env("PLAYWRIGHT_CORE", playwright)
        .current_dir(repo.root());
    process::run(&mut command)
}

/// Builds `heartbeat` beside this program, in the same profile.
fn build_binary(repo: &Repo) -> Result<PathBuf> {
    let args = ["build", "--package", "heartbeat-cli", "--bin", "heartbeat"];
    process::run(process::cargo().args(args).current_dir(repo.root()))?;
    let beside = std::env::current_exe()?.with_file_name("heartbeat");
    let binary = beside.with_extension(std::env::consts::EXE_EXTENSION);
    binary
        .canonicalize()
        .with_context(|| format!("{} was not built", binary.display()))
}
