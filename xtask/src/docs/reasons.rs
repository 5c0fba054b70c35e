//! `docs/reference/reasons.md`: the closed list of reasons, in the words of the code.

use heartbeat_domain::reason::Reason;

use super::row;

const OPENING: &str = "\
# Reasons

What a `reason` in a log row, or a `paused_reason` of a heartbeat, means and what to do about it.

The list is closed: nothing else is ever written, and a name never changes its meaning.

| reason | means |
|---|---|
";

const CLOSING: &str = "
Some names on the list belong to things that are not there yet, such as connections; they are
reserved, so that a client may handle them today.

This page is made from the code by `cargo xtask docs`.
";

/// The page as it should be.
pub(super) fn page() -> String {
    let rows = Reason::ALL
        .iter()
        .map(|reason| row(&[format!("`{reason}`"), reason.meaning().to_owned()]));
    format!("{OPENING}{}{CLOSING}", rows.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_row_with_a_meaning() {
        let page = page();
        for reason in Reason::ALL {
            assert!(!reason.meaning().is_empty(), "{reason}");
            assert!(
                page.contains(&format!("| `{reason}` | {}", reason.meaning())),
                "{reason}"
            );
        }
    }
}
