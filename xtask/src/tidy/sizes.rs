//! A file that holds more than a reader can is two files. Tests do not count.

use super::{Finding, Tree};

const LINES_MAX: usize = 600;
const LINES_TO_NOTE: usize = 300;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    longer_than(tree, LINES_MAX)
        .map(|(path, lines)| {
            Finding::file(
                path,
                format!("{lines} lines without tests; at most {LINES_MAX}"),
            )
        })
        .collect()
}

/// Files that are worth a thought.
pub(super) fn notes(tree: &Tree) -> Vec<String> {
    longer_than(tree, LINES_TO_NOTE)
        .map(|(path, lines)| format!("{path} has {lines} lines; is there a file inside it?"))
        .collect()
}

fn longer_than(tree: &Tree, most: usize) -> impl Iterator<Item = (&str, usize)> {
    tree.texts(".rs")
        .filter(|(path, _)| !is_test(path))
        .map(|(path, text)| (path, lines_without_tests(text)))
        .filter(move |(_, lines)| *lines > most)
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.contains("/benches/")
}

/// Lines up to the module of tests, which stands last.
fn lines_without_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| {
        pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    });
    tests.unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_found_and_a_long_test_is_not() {
        let long = "x\n".repeat(601);
        let tested = format!(
            "{}#[cfg(test)]\nmod tests {{\n{long}}}\n",
            "x\n".repeat(301)
        );
        let tree = Tree::of(&[
            ("crates/a/src/long.rs", &long),
            ("crates/a/tests/it/long.rs", &long),
            ("crates/a/src/tested.rs", &tested),
        ]);
        let found = check(&tree);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].path, "crates/a/src/long.rs");
        assert_eq!(notes(&tree).len(), 2);
    }
}
