//! A name says what is inside; these say nothing, or age.

use super::{Finding, Tree, numbered};

const BANNED: [&str; 11] = [
    "util", "utils", "common", "misc", "helper", "helpers", "manager", "managers", "base", "v2",
    "stuff",
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let code: Vec<(&str, &str)> = tree.texts(".rs").collect();
    let files = code.iter().flat_map(|(path, _)| {
        let names = path
            .split('/')
            .map(|part| part.strip_suffix(".rs").unwrap_or(part));
        names
            .filter(|name| is_banned(name))
            .map(|name| Finding::file(path, advice(name)))
    });
    let modules = code.iter().flat_map(|(path, text)| {
        numbered(text).filter_map(|(line, code)| {
            let name = module_in(code).filter(|name| is_banned(name))?;
            Some(Finding::line(path, line, advice(name)))
        })
    });
    files.chain(modules).collect()
}

fn advice(name: &str) -> String {
    format!("`{name}` says nothing about what is inside; name the thing")
}

fn is_banned(name: &str) -> bool {
    BANNED.contains(&name)
        || name.starts_with("new_")
        || name
            .split('_')
            .any(|part| ["v2", "manager", "util", "utils", "helper", "helpers"].contains(&part))
}

/// The name in `mod name;` or `pub(crate) mod name {`.
fn module_in(line: &str) -> Option<&str> {
    let (before, rest) = line.trim().split_once("mod ")?;
    let before = before.trim_end();
    if !(before.is_empty() || before.starts_with("pub")) {
        return None;
    }
    rest.strip_suffix(';')
        .or_else(|| rest.strip_suffix('{'))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_names_are_found_on_files_folders_and_modules() {
        let tree = Tree::of(&[
            ("crates/a/src/util.rs", ""),
            ("crates/a/src/helpers/mod.rs", ""),
            ("crates/a/src/new_queue.rs", ""),
            ("crates/a/src/queue_v2.rs", ""),
            (
                "crates/a/src/queue.rs",
                "pub(crate) mod common {\n}\nmod renewal;\n",
            ),
            ("docs/misc/notes.md", ""),
        ]);
        let found: Vec<String> = check(&tree)
            .into_iter()
            .map(|finding| finding.path)
            .collect();
        assert_eq!(found.len(), 5, "{found:?}");
        assert!(found.iter().all(|path| path.starts_with("crates/")));
    }

    #[test]
    fn good_names_stay() {
        for name in ["base64", "newcomer", "renew", "database", "pulse"] {
            assert!(!is_banned(name), "{name}");
        }
    }
}
