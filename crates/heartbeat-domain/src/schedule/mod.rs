//! Schedules: a cadence, an active window and a zone, and the one answer to "when next?".
//!
//! Due times are whole seconds and values of the schedule, never `now`: whoever asks twice, late or
//! on another node gets the same answer.

mod cron;
mod field;
mod frequency;
mod interval;
mod next;
pub(crate) mod stretch;
mod walk;
mod zone;

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

pub use self::cron::CronPattern;
pub use self::zone::parse_zone;
use crate::violation::Violation;
use crate::window::ActiveWindow;

/// The longest interval, in minutes: 366 days.
pub const INTERVAL_MINUTES_MAX: u32 = 527_040;

/// How far ahead a pattern must fire to be accepted: eight years, which hold a 29 February
/// even around 2100.
const FIRST_FIRE_WITHIN: i64 = 2_922 * 86_400;

/// What makes the due times, before the window has its say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cadence {
    /// Every so many minutes, 1 to [`INTERVAL_MINUTES_MAX`]. A whole number of days is counted on
    /// the calendar, anything else in elapsed time.
    Interval {
        /// The interval.
        minutes: u32,
    },
    /// At the local times that match a pattern.
    Cron(CronPattern),
}

/// When a heartbeat or task falls due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Interval or pattern.
    pub cadence: Cadence,
    /// Within which fires may start.
    pub window: ActiveWindow,
    /// In which local times are read.
    pub zone: TimeZone,
}

/// A value of the schedule, with the local time of day that a whole-day interval keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The due time, in whole seconds.
    pub at: Timestamp,
    /// The time of day to which a whole-day interval returns after a clock change. Other cadences
    /// hand it on untouched; it is midnight where they start a grid.
    pub anchor: Time,
}

/// What lies between an unaccounted due time and now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// The due times that have come, if any.
    pub passed: Option<Passed>,
    /// The first due time strictly later than now. Nothing only at the end of the calendar.
    pub next: Option<Due>,
}

/// A run of due times that have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The earliest.
    pub first: Timestamp,
    /// The latest, at or before now.
    pub latest: Due,
    /// How many, both ends included.
    pub count: u64,
    /// The value right before `latest`, if there is more than one.
    pub before_latest: Option<Timestamp>,
}

impl Schedule {
    /// A schedule by interval.
    ///
    /// Every window opens every week, so an interval always has a next fire; only its length can
    /// be wrong.
    pub fn interval(minutes: u32, window: ActiveWindow, zone: TimeZone) -> Result<Self, Violation> {
        if !(1..=INTERVAL_MINUTES_MAX).contains(&minutes) {
            let message = format!(
                "{minutes} is out of range; expected a whole number of minutes from 1 to \
                 {INTERVAL_MINUTES_MAX} (366 days)"
            );
            return Err(Violation::input("interval_minutes", message));
        }
        Ok(Self {
            cadence: Cadence::Interval { minutes },
            window,
            zone,
        })
    }

    /// A schedule by pattern. Refused if it does not fire within eight years of `from`.
    pub fn cron(
        pattern: &str,
        window: ActiveWindow,
        zone: TimeZone,
        from: Timestamp,
    ) -> Result<Self, Violation> {
        let pattern = CronPattern::parse(pattern)?;
        if !pattern.fires(&window, &zone, from) {
            return Err(Violation::never_fires(
                "cron_pattern",
                why_never(&pattern, &zone, from),
            ));
        }
        Ok(Self {
            cadence: Cadence::Cron(pattern),
            window,
            zone,
        })
    }
}

impl CronPattern {
    fn fires(&self, window: &ActiveWindow, zone: &TimeZone, from: Timestamp) -> bool {
        let after = stretch::floor_second(from);
        let until = after.saturating_add(FIRST_FIRE_WITHIN);
        walk::CronWalk::new(self, window, zone, after..=until)
            .is_some_and(|mut walk| walk.next().is_some())
    }
}

fn why_never(pattern: &CronPattern, zone: &TimeZone, from: Timestamp) -> String {
    let text = pattern.as_str();
    if pattern.fires(&ActiveWindow::default(), zone, from) {
        format!(
            "\"{text}\" never fires: none of its times in the next eight years is inside the \
             active window; widen the window or change the pattern"
        )
    } else {
        format!("\"{text}\" never fires: no date in the next eight years matches it")
    }
}
