//! The databases are twins: same file names, same migrations, so that `diff -r` reads well.

use std::collections::BTreeSet;

use super::{Finding, Tree};

const FOLDERS: [&str; 2] = [
    "crates/heartbeat-store/src/sqlite",
    "crates/heartbeat-store/src/postgres",
];

/// What only one of them needs.
const ALONE: [&str; 7] = [
    // A server has no file that a second process must be kept from.
    "serving.rs",
    // A file has one place, no standby, and no address beyond its path.
    "servers.rs",
    "url.rs",
    // Whoever works on a file beside its server is seen at the next look.
    "bell.rs",
    // Only a server divides a table, and finds rows by what it counted.
    "history.rs",
    "statistics.rs",
    // No answer is lost between a process and its own file.
    "receipts.rs",
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let [sqlite, postgres] = FOLDERS.map(|folder| names_below(tree, folder));
    if sqlite.is_empty() || postgres.is_empty() {
        return Vec::new();
    }
    let missing = |from: &BTreeSet<&str>, other: &BTreeSet<&str>, folder: &'static str| {
        let lone = from
            .difference(other)
            .map(|name| format!("{folder}/{name}"));
        lone.map(|path| Finding::file(&path, "is missing: the other database has it"))
            .collect::<Vec<_>>()
    };
    let mut found = missing(&sqlite, &postgres, FOLDERS[1]);
    found.extend(missing(&postgres, &sqlite, FOLDERS[0]));
    found
}

fn names_below<'a>(tree: &'a Tree, folder: &str) -> BTreeSet<&'a str> {
    let paths = tree.0.iter().map(|file| file.path.as_str());
    paths
        .filter_map(|path| path.strip_prefix(folder)?.strip_prefix('/'))
        .filter(|name| !ALONE.contains(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_one_database_has_is_found_once_there_are_two() {
        let alone = Tree::of(&[("crates/heartbeat-store/src/sqlite/fires.rs", "")]);
        assert!(check(&alone).is_empty());
        let tree = Tree::of(&[
            ("crates/heartbeat-store/src/sqlite/fires.rs", ""),
            (
                "crates/heartbeat-store/src/sqlite/migrations/0001_start.sql",
                "",
            ),
            ("crates/heartbeat-store/src/postgres/fires.rs", ""),
            (
                "crates/heartbeat-store/src/postgres/migrations/0002_start.sql",
                "",
            ),
        ]);
        let found: Vec<String> = check(&tree)
            .into_iter()
            .map(|finding| finding.path)
            .collect();
        assert_eq!(
            found,
            [
                "crates/heartbeat-store/src/postgres/migrations/0001_start.sql",
                "crates/heartbeat-store/src/sqlite/migrations/0002_start.sql",
            ]
        );
    }
}
