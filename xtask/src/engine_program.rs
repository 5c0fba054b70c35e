//! The simulation and the load program: examples of the engine, built in release.

use anyhow::Result;

use crate::debian::ensure_postgres;
use crate::process;
use crate::repo::Repo;

/// Builds and runs `name` with the arguments as they are; `--postgres` needs the server's programs.
pub(crate) fn run(repo: &Repo, name: &str, args: &[String]) -> Result<()> {
    if args.iter().any(|arg| arg == "--postgres") {
        ensure_postgres()?;
    }
    let mut command = process::cargo();
    command
        .args(["run", "--release", "--package", "heartbeat-engine"])
        .args(["--features", "testing", "--example", name, "--"])
        .args(args)
        .current_dir(repo.root());
    process::run(&mut command)
}
