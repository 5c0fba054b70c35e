//! The only way to wait and the only source of time.
//!
//! The engine implements it with the real clock; the simulator moves it by hand.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

/// A clock that one can wait on.
#[async_trait]
pub trait Waiter: Send + Sync {
    /// The present moment; never runs backwards within a process.
    fn now(&self) -> Timestamp;

    /// By how much it is moved against this machine's own clock; none where nobody measured that.
    fn clock_offset(&self) -> Option<SignedDuration> {
        None
    }

    /// Returns once `at` has come; at once if it already has.
    async fn wait_until(&self, at: Timestamp);
}
