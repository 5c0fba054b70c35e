//! Rules of the house that no compiler knows, as small pure functions over the files of the
//! repository.
//!
//! A finding fails; a note is worth a thought. Each check has tests that show how it fails.

mod edges;
mod headers;
mod links;
mod literals;
mod lockfiles;
mod machine_paths;
mod markdown;
mod migrations;
mod names;
mod reference;
mod sizes;
mod sql_clock;
mod test_marks;
mod twins;
mod unfinished;
mod weight;
mod words;

use anyhow::{Context, Result, bail};

use crate::output::{complain, say};
use crate::repo::Repo;

/// A file of the repository.
#[derive(Clone, Debug)]
struct File {
    /// Relative to the root, with `/`.
    path: String,
    /// Absent if it is not text.
    text: Option<String>,
    bytes: u64,
}

/// All files, in order of path.
#[derive(Clone, Debug)]
struct Tree(Vec<File>);

/// What is wrong where.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// 0 if it is about the whole file.
    line: usize,
    what: String,
}

type Check = fn(&Tree) -> Vec<Finding>;

const CHECKS: &[Check] = &[
    edges::check,
    headers::check,
    links::check,
    lockfiles::check,
    machine_paths::check,
    markdown::check,
    migrations::check,
    names::check,
    reference::check,
    sizes::check,
    sql_clock::check,
    test_marks::check,
    twins::check,
    unfinished::check,
    weight::check,
    words::check,
];

/// Runs all checks; prints findings and notes.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    let tree = Tree::read(repo)?;
    for note in sizes::notes(&tree) {
        say(&format!("note: {note}"));
    }
    let findings = findings(&tree);
    for finding in &findings {
        complain(&format!("tidy: {finding}"));
    }
    if !findings.is_empty() {
        bail!("the tree is not tidy; findings: {}", findings.len());
    }
    say(&format!("tidy: {} files, nothing found", tree.0.len()));
    Ok(())
}

fn findings(tree: &Tree) -> Vec<Finding> {
    CHECKS.iter().flat_map(|check| check(tree)).collect()
}

impl Tree {
    fn read(repo: &Repo) -> Result<Self> {
        let read = |path: String| -> Result<File> {
            let bytes =
                std::fs::read(repo.path(&path)).with_context(|| format!("cannot read {path}"))?;
            let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            Ok(File {
                path,
                text: String::from_utf8(bytes).ok(),
                bytes: size,
            })
        };
        Ok(Self(
            repo.files()?.into_iter().map(read).collect::<Result<_>>()?,
        ))
    }

    /// Text files whose path ends so.
    fn texts<'a>(&'a self, suffix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let texts = self
            .0
            .iter()
            .filter_map(|file| Some((&*file.path, file.text.as_deref()?)));
        texts.filter(move |(path, _)| path.ends_with(suffix))
    }

    fn has(&self, path: &str) -> bool {
        self.0
            .iter()
            .any(|file| file.path == path || file.path.starts_with(&format!("{path}/")))
    }

    #[cfg(test)]
    fn of(files: &[(&str, &str)]) -> Self {
        let file = |&(path, text): &(&str, &str)| File {
            path: path.into(),
            text: Some(text.into()),
            bytes: text.len() as u64,
        };
        Self(files.iter().map(file).collect())
    }
}

impl Finding {
    fn file(path: &str, what: impl Into<String>) -> Self {
        Self::line(path, 0, what)
    }

    fn line(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line,
            what: what.into(),
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

/// The lines of a text with their numbers.
fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let tree = Tree::read(&Repo::find().unwrap()).unwrap();
        let findings = findings(&tree);
        let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
        assert!(findings.is_empty(), "\n{}", lines.join("\n"));
    }
}
