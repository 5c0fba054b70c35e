//! The one place that reads the wall clock, and the one that waits on it.
//!
//! `now` never runs backwards within the process. A wait is never longer than a second without
//! another look at the wall clock, so a clock that is turned, or a laptop that slept, is noticed.
//!
//! With the feature `kill-points`, which only rehearsals have, `HEARTBEAT_CLOCK_RATE=60@1795000000000`
//! makes a minute pass in a second, counted from that millisecond; every process that is given the
//! same text reads the same clock.

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
        let moved = rate::moved(wall.checked_add(self.offset).unwrap_or(wall).as_millisecond());
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
            tokio::time::sleep(rate::real(left).min(LOOK_AT_LEAST_EVERY)).await;
        }
    }
}

/// Time as it passes.
#[cfg(not(feature = "kill-points"))]
mod rate {
    use std::time::Duration;

    pub(super) fn moved(wall: i64) -> i64 {
        wall
    }

    pub(super) fn real(wait: Duration) -> Duration {
        wait
    }
}

/// Time that may pass faster, for rehearsals.
#[cfg(feature = "kill-points")]
mod rate {
    use std::sync::OnceLock;
    use std::time::Duration;

    /// How many times as fast, and since when.
    fn named() -> Option<(u32, i64)> {
        static NAMED: OnceLock<Option<(u32, i64)>> = OnceLock::new();
        *NAMED.get_or_init(|| {
            let text = std::env::var("HEARTBEAT_CLOCK_RATE").ok()?;
            let (rate, since) = text.split_once('@')?;
            Some((rate.parse().ok().filter(|rate| *rate > 0)?, since.parse().ok()?))
        })
    }

    pub(super) fn moved(wall: i64) -> i64 {
        match named() {
            Some((rate, since)) => since + (wall - since) * i64::from(rate),
            None => wall,
        }
    }

    pub(super) fn real(wait: Duration) -> Duration {
        match named() {
            Some((rate, _)) => (wait / rate).max(Duration::from_millis(1)),
            None => wait,
        }
    }
}
