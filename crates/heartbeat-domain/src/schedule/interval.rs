//! Intervals: elapsed time where the interval is not a whole number of days, the calendar where it
//! is.

use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp};

use super::stretch::{floor_second, instant};
use super::{Advance, Due, Passed};
use crate::window::ActiveWindow;

const MINUTES_OF_DAY: u32 = 24 * 60;

/// Days to look ahead for one on which the anchor is inside the window. It is at most a week, or
/// two if the first is a day of a clock change.
const DAYS_LOOKED_AHEAD: i64 = 21;

/// From this many steps on, steps within one opening of the window are counted, not walked.
const STEPS_WALKED: i64 = 8;

/// The due times of an interval.
#[derive(Clone, Copy)]
pub(super) struct Grid<'a> {
    pub(super) minutes: u32,
    pub(super) window: &'a ActiveWindow,
    pub(super) zone: &'a TimeZone,
}

impl Grid<'_> {
    pub(super) fn first_due(&self, enabled_at: Timestamp) -> Option<Due> {
        if self.window.contains(enabled_at, self.zone) {
            self.next_due(&self.anchored(enabled_at))
        } else {
            self.opening(enabled_at)
        }
    }

    pub(super) fn next_due(&self, previous: &Due) -> Option<Due> {
        match self.whole_days() {
            Some(days) => self.days_later(days, previous),
            None => self.elapsed(previous),
        }
    }

    pub(super) fn advance(&self, next: &Due, now: Timestamp) -> Advance {
        let mut passed = Passed::only(next);
        if self.whole_days().is_some() {
            return passed.walk(now, |last| self.next_due(last));
        }
        let now_second = floor_second(now);
        self.count_steps(&mut passed, now_second);
        loop {
            match self.next_due(&passed.latest) {
                Some(due) if due.at <= now => passed.push(due),
                next => {
                    return Advance {
                        passed: Some(passed),
                        next,
                    };
                }
            }
            self.count_steps(&mut passed, now_second);
        }
    }

    /// One interval of elapsed time later, or when the window opens after that.
    fn elapsed(&self, previous: &Due) -> Option<Due> {
        let at = instant(previous.at.as_second() + self.step())?;
        Some(Due {
            at: self.window.next_opening(at, self.zone)?,
            ..*previous
        })
    }

    /// Skips, in closed form, the steps up to `now` that surely lie within one opening.
    fn count_steps(&self, passed: &mut Passed, now: i64) {
        let (step, latest) = (self.step(), passed.latest.at.as_second());
        if now - latest < STEPS_WALKED * step {
            return;
        }
        let last = if self.window.is_unrestricted() {
            Some(now)
        } else {
            self.window
                .open_until(latest, self.zone)
                .map(|end| now.min(end - 1))
        };
        let steps = last.map_or(0, |last| (last - latest) / step);
        let at = |steps: i64| instant(latest + steps * step);
        if let (1.., Some(before), Some(at)) = (steps, at(steps - 1), at(steps)) {
            passed.before_latest = Some(before);
            passed.latest.at = at;
            passed.count += steps.unsigned_abs();
        }
    }

    /// The anchor's time of day, so many calendar days later or on the next day on which it is
    /// inside the window. If it never is, the next opening, which becomes the anchor.
    fn days_later(&self, days: i64, previous: &Due) -> Option<Due> {
        let anchor = previous.anchor;
        let date = self.zone.to_datetime(previous.at).date();
        let day = date.checked_add(Span::new().try_days(days).ok()?).ok()?;
        let at = resolve(day.to_datetime(anchor), self.zone)?;
        if at > previous.at && self.window.contains(at, self.zone) {
            return Some(Due { at, anchor });
        }
        let later = self.window.has_time_of_day(second_of_day(anchor)).then(|| {
            (1..=DAYS_LOOKED_AHEAD)
                .map_while(|more| day.checked_add(Span::new().days(more)).ok())
                .filter_map(|day| resolve(day.to_datetime(anchor), self.zone))
                .find(|at| *at > previous.at && self.window.contains(*at, self.zone))
        });
        match later.flatten() {
            Some(at) => Some(Due { at, anchor }),
            None => self.opening(at.max(instant(previous.at.as_second() + 1)?)),
        }
    }

    /// The next opening of the window as the start of a grid.
    fn opening(&self, after: Timestamp) -> Option<Due> {
        Some(self.anchored(self.window.next_opening(after, self.zone)?))
    }

    fn anchored(&self, at: Timestamp) -> Due {
        let anchor = match self.whole_days() {
            Some(_) => self.zone.to_datetime(at).time(),
            None => Time::midnight(),
        };
        Due { at, anchor }
    }

    fn whole_days(&self) -> Option<i64> {
        let whole = self.minutes > 0 && self.minutes.is_multiple_of(MINUTES_OF_DAY);
        whole.then(|| i64::from(self.minutes / MINUTES_OF_DAY))
    }

    /// At least a second, so that a grid always moves.
    fn step(&self) -> i64 {
        i64::from(self.minutes).max(1) * 60
    }
}

/// The instant of a local time: in a gap the first valid instant after it, in an overlap the first
/// of the two. Nothing outside the calendar.
fn resolve(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok(),
        AmbiguousOffset::Gap { before, .. } => {
            // By the old clock the gap begins with the change itself, so it is the last one before.
            let in_gap = before.to_timestamp(local).ok()?;
            let change = zone.preceding(instant(in_gap.as_second() + 1)?).next()?;
            Some(change.timestamp())
        }
    }
}

fn second_of_day(time: Time) -> i64 {
    i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second())
}
