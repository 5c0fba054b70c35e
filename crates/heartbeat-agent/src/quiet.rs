//! Nothing to report: how a session ends in silence.

/// The reply that means "nothing to report".
pub const HEARTBEAT_OK: &str = "HEARTBEAT_OK";

/// Whether a reply says only [`HEARTBEAT_OK`], whatever markdown or punctuation surrounds it.
#[must_use]
pub fn is_only_ok(reply: &str) -> bool {
    let bare = reply.trim_matches(|c: char| !c.is_alphanumeric());
    bare.eq_ignore_ascii_case(HEARTBEAT_OK)
}

#[cfg(test)]
mod tests {
    use super::is_only_ok;

    #[test]
    fn only_the_word_itself_is_silence() {
        for reply in [
            "HEARTBEAT_OK",
            " **HEARTBEAT_OK**.\n",
            "`HEARTBEAT_OK`",
            "_heartbeat_ok_",
        ] {
            assert!(is_only_ok(reply), "{reply}");
        }
        for reply in [
            "",
            "HEARTBEAT_OK, but the disk is full",
            "OK",
            "HEARTBEAT OK",
        ] {
            assert!(!is_only_ok(reply), "{reply}");
        }
    }
}
