//! Shapes of requests and responses, and how they are made of the nouns of the domain; nothing
//! else.
//!
//! Names and order of the fields are published: those of the first version come first and in their
//! order, ours stand at the end.

pub mod bots;
pub mod executions;
pub mod heartbeats;
pub mod nodes;
pub mod notifications;
pub mod projects;
pub mod stats;
pub mod subscribers;
pub mod system;
pub mod tool_requests;
pub mod tools;
pub mod usage;

use jiff::Timestamp;

/// A moment as it is written everywhere: UTC, whole seconds, with `Z`.
#[must_use]
pub fn instant(at: Timestamp) -> String {
    let seconds = at.as_millisecond().div_euclid(1_000);
    Timestamp::from_second(seconds).unwrap_or(at).to_string()
}

/// A switch as it is written everywhere.
fn switch(on: bool) -> u8 {
    u8::from(on)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_whole_seconds_in_utc() {
        let at: Timestamp = "2026-05-04T10:00:00.999+02:00".parse().unwrap();
        assert_eq!(instant(at), "2026-05-04T08:00:00Z");
    }
}
