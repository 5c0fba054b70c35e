//! The way through the pages of a list.

use heartbeat_store::verbs::Page;

/// Where in a list a visitor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paging {
    pub(crate) number: u32,
    pub(crate) last: u32,
    pub(crate) total: u64,
    pub(crate) newer: Option<String>,
    pub(crate) older: Option<String>,
}

impl Paging {
    /// Of a list of `total` rows; `path` ends where the page's number is to stand.
    pub(crate) fn new(page: Page, total: u64, path: &str) -> Self {
        let last = total.div_ceil(u64::from(page.size)).max(1);
        let last = u32::try_from(last).unwrap_or(u32::MAX);
        let link = |number: u32| format!("{path}{number}");
        Self {
            number: page.number,
            last,
            total,
            newer: (page.number > 1).then(|| link((page.number - 1).min(last))),
            older: (page.number < last).then(|| link(page.number + 1)),
        }
    }
}

/// The page that a visitor asked for; the first where the number makes no sense.
pub(crate) fn asked(number: Option<&str>, size: u32) -> Page {
    let number = number.and_then(|number| number.parse().ok());
    Page {
        number: number.unwrap_or(1).clamp(1, 1_000_000),
        size,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_first_and_a_last_page() {
        let at = |number| Paging::new(Page { number, size: 20 }, 41, "/inbox?page=");
        assert_eq!(at(1).newer, None);
        assert_eq!(at(1).older.as_deref(), Some("/inbox?page=2"));
        assert_eq!(at(3).newer.as_deref(), Some("/inbox?page=2"));
        assert_eq!(at(3).older, None);
        assert_eq!(at(9).newer.as_deref(), Some("/inbox?page=3"));
        assert_eq!(asked(Some("x"), 20).number, 1);
        assert_eq!(asked(Some("0"), 20).number, 1);
    }
}
