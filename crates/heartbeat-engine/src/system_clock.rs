//! The one place that reads the wall clock, and the one that waits on it.
//!
//! `now` never runs backwards within the process. A wait is never longer than a second without
//! another look at the wall clock, so a clock that is turned, or a laptop that slept, is noticed.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use heartbeat_agent::Waiter;
use heartbeat_domain::clock::Clock;
use jiff::{SignedDuration, Timestamp};

/// The wall clock of this machine.
#[derive(Debug)]
pub struct SystemClock {
    latest: AtomicI64,
    offset: SignedDuration,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::with_offset(SignedDuration::ZERO)
    }
}

impl SystemClock {
    /// The wall clock moved by a fixed offset; for rehearsing another day or a skewed node.
    #[must_use]
    pub fn with_offset(offset: SignedDuration) -> Self {
        Self {
            latest: AtomicI64::new(i64::MIN),
            offset,
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the wall clock"
        )]
        let wall = Timestamp::now();
        let moved = wall
            .checked_add(self.offset)
            .unwrap_or(wall)
            .as_millisecond();
        let latest = self.latest.fetch_max(moved, Ordering::AcqRel).max(moved);
        Timestamp::from_millisecond(latest).unwrap_or(wall)
    }
}

/// Longest wait without another look at the wall clock.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(1);

#[async_trait]
impl Waiter for SystemClock {
    fn now(&self) -> Timestamp {
        Clock::now(self)
    }

    async fn wait_until(&self, at: Timestamp) {
        loop {
            let left = at.duration_since(Clock::now(self));
            let Ok(left) = Duration::try_from(left) else {
                return;
            };
            if left.is_zero() {
                return;
            }
            #[expect(clippy::disallowed_methods, reason = "the one place that waits")]
            tokio::time::sleep(left.min(LOOK_AT_LEAST_EVERY)).await;
        }
    }
}
