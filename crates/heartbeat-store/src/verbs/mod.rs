//! The verbs of the store, by group. Traits only; every doc comment is a contract.
//!
//! Each verb is one transaction. It either happened whole and is durable before it answers, or it
//! did not happen. A verb that writes is idempotent under its own key: a repeat after a lost answer
//! finds the first write and gives the first answer. Times are arguments; SQL never asks the clock.

mod access;
mod bots;
mod credits;
mod executions;
mod fires;
mod heartbeats;
mod journal;
mod outbox;
mod stats;
mod tool_servers;

pub use self::access::*;
pub use self::bots::*;
pub use self::credits::*;
pub use self::executions::*;
pub use self::fires::*;
pub use self::heartbeats::*;
pub use self::journal::*;
pub use self::outbox::*;
pub use self::stats::*;
pub use self::tool_servers::*;
use crate::StoreError;

/// What a verb answers.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// 1 and up.
    pub number: u32,
    /// 1 to 100.
    pub size: u32,
}

impl Page {
    /// Rows before this page.
    #[must_use]
    pub fn offset(&self) -> i64 {
        i64::from(self.number.saturating_sub(1)) * i64::from(self.size)
    }
}

/// One page and the size of the whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed<T> {
    /// The rows of the page.
    pub rows: Vec<T>,
    /// How many rows there are on all pages.
    pub total: u64,
}
