//! `heartbeat next`: when a schedule fires, from the code that the server fires by.

use std::process::ExitCode;

use heartbeat_domain::clock::Clock;
use heartbeat_domain::violation::Violation;
use heartbeat_engine::system_clock::SystemClock;
use jiff::Timestamp;
use serde_json::json;

use super::schedule::fields;
use crate::args::NextArgs;
use crate::output::{Out, note};

/// Most fires that are printed at once.
const COUNT_MAX: usize = 100_000;

/// Prints one UTC instant a line; a bad argument exits with 2 and is named.
pub(crate) fn run(ask: &NextArgs, out: &mut Out) -> anyhow::Result<ExitCode> {
    match fires(ask) {
        Ok(fires) if out.is_json() => out.value(&json!({ "fires": fires })),
        Ok(fires) => fires.iter().for_each(|at| out.line(&at.to_string())),
        Err(violation) => {
            note(&format!(
                "error: --{}: {}",
                option(violation.field),
                violation.message
            ));
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn fires(ask: &NextArgs) -> Result<Vec<Timestamp>, Violation> {
    if ask.count == 0 || ask.count > COUNT_MAX {
        return Err(Violation::input(
            "count",
            format!("must be between 1 and {COUNT_MAX}"),
        ));
    }
    let from = match &ask.from {
        None => SystemClock::default().now(),
        Some(text) => text.parse().map_err(|_| {
            Violation::input(
                "from",
                format!("`{text}` is not an RFC 3339 instant, such as 2026-11-23T09:00:00Z"),
            )
        })?,
    };
    Ok(fields(&ask.schedule)?.parse(from)?.preview(from, ask.count))
}

/// The option that a field of the schedule came from.
fn option(field: &str) -> String {
    match field {
        "cron_pattern" => "cron".into(),
        "active_hours_start" | "active_hours_end" => "active-hours".into(),
        other => other.replace('_', "-"),
    }
}
