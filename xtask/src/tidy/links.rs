//! A link between pages leads somewhere.

use super::{Finding, Tree, numbered};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in tree.texts(".md") {
        for (line, content) in numbered(text) {
            let dead = targets(content).filter(|target| !leads_somewhere(tree, path, target));
            found.extend(dead.map(|to| Finding::line(path, line, format!("`{to}` is not there"))));
        }
    }
    found
}

/// Targets of `[text](target)`, without what follows a `#`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let ends = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'));
    ends.map(|(target, _)| target.split('#').next().unwrap_or_default())
}

fn leads_somewhere(tree: &Tree, from: &str, target: &str) -> bool {
    if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
        return true;
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." if parts.pop().is_none() => return false,
            ".." => {}
            part => parts.push(part),
        }
    }
    tree.has(&parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_nowhere_is_found() {
        let tree = Tree::of(&[
            (
                "docs/a.md",
                "[b](b.md#part) [up](../README.md) [web](https://example.com/x)\n[folder](../docs/) [c](c.md)\n",
            ),
            ("docs/b.md", ""),
            ("README.md", "[out](../elsewhere.md)\n"),
        ]);
        let found: Vec<(String, usize)> = check(&tree)
            .into_iter()
            .map(|finding| (finding.path, finding.line))
            .collect();
        assert_eq!(
            found,
            [("docs/a.md".to_owned(), 2), ("README.md".to_owned(), 1)]
        );
    }
}
