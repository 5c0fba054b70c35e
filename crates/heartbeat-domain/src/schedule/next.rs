//! The one answer to "when next?", for every cadence.

use jiff::Timestamp;
use jiff::civil::Time;

use super::interval::Grid;
use super::stretch::{floor_second, instant};
use super::walk::CronWalk;
use super::{Advance, Cadence, CronPattern, Due, Passed, Schedule};

/// How far ahead a pattern is searched for its next fire: the calendar repeats after 400 years.
const SEARCHED_AHEAD: i64 = 146_097 * 86_400;

impl Schedule {
    /// The first value of the grid that starts at `enabled_at`: always later than it.
    ///
    /// An interval enabled outside the window first fires when the window opens.
    pub fn first_due(&self, enabled_at: Timestamp) -> Option<Due> {
        let enabled_at = instant(floor_second(enabled_at))?;
        match &self.cadence {
            Cadence::Interval { minutes } => self.grid(*minutes).first_due(enabled_at),
            Cadence::Cron(_) => self.next_due(&Due {
                at: enabled_at,
                anchor: Time::midnight(),
            }),
        }
    }

    /// The value after `previous`. Nothing only at the end of the calendar.
    pub fn next_due(&self, previous: &Due) -> Option<Due> {
        match &self.cadence {
            Cadence::Interval { minutes } => self.grid(*minutes).next_due(previous),
            Cadence::Cron(pattern) => {
                let at = self.walk(pattern, previous.at)?.next()?;
                Some(Due {
                    at: instant(at)?,
                    anchor: previous.anchor,
                })
            }
        }
    }

    /// Walks from `next`, a value that has not been accounted for, up to `now`.
    pub fn advance(&self, next: &Due, now: Timestamp) -> Advance {
        if next.at > now {
            return Advance {
                passed: None,
                next: Some(*next),
            };
        }
        match &self.cadence {
            Cadence::Interval { minutes } => self.grid(*minutes).advance(next, now),
            Cadence::Cron(pattern) => {
                let mut walk = self.walk(pattern, next.at);
                Passed::only(next).walk(now, |last| {
                    let at = walk.as_mut()?.next()?;
                    Some(Due {
                        at: instant(at)?,
                        anchor: last.anchor,
                    })
                })
            }
        }
    }

    /// The next `count` fires after `previous`, whose local time of day is the anchor.
    pub fn preview(&self, previous: Timestamp, count: usize) -> Vec<Timestamp> {
        let due = instant(floor_second(previous)).map(|at| Due {
            at,
            anchor: self.zone.to_datetime(at).time(),
        });
        let fires = std::iter::successors(due, |due| self.next_due(due));
        fires.skip(1).take(count).map(|due| due.at).collect()
    }

    fn grid(&self, minutes: u32) -> Grid<'_> {
        Grid {
            minutes,
            window: &self.window,
            zone: &self.zone,
        }
    }

    fn walk<'a>(&'a self, pattern: &'a CronPattern, after: Timestamp) -> Option<CronWalk<'a>> {
        let after = floor_second(after);
        CronWalk::new(
            pattern,
            &self.window,
            &self.zone,
            after..=after + SEARCHED_AHEAD,
        )
    }
}

impl Passed {
    /// The run that consists of `due` alone.
    pub(super) fn only(due: &Due) -> Self {
        Self {
            first: due.at,
            latest: *due,
            count: 1,
            before_latest: None,
        }
    }

    /// Extends the run by `due`.
    pub(super) fn push(&mut self, due: Due) {
        self.before_latest = Some(self.latest.at);
        self.latest = due;
        self.count += 1;
    }

    /// Extends the run value by value up to `now`.
    pub(super) fn walk(
        mut self,
        now: Timestamp,
        mut next_due: impl FnMut(&Due) -> Option<Due>,
    ) -> Advance {
        let next = loop {
            match next_due(&self.latest) {
                Some(due) if due.at <= now => self.push(due),
                next => break next,
            }
        };
        Advance {
            passed: Some(self),
            next,
        }
    }
}
