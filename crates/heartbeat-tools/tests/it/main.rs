//! The hands against servers: tiny scripted ones that misbehave in every way, and real ones that
//! nobody here wrote.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
)]

mod http_servers;
mod misbehaviour;
mod outgoing;
mod processes;
mod real_servers;
mod support;
mod web_fetch;
