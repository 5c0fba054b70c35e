//! Every file of code opens with what it is for.

use super::{Finding, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.texts(".rs")
        .filter(|(_, text)| !has_header(text))
        .map(|(path, _)| Finding::line(path, 1, "must open with `//!` and what the file is for"))
        .collect()
}

fn has_header(text: &str) -> bool {
    text.strip_prefix("//! ")
        .is_some_and(|rest| !rest.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_header_is_found() {
        let tree = Tree::of(&[
            ("a.rs", "//! What it is for.\n"),
            ("b.rs", "use std::fmt;\n"),
            ("c.rs", "//!\nfn main() {}\n"),
            ("d.rs", ""),
        ]);
        let found: Vec<String> = check(&tree)
            .into_iter()
            .map(|finding| finding.path)
            .collect();
        assert_eq!(found, ["b.rs", "c.rs", "d.rs"]);
    }
}
