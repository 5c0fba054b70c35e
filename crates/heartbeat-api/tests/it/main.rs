//! The API over a real database in a folder of its own, with a clock that stands still.

mod access;
mod bad_input;
mod bots;
mod captured;
mod contract;
mod executions;
mod heartbeats;
mod notifications;
mod preview;
mod projects;
mod trigger;
mod world;
