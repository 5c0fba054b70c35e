//! No file names a folder of the machine that it was written on.

use super::{Finding, Tree, numbered};

/// In two halves, so that this file does not find itself.
const FOLDERS: [&str; 4] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in tree.texts("") {
        for (line, content) in numbered(text) {
            found.extend(folder_in(content).map(|folder| {
                Finding::line(
                    path,
                    line,
                    format!("`{folder}` is a folder of somebody's machine"),
                )
            }));
        }
    }
    found
}

/// Only at the start of a path; further on in one it is another folder.
fn folder_in(line: &str) -> Option<&'static str> {
    FOLDERS.into_iter().find(|folder| {
        line.match_indices(folder).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            !before.is_some_and(|char| char.is_alphanumeric() || "._-~}$".contains(char))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_a_machine_is_found_and_a_path_of_the_tree_is_not() {
        for folder in FOLDERS {
            let tree = Tree::of(&[("a.md", &format!("see `{folder}notes`\n"))]);
            assert_eq!(check(&tree).len(), 1, "{folder}");
            let url = format!("https://example.com{folder}x and ./a{folder}b and $DIR{folder}");
            assert_eq!(folder_in(&url), None, "{folder}");
        }
    }
}
