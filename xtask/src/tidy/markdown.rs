//! A page of Markdown has one title, and it comes first.

use super::{Finding, Tree, numbered};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.texts(".md")
        .filter_map(|(path, text)| objection(path, text))
        .collect()
}

fn objection(path: &str, text: &str) -> Option<Finding> {
    let titles = titles(text);
    match titles[..] {
        [1] => None,
        [] => Some(Finding::line(path, 1, "has no title; open it with `# `")),
        [first] => Some(Finding::line(path, first, "the title must come first")),
        [_, second, ..] => Some(Finding::line(path, second, "is a second title; use `##`")),
    }
}

/// Lines of first-level headings, code blocks left out.
fn titles(text: &str) -> Vec<usize> {
    let mut in_code = false;
    let mut titles = Vec::new();
    for (number, line) in numbered(text) {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code && line.starts_with("# ") {
            titles.push(number);
        }
    }
    titles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_without_or_with_two_titles_is_found() {
        let tree = Tree::of(&[
            ("good.md", "# One\n\n```sh\n# a comment\n```\n## Two\n"),
            ("none.md", "text\n"),
            ("late.md", "text\n# One\n"),
            ("two.md", "# One\n# Two\n"),
        ]);
        let found: Vec<String> = check(&tree)
            .into_iter()
            .map(|finding| finding.path)
            .collect();
        assert_eq!(found, ["none.md", "late.md", "two.md"]);
    }
}
