//! No test is set aside, and none is content with any panic.

use super::{Finding, Tree, numbered};

/// In two halves, so that this file does not find itself.
const MARKS: [&str; 2] = [concat!("#[ign", "ore"), concat!("#[should_", "panic")];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in tree.texts(".rs") {
        let marked = numbered(text)
            .filter(|(_, line)| MARKS.iter().any(|mark| line.trim_start().starts_with(mark)));
        found.extend(marked.map(|(line, _)| {
            Finding::line(path, line, "a test runs always and says what it expects")
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_is_set_aside_is_found() {
        let text = format!("#[test]\n{}]\nfn later() {{}}\n", MARKS[0]);
        assert_eq!(check(&Tree::of(&[("a.rs", &text)])).len(), 1);
    }
}
