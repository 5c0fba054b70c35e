//! What is left for later has an issue.

use super::{Finding, Tree, numbered};

/// In two halves, so that this file does not find itself.
const MARKS: [&str; 4] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("to", "do!"),
    concat!("X", "XX"),
];
const KINDS: [&str; 8] = [
    ".rs", ".sql", ".toml", ".md", ".html", ".css", ".js", ".mjs",
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let texts = KINDS.iter().flat_map(|kind| tree.texts(kind));
    texts
        .flat_map(|(path, text)| {
            numbered(text)
                .filter(|(_, line)| has_mark(line) && !has_issue(line))
                .map(move |(line, _)| {
                    Finding::line(path, line, "is left for later without an issue, #123")
                })
        })
        .collect()
}

fn has_mark(line: &str) -> bool {
    MARKS.iter().any(|mark| {
        line.match_indices(mark).any(|(at, _)| {
            let word = |char: Option<char>| char.is_some_and(char::is_alphanumeric);
            let after = line[at + mark.len()..].chars().next();
            !word(line[..at].chars().next_back()) && !word(after)
        })
    })
}

fn has_issue(line: &str) -> bool {
    let digit = |rest: &str| rest.starts_with(|char: char| char.is_ascii_digit());
    line.split('#').skip(1).any(digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_left_without_an_issue_is_found() {
        let text = format!(
            "// {0}: later\n// {0} (#12): later\nlet x = {1}();\n",
            MARKS[0], MARKS[2]
        );
        let found = check(&Tree::of(&[("a.rs", &text)]));
        assert_eq!(
            found.iter().map(|finding| finding.line).collect::<Vec<_>>(),
            [1, 3]
        );
    }

    #[test]
    fn longer_words_are_not_marks() {
        assert!(!has_mark(&format!("{}S and A{}", MARKS[0], MARKS[3])));
    }
}
