//! Pages of `docs/reference` that are made from code, so that they cannot say anything else.

mod limits;
mod reasons;

use anyhow::{Context, Result};

use crate::output::say;
use crate::repo::Repo;

/// A page that is made from code.
pub(crate) struct Page {
    /// Relative to the root.
    pub(crate) path: &'static str,
    /// As it should be.
    pub(crate) text: String,
}

/// All of them.
pub(crate) fn pages() -> Vec<Page> {
    vec![
        Page {
            path: "docs/reference/limits.md",
            text: limits::page(),
        },
        Page {
            path: "docs/reference/reasons.md",
            text: reasons::page(),
        },
    ]
}

/// Writes all pages.
pub(crate) fn write(repo: &Repo) -> Result<()> {
    for page in pages() {
        let path = repo.path(page.path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, page.text).with_context(|| format!("cannot write {}", page.path))?;
        say(page.path);
    }
    Ok(())
}

/// Rows of a Markdown table; a bar in a cell would end it.
fn row(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_says_where_it_comes_from_and_has_one_title() {
        for page in pages() {
            assert!(page.text.contains("cargo xtask docs"), "{}", page.path);
            assert!(!page.text.contains("\n# "), "{}", page.path);
            assert!(page.text.starts_with("# "), "{}", page.path);
        }
    }

    #[test]
    fn a_bar_does_not_end_a_cell() {
        assert_eq!(row(&["a|b".into()]), "| a\\|b |\n");
    }
}
