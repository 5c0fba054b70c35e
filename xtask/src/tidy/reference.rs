//! Pages that are made from code are as the code makes them.

use super::{Finding, Tree};
use crate::docs;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let stale = docs::pages().into_iter().filter(|page| {
        let stands = tree.texts(page.path).find(|(path, _)| *path == page.path);
        stands.is_none_or(|(_, text)| text != page.text)
    });
    stale
        .map(|page| Finding::file(page.path, "is stale; run `cargo xtask docs`"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_missing_or_differs_is_found() {
        let pages = docs::pages();
        let mut files: Vec<(&str, &str)> = pages
            .iter()
            .map(|page| (page.path, page.text.as_str()))
            .collect();
        assert!(check(&Tree::of(&files)).is_empty());
        files[0].1 = "# Old\n";
        assert_eq!(check(&Tree::of(&files)).len(), 1);
        assert_eq!(check(&Tree::of(&[])).len(), pages.len());
    }
}
