//! The one place that writes: results to stdout, complaints to stderr.
//!
//! Every line is flushed, so that it stands before what a child process prints next.

use std::io::Write;

/// Writes a line to stdout. A closed pipe is nobody's error.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Writes a line to stderr.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
