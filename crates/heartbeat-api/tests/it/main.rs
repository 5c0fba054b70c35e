//! The API over a real database in a folder of its own, with a clock that stands still.
#![expect(
    clippy::unwrap_used,
    reason = "in tests a broken assumption is a failure"
)]

mod access;
mod bad_input;
mod bots;
mod captured;
mod contract;
mod executions;
mod heartbeats;
mod nodes;
mod notifications;
mod preview;
mod projects;
mod tools;
mod trigger;
mod usage;
mod world;
