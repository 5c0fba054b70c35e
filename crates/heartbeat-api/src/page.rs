//! Pages of a list: which one is asked for, and what is said about the whole.

use heartbeat_domain::violation::Violation;
use heartbeat_store::verbs::Page;
use serde::Serialize;
use utoipa::ToSchema;

use crate::input::Input;

/// Most rows on a page.
pub(crate) const PER_PAGE_MAX: u32 = 100;

/// Where a page stands in the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Pagination {
    /// This page; the first is 1.
    pub page: u32,
    /// Rows on a full page.
    pub per_page: u32,
    /// Rows on all pages.
    pub total: u64,
    /// How many pages there are.
    pub total_pages: u64,
}

impl Pagination {
    pub(crate) fn of(page: Page, total: u64) -> Self {
        Self {
            page: page.number,
            per_page: page.size,
            total,
            total_pages: total.div_ceil(u64::from(page.size.max(1))),
        }
    }
}

/// The page that `page` and `per_page` ask for.
pub(crate) fn asked(input: &Input, per_page: u32) -> Result<Page, Violation> {
    Ok(Page {
        number: within(input, "page", 1, (1, u32::MAX))?,
        size: within(input, "per_page", per_page, (1, PER_PAGE_MAX))?,
    })
}

/// A whole number within bounds, or its default.
pub(crate) fn within(
    input: &Input,
    name: &'static str,
    default: u32,
    (least, most): (u32, u32),
) -> Result<u32, Violation> {
    let expected = || {
        Violation::input(
            name,
            format!("must be a whole number from {least} to {most}"),
        )
    };
    let number = input
        .optional::<u32>(name)
        .map_err(|_| expected())?
        .unwrap_or(default);
    (least..=most)
        .contains(&number)
        .then_some(number)
        .ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Input {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        Input::Query(pairs.map(|(k, v)| (k.into(), v.into())).collect())
    }

    #[test]
    fn pages_begin_at_1_and_hold_at_most_100() {
        assert_eq!(
            asked(&query(""), 20),
            Ok(Page {
                number: 1,
                size: 20
            })
        );
        assert_eq!(
            asked(&query("page=3&per_page=100"), 20),
            Ok(Page {
                number: 3,
                size: 100
            })
        );
        for (wrong, field) in [
            ("page=0", "page"),
            ("page=-1", "page"),
            ("page=x", "page"),
            ("page=4294967296", "page"),
            ("per_page=0", "per_page"),
            ("per_page=101", "per_page"),
        ] {
            assert_eq!(
                asked(&query(wrong), 20).unwrap_err().field,
                field,
                "{wrong}"
            );
        }
    }

    #[test]
    fn the_number_of_pages_is_rounded_up() {
        let page = Page {
            number: 1,
            size: 20,
        };
        assert_eq!(Pagination::of(page, 23).total_pages, 2);
        assert_eq!(Pagination::of(page, 40).total_pages, 2);
        assert_eq!(Pagination::of(page, 0).total_pages, 0);
    }
}
