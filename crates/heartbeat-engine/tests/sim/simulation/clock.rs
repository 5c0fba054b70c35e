//! Time: true time that only the world moves, the wall clock that people turn, and the clock of
//! each process, which is a little off and never runs backwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// The world's time, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct WorldTime {
    real: AtomicI64,
    turned: AtomicI64,
}

impl WorldTime {
    /// A world that begins then.
    pub(crate) fn new(begin: i64) -> Self {
        Self {
            real: AtomicI64::new(begin),
            turned: AtomicI64::new(0),
        }
    }

    /// True time.
    pub(crate) fn real(&self) -> i64 {
        self.real.load(Ordering::Relaxed)
    }

    /// What a wall clock shows.
    pub(crate) fn wall(&self) -> i64 {
        self.real() + self.turned()
    }

    /// How far the wall clock was turned.
    pub(crate) fn turned(&self) -> i64 {
        self.turned.load(Ordering::Relaxed)
    }

    /// Lets time pass.
    pub(crate) fn move_to(&self, real: i64) {
        self.real.fetch_max(real, Ordering::Relaxed);
    }

    /// Turns the wall clock.
    pub(crate) fn turn(&self, by: i64) {
        self.turned.fetch_add(by, Ordering::Relaxed);
    }
}

/// The clock of one process.
#[derive(Debug)]
pub(crate) struct ProcessClock {
    world: Arc<WorldTime>,
    off_by: i64,
    latest: AtomicI64,
}

impl ProcessClock {
    /// A clock that is off by so many milliseconds.
    pub(crate) fn new(world: &Arc<WorldTime>, off_by: i64) -> Self {
        Self {
            world: Arc::clone(world),
            off_by,
            latest: AtomicI64::new(i64::MIN),
        }
    }

    /// What it shows, in milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        let shown = self.world.wall() + self.off_by;
        self.latest.fetch_max(shown, Ordering::Relaxed).max(shown)
    }

    /// What it shows.
    pub(crate) fn now(&self) -> Timestamp {
        at(self.now_ms())
    }

    /// The true time at which it will show that moment.
    pub(crate) fn real_of(&self, shown: i64) -> i64 {
        shown - self.world.turned() - self.off_by
    }
}

/// Milliseconds as a moment.
pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).expect("the worlds lie in this century")
}
