//! The contracts of the verbs, group by group; each case runs on every database.

pub(crate) mod access;
pub(crate) mod bots;
pub(crate) mod credits;
pub(crate) mod executions;
pub(crate) mod fires;
pub(crate) mod heartbeats;
pub(crate) mod isolation;
pub(crate) mod journal;
pub(crate) mod outbox;
pub(crate) mod stats;
pub(crate) mod stopping;
pub(crate) mod tool_servers;
