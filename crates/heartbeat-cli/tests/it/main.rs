//! The real binary, from outside: one module for each thing that it must be able to do.
//!
//! Every test has a directory, a database and a port of its own, and models that are scripted
//! servers. Nothing sleeps to wait: a test waits for a line of output, for a request at a scripted
//! server, or for an answer of the API, each with one generous time-out.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
)]

mod anthropic;
mod api_contract;
mod bad_database;
mod bad_input;
mod canary;
mod command_line;
mod effects;
mod first_beat;
mod gemini;
mod interop;
mod kill;
mod local_models;
mod neighbours;
mod next;
mod openai;
mod outages;
mod pausing;
mod refusals;
mod restart;
mod support;
mod two_nodes;
mod webhooks;
