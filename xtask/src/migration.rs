//! Begins a migration: one number for every database, a file for each, and the comment it opens
//! with.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::output::say;
use crate::repo::Repo;

/// Folders of migrations; the second once there is a second database.
pub(crate) const FOLDERS: [&str; 2] = [
    "crates/heartbeat-store/src/sqlite/migrations",
    "crates/heartbeat-store/src/postgres/migrations",
];

/// What a new file says until somebody writes what is true; tidy refuses it.
pub(crate) const OPENING: &str = "-- Why: what this is for.\n\
                                  -- Old binaries: whether one can run against it, and why.\n\n";

/// Writes the next migration into every folder that exists.
pub(crate) fn begin(repo: &Repo, name: &str) -> Result<()> {
    if !is_name(name) {
        bail!("`{name}` is not a name for a migration; write it in snake_case, such as add_outbox");
    }
    let folders = present(repo);
    if folders.is_empty() {
        bail!("there is no folder of migrations: {}", FOLDERS[0]);
    }
    let mut last = 0;
    for folder in &folders {
        last = last.max(last_number(&repo.path(folder))?);
    }
    for folder in folders {
        let path = format!("{folder}/{:04}_{name}.sql", last + 1);
        std::fs::write(repo.path(&path), OPENING)
            .with_context(|| format!("cannot write {path}"))?;
        say(&path);
    }
    Ok(())
}

/// The number and name of `0007_outbox.sql`.
pub(crate) fn parse(file: &str) -> Option<(u32, &str)> {
    let (digits, name) = file.strip_suffix(".sql")?.split_once('_')?;
    let is_number = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && is_name(name))
        .then(|| Some((digits.parse().ok()?, name)))
        .flatten()
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.bytes().all(plain) && name.starts_with(|first: char| first.is_ascii_lowercase())
}

fn present(repo: &Repo) -> Vec<&'static str> {
    FOLDERS
        .into_iter()
        .filter(|folder| repo.path(folder).is_dir())
        .collect()
}

fn last_number(folder: &Path) -> Result<u32> {
    let mut last = 0;
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        last = last.max(parse(&name.to_string_lossy()).map_or(0, |(number, _)| number));
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_gets_the_next_number_in_every_folder() {
        let root = tempfile::tempdir().unwrap();
        let repo = Repo::at(root.path());
        assert!(begin(&repo, "outbox").is_err(), "there is no folder yet");
        for folder in FOLDERS {
            std::fs::create_dir_all(repo.path(folder)).unwrap();
        }
        std::fs::write(repo.path(FOLDERS[0]).join("0009_start.sql"), "").unwrap();
        begin(&repo, "outbox").unwrap();
        for folder in FOLDERS {
            let text = std::fs::read_to_string(repo.path(folder).join("0010_outbox.sql")).unwrap();
            assert!(text.starts_with("-- Why"));
        }
    }

    #[test]
    fn names_are_snake_case() {
        for name in ["", "Outbox", "add outbox", "../x", "1st"] {
            assert!(!is_name(name), "{name}");
        }
        assert_eq!(parse("0007_add_outbox.sql"), Some((7, "add_outbox")));
        assert_eq!(parse("7_outbox.sql"), None);
    }
}
