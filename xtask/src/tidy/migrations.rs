//! Migrations are numbered without a gap and open with why, and whether an old binary can go on.

use super::{Finding, Tree};
use crate::migration::{FOLDERS, OPENING, parse};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    FOLDERS
        .iter()
        .flat_map(|folder| check_folder(tree, folder))
        .collect()
}

fn check_folder(tree: &Tree, folder: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut expected = 1;
    let files = tree.texts(".sql").filter_map(|(path, text)| {
        Some((path, path.strip_prefix(folder)?.strip_prefix('/')?, text))
    });
    for (path, name, text) in files {
        match parse(name) {
            None => found.push(Finding::file(path, "must be named like 0007_outbox.sql")),
            Some((number, _)) if number != expected => {
                found.push(Finding::file(
                    path,
                    format!("is out of turn; {expected:04} is next"),
                ));
            }
            Some(_) => expected += 1,
        }
        found.extend(opening_fault(text).map(|what| Finding::line(path, 1, what)));
    }
    found
}

fn opening_fault(text: &str) -> Option<&'static str> {
    let template = OPENING.lines().filter(|line| !line.is_empty());
    if !text.starts_with("-- ") {
        Some("must open with a comment: why, and whether an old binary can run against it")
    } else if template
        .into_iter()
        .any(|line| text.lines().any(|written| written == line))
    {
        Some("still opens with the template; write what is true")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<Finding> {
        let paths: Vec<String> = files
            .iter()
            .map(|(name, _)| format!("{}/{name}", FOLDERS[0]))
            .collect();
        let files: Vec<(&str, &str)> = paths
            .iter()
            .zip(files)
            .map(|(path, (_, text))| (path.as_str(), *text))
            .collect();
        check(&Tree::of(&files))
    }

    #[test]
    fn a_gap_a_double_and_a_wrong_name_are_found() {
        let why = "-- Outbox.\n";
        assert!(found(&[("0001_a.sql", why), ("0002_b.sql", why)]).is_empty());
        assert_eq!(found(&[("0001_a.sql", why), ("0003_b.sql", why)]).len(), 1);
        assert_eq!(found(&[("0001_a.sql", why), ("0001_b.sql", why)]).len(), 1);
        assert_eq!(found(&[("start.sql", why)]).len(), 1);
    }

    #[test]
    fn a_migration_without_its_reason_is_found() {
        assert_eq!(found(&[("0001_a.sql", "CREATE TABLE t (x)")]).len(), 1);
        assert_eq!(found(&[("0001_a.sql", OPENING)]).len(), 1);
    }
}
