//! Sessions, dialects and the choice of models, from outside.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
)]

mod answers;
mod default_model;
mod demo;
mod dialects;
mod frame;
mod gemini;
mod health;
mod limits;
mod parallel;
mod replay;
mod retries;
mod session;
mod stopping;
mod thoughts;
mod world;
