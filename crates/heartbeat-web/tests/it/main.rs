//! The pages over a real database: who gets in, what forms need, and what is shown.
#![expect(
    clippy::unwrap_used,
    reason = "what every case stands on is not marked as a test, and fails as one"
)]

mod forms;
mod guard;
mod live;
mod login;
mod nodes;
mod pages;
mod stops;
mod story;
mod tools;
mod usage;
mod world;
