//! Where `now` comes from: a value, read once at the top of a piece of work and handed down.

use jiff::Timestamp;

/// Tells the time. Never runs backwards within a process.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}
