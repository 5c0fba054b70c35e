//! Node and pinned npm packages, for the tests only. Nothing of it is committed or shipped.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian::Program;
use crate::output::say;
use crate::process;
use crate::repo::Repo;

const NODE: Program = Program {
    names: &["node", "nodejs"],
    package: "nodejs",
    versions: None,
};
const NPM: Program = Program {
    names: &["npm"],
    package: "npm",
    versions: None,
};

/// The oldest Node that the pinned packages run on.
const NODE_MAJOR_MIN: u32 = 18;

/// An npm package at one version.
pub(crate) struct NodePackage {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

/// A Node that is new enough.
pub(crate) fn ensure_node() -> Result<PathBuf> {
    let node = NODE.ensure()?;
    let version = process::answer(Command::new(&node).arg("--version")).unwrap_or_default();
    match major(&version) {
        Some(major) if major >= NODE_MAJOR_MIN => Ok(node),
        _ => bail!("the tests need Node {NODE_MAJOR_MIN} or newer, not {version:?}"),
    }
}

/// The folder of the package below `.cache`, after installing it if need be.
pub(crate) fn ensure_node_package(repo: &Repo, package: &NodePackage) -> Result<PathBuf> {
    let NodePackage { name, version } = package;
    // A folder of its own: npm removes from a folder what it was not asked for this time.
    let folder = repo.path(".cache/node").join(name);
    let installed = folder.join("node_modules").join(name);
    if version_of(&installed).as_deref() == Some(*version) {
        return Ok(installed);
    }
    let npm = NPM.ensure()?;
    say(&format!(
        "installing {name} {version} into .cache/node/{name}"
    ));
    std::fs::create_dir_all(&folder)?;
    let mut command = Command::new(npm);
    command
        .args([
            "install",
            "--no-save",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--prefix",
        ])
        .arg(&folder)
        .arg(format!("{name}@{version}"));
    process::run(&mut command).with_context(|| format!("cannot install {name} {version}"))?;
    match version_of(&installed) {
        Some(found) if found == *version => Ok(installed),
        found => bail!("npm installed {name} {found:?}, not {version}"),
    }
}

/// The version in a package's `package.json`.
fn version_of(package: &std::path::Path) -> Option<String> {
    let manifest = std::fs::read_to_string(package.join("package.json")).ok()?;
    let line = manifest
        .lines()
        .find(|line| line.trim_start().starts_with("\"version\""))?;
    Some(line.split('"').nth(3)?.to_owned())
}

fn major(version: &str) -> Option<u32> {
    version
        .trim()
        .trim_start_matches('v')
        .split('.')
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_what_node_and_npm_write() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major(""), None);
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(version_of(folder.path()), None);
        let manifest = "{\n  \"name\": \"x\",\n  \"version\": \"1.2.3\"\n}\n";
        std::fs::write(folder.path().join("package.json"), manifest).unwrap();
        assert_eq!(version_of(folder.path()).as_deref(), Some("1.2.3"));
    }
}
