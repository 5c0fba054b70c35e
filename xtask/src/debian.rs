//! Programs that the tests need and that Debian packages.
//!
//! One that is missing is installed where that is allowed (root, or sudo without a password);
//! otherwise the failure says what to type. A missing program is never a reason to skip.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::output::say;
use crate::process;

/// A program, and the package that brings it.
pub(crate) struct Program {
    /// Names that it may have.
    pub(crate) names: &'static [&'static str],
    /// The Debian package.
    pub(crate) package: &'static str,
    /// A folder of versions, each with its `bin`, where the package puts what it keeps off the path.
    pub(crate) versions: Option<&'static str>,
}

const CHROMIUM: Program = Program {
    names: &["chromium", "chromium-browser", "google-chrome"],
    package: "chromium",
    versions: None,
};

const POSTGRES: Program = Program {
    names: &["initdb"],
    package: "postgresql",
    versions: Some("/usr/lib/postgresql"),
};

/// A Chromium to drive.
pub(crate) fn ensure_chromium() -> Result<PathBuf> {
    CHROMIUM.ensure()
}

/// The programs of a PostgreSQL server; the tests start clusters of their own with them.
pub(crate) fn ensure_postgres() -> Result<PathBuf> {
    POSTGRES.ensure()
}

impl Program {
    /// Where the program is, after installing it if need be.
    pub(crate) fn ensure(&self) -> Result<PathBuf> {
        if let Some(path) = self.find() {
            return Ok(path);
        }
        say(&format!(
            "{} is missing; installing the package {}",
            self.names[0], self.package
        ));
        install(self.package).with_context(|| self.advice())?;
        self.find().with_context(|| self.advice())
    }

    /// Where it is, if it is on the path or where the package puts it.
    pub(crate) fn find(&self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH")?;
        let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        if let Some(versions) = self.versions {
            let entries = std::fs::read_dir(versions).into_iter().flatten().flatten();
            folders.extend(entries.map(|entry| entry.path().join("bin")));
        }
        find_in(&folders, self.names)
    }

    fn advice(&self) -> String {
        format!(
            "this needs {}; on Debian and Ubuntu: sudo apt-get install {}; elsewhere install \
             it so that one of these is on the path: {}",
            self.names[0],
            self.package,
            self.names.join(", ")
        )
    }
}

fn find_in(folders: &[PathBuf], names: &[&str]) -> Option<PathBuf> {
    let places = names
        .iter()
        .flat_map(|name| folders.iter().map(move |dir| dir.join(name)));
    places.into_iter().find(|place| place.is_file())
}

/// With fresh lists if those at hand, often none in a container, do not do.
pub(crate) fn install(package: &str) -> Result<()> {
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("this system has no apt-get");
    }
    let sudo = match process::answer(Command::new("id").arg("-u")).as_deref() {
        Some("0") => false,
        _ if process::answer(Command::new("sudo").args(["-n", "true"])).is_some() => true,
        _ => bail!("installing it needs root, or sudo without a password"),
    };
    let wanted = ["install", "--yes", "--no-install-recommends", package];
    if process::run(&mut apt_get(sudo, &wanted)).is_ok() {
        return Ok(());
    }
    process::run(&mut apt_get(sudo, &["update"]))?;
    process::run(&mut apt_get(sudo, &wanted))
}

fn apt_get(sudo: bool, args: &[&str]) -> Command {
    let mut command = match sudo {
        true => {
            let mut command = Command::new("sudo");
            command.args(["-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
            command
        }
        false => {
            let mut command = Command::new("apt-get");
            command.env("DEBIAN_FRONTEND", "noninteractive");
            command
        }
    };
    command.args(args);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_name_on_the_path_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().join("absent"), folder.path().to_owned()];
        assert_eq!(find_in(&folders, CHROMIUM.names), None);
        std::fs::write(folder.path().join("google-chrome"), "").unwrap();
        std::fs::write(folder.path().join("chromium"), "").unwrap();
        assert_eq!(
            find_in(&folders, CHROMIUM.names),
            Some(folder.path().join("chromium"))
        );
    }

    #[test]
    fn what_a_package_keeps_off_the_path_is_found_in_the_folder_of_its_version() {
        let versions = tempfile::tempdir().unwrap();
        let bin = versions.path().join("15/bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::write(bin.join("heartbeat-no-such-program"), "").unwrap();
        let program = Program {
            names: &["heartbeat-no-such-program"],
            package: "none",
            versions: Some(versions.path().to_str().unwrap().to_owned().leak()),
        };
        assert_eq!(program.find(), Some(bin.join("heartbeat-no-such-program")));
    }

    #[test]
    fn what_is_missing_is_named_with_what_to_type() {
        let advice = CHROMIUM.advice();
        assert!(advice.contains("apt-get install chromium"), "{advice}");
    }
}
