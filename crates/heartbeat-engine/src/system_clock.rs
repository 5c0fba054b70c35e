//! The one place that reads the wall clock, and the one that waits on it.
//!
//! `now` never runs backwards within the process. A wait is never longer than a second without
//! another look at the wall clock, so a clock that is turned, or a laptop that slept, is noticed.
//!
//! With the feature `kill-points`, which only rehearsals have, `HEARTBEAT_CLOCK=60@T1=T2` gives every
//! process a clock that showed T2 at T1 and runs sixty times as fast since; both in milliseconds.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use heartbeat_agent::Waiter;
use heartbeat_domain::clock::Clock;
use jiff::{SignedDuration, Timestamp};

/// The wall clock of this machine.
#[derive(Debug)]
pub struct SystemClock {
    latest: AtomicI64,
    /// In milliseconds.
    offset: AtomicI64,
    /// Whether the offset was measured, and not given.
    is_measured: AtomicBool,
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
            offset: AtomicI64::new(millis(offset)),
            is_measured: AtomicBool::new(false),
        }
    }

    /// What the wall clock of this machine shows, without the offset.
    #[must_use]
    pub fn local(&self) -> Timestamp {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the wall clock"
        )]
        Timestamp::now()
    }

    /// Goes on by another offset. What was shown before stays behind: `now` waits where it would
    /// have to run backwards.
    pub fn set_offset(&self, offset: SignedDuration) {
        self.offset.store(millis(offset), Ordering::Release);
        self.is_measured.store(true, Ordering::Release);
    }

    /// By how much `now` is ahead of the wall clock.
    #[must_use]
    pub fn offset(&self) -> SignedDuration {
        SignedDuration::from_millis(self.offset.load(Ordering::Acquire))
    }
}

fn millis(offset: SignedDuration) -> i64 {
    i64::try_from(offset.as_millis()).unwrap_or(0)
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let wall = self.local();
        let moved = rate::moved(
            wall.checked_add(self.offset())
                .unwrap_or(wall)
                .as_millisecond(),
        );
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

    fn clock_offset(&self) -> Option<SignedDuration> {
        let is_measured = self.is_measured.load(Ordering::Acquire);
        is_measured.then(|| self.offset())
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

/// Time that is another and may pass faster, for rehearsals.
#[cfg(feature = "kill-points")]
mod rate {
    use std::sync::OnceLock;
    use std::time::Duration;

    #[derive(Clone, Copy)]
    struct Moved {
        rate: u32,
        since: i64,
        shown: i64,
    }

    fn named() -> Option<Moved> {
        static NAMED: OnceLock<Option<Moved>> = OnceLock::new();
        *NAMED.get_or_init(|| {
            let text = std::env::var("HEARTBEAT_CLOCK").ok()?;
            let (rate, rest) = text.split_once('@')?;
            let (since, shown) = rest.split_once('=')?;
            Some(Moved {
                rate: rate.parse().ok().filter(|rate| *rate > 0)?,
                since: since.parse().ok()?,
                shown: shown.parse().ok()?,
            })
        })
    }

    pub(super) fn moved(wall: i64) -> i64 {
        match named() {
            Some(Moved { rate, since, shown }) => shown + (wall - since) * i64::from(rate),
            None => wall,
        }
    }

    pub(super) fn real(wait: Duration) -> Duration {
        match named() {
            Some(moved) => (wait / moved.rate).max(Duration::from_millis(1)),
            None => wait,
        }
    }
}
