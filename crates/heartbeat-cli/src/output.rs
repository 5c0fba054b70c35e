//! What people read: results on stdout, everything else on stderr, and the exit code.
//!
//! | code | means |
//! |---|---|
//! | 0 | done |
//! | 1 | it failed, or what was carried out did |
//! | 2 | the input is wrong |
//! | 3 | there is no such thing |
//! | 4 | a plan, switch or limit forbids it |
//! | 5 | the database is unavailable |

use std::io::Write;
use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};
use heartbeat_store::StoreError;
use serde_json::Value;

/// Where results go.
pub(crate) struct Out {
    json: bool,
}

impl Out {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether results are printed as JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// A line of text on stdout. A reader that has gone away is nobody's error.
    pub(crate) fn line(&mut self, text: &str) {
        let _reader_gone = writeln!(std::io::stdout(), "{text}");
    }

    /// A value on stdout.
    pub(crate) fn value(&mut self, value: &Value) {
        let text = serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string());
        self.line(&text);
    }

    /// A value as one line, for those who follow.
    pub(crate) fn value_line(&mut self, value: &Value) {
        self.line(&value.to_string());
    }

    /// The value, or `text` for people.
    pub(crate) fn either(&mut self, value: &Value, text: &str) {
        if self.json {
            self.value(value)
        } else {
            self.line(text)
        }
    }

    /// Rows below a heading, or `empty` where there are none.
    pub(crate) fn table(&mut self, heading: &[&str], rows: Vec<Vec<String>>, empty: &str) {
        if rows.is_empty() {
            return note(empty);
        }
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(heading.iter().map(|word| word.to_uppercase()));
        for row in rows {
            table.add_row(row);
        }
        let text = table.to_string();
        for line in text.lines() {
            self.line(line.trim_end());
        }
    }
}

/// Something to know, on stderr.
pub(crate) fn note(text: &str) {
    let _reader_gone = writeln!(std::io::stderr(), "{text}");
}

/// Says what went wrong, and answers the exit code that belongs to it.
pub(crate) fn explain(error: &anyhow::Error) -> ExitCode {
    note(&format!("error: {error:#}"));
    let code = match error.downcast_ref::<StoreError>() {
        Some(StoreError::Violation(_)) => 2,
        Some(StoreError::NotFound(_)) => 3,
        Some(StoreError::Limit(_)) => 4,
        Some(StoreError::Unavailable(_)) => 5,
        _ if error.is::<BadArgument>() => 2,
        _ => 1,
    };
    ExitCode::from(code)
}

/// An argument that is wrong in a way only the program can tell.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BadArgument(pub(crate) String);
