//! Python and pinned packages of it, for the tests only. Nothing of it is committed or shipped.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian::{Program, install};
use crate::output::say;
use crate::process;
use crate::repo::Repo;

const PYTHON: Program = Program {
    names: &["python3"],
    package: "python3",
    versions: None,
};

/// Where the packages are, below the repository.
const FOLDER: &str = ".cache/python";

/// A package at one version.
pub(crate) struct PythonPackage {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

/// A Python that knows the packages, after installing them if need be.
pub(crate) fn ensure_python_packages(repo: &Repo, packages: &[PythonPackage]) -> Result<PathBuf> {
    let folder = repo.path(FOLDER);
    let python = folder.join("bin/python");
    if packages
        .iter()
        .all(|package| is_installed(&python, package))
    {
        return Ok(python);
    }
    if process::answer(Command::new(&python).args(["-m", "pip", "--version"])).is_none() {
        make_environment(&folder)?;
    }
    let wanted: Vec<String> = packages
        .iter()
        .map(|PythonPackage { name, version }| format!("{name}=={version}"))
        .collect();
    say(&format!("installing {} into {FOLDER}", wanted.join(", ")));
    let mut command = Command::new(&python);
    command
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args(&wanted);
    process::run(&mut command).with_context(|| {
        format!(
            "cannot install {}; the tests need them from the Python package index, or from a \
             mirror that pip is set up for",
            wanted.join(", ")
        )
    })?;
    match packages
        .iter()
        .find(|package| !is_installed(&python, package))
    {
        None => Ok(python),
        Some(package) => bail!("pip did not install {} {}", package.name, package.version),
    }
}

fn make_environment(folder: &Path) -> Result<()> {
    let python = PYTHON.ensure()?;
    let make = || {
        process::run(
            Command::new(&python)
                .args(["-m", "venv", "--clear"])
                .arg(folder),
        )
    };
    if make().is_ok() {
        return Ok(());
    }
    say("python3 makes no environments; installing the package python3-venv");
    let advice =
        "the tests need Python's venv; on Debian and Ubuntu: sudo apt-get install python3-venv";
    install("python3-venv").context(advice)?;
    make().context(advice)
}

fn is_installed(python: &Path, package: &PythonPackage) -> bool {
    let ask = format!(
        "import importlib.metadata as m; print(m.version('{}'))",
        package.name
    );
    let answer = process::answer(Command::new(python).args(["-c", &ask]));
    answer.is_some_and(|version| version.trim() == package.version)
}
