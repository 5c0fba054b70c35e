//! How often a schedule fires at most, against a plan's minimum.
//!
//! Measured on a clock that never changes, so that a daily schedule is not refused for the short
//! day in spring.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::stretch::{floor_second, instant};
use super::walk::CronWalk;
use super::{Cadence, Schedule};
use crate::violation::Violation;

const LOOKED_AHEAD: i64 = 366 * 86_400;

impl Schedule {
    /// Refuses a schedule two of whose fires in the 366 days after `from` are closer than the
    /// minimum, in local civil time as if no clock changed.
    pub fn check_frequency(&self, minimum_minutes: u32, from: Timestamp) -> Result<(), Violation> {
        let minimum = i64::from(minimum_minutes) * 60;
        if self.distance_bound() >= minimum {
            return Ok(());
        }
        match self.distance_min(from) {
            Some(found) if found < minimum => Err(self.too_frequent(found, minimum_minutes)),
            _ => Ok(()),
        }
    }

    fn too_frequent(&self, found: i64, minimum_minutes: u32) -> Violation {
        let (field, remedy) = match self.cadence {
            Cadence::Interval { .. } => (
                "interval_minutes",
                format!("write {minimum_minutes} or more"),
            ),
            Cadence::Cron(_) => ("cron_pattern", "spread its times".to_owned()),
        };
        let message = format!(
            "fires come as close as {} apart, and the minimum is {}; {remedy}, or choose a plan \
             with a lower minimum",
            minutes(found / 60),
            minutes(i64::from(minimum_minutes)),
        );
        Violation::frequency(field, message)
    }

    /// The smallest distance between consecutive fires, in seconds; nothing if there are not two.
    fn distance_min(&self, from: Timestamp) -> Option<i64> {
        let bound = self.distance_bound();
        let start = floor_second(from) + i64::from(self.zone.to_offset(from).seconds());
        let mut found: Option<i64> = None;
        let mut last: Option<i64> = None;
        self.each_civil_fire(start, |at| {
            if let Some(last) = last.replace(at) {
                found = Some(found.map_or(at - last, |found| found.min(at - last)));
            }
            found.is_none_or(|found| found > bound)
        });
        found
    }

    /// Hands over the fires of the span as if no clock changed, until `go_on` says no.
    fn each_civil_fire(&self, start: i64, mut go_on: impl FnMut(i64) -> bool) {
        let until = start + LOOKED_AHEAD;
        if let Cadence::Cron(pattern) = &self.cadence {
            if let Some(mut walk) =
                CronWalk::new(pattern, &self.window, &TimeZone::UTC, start..=until)
            {
                walk.all(go_on);
            }
            return;
        }
        let civil = Self {
            zone: TimeZone::UTC,
            ..self.clone()
        };
        let mut due = instant(start).and_then(|start| civil.first_due(start));
        while let Some(fire) = due.filter(|due| due.at.as_second() <= until) {
            if !go_on(fire.at.as_second()) {
                return;
            }
            due = civil.next_due(&fire);
        }
    }

    /// A distance, in seconds, that no two fires can be below.
    fn distance_bound(&self) -> i64 {
        match &self.cadence {
            Cadence::Interval { minutes } => i64::from(*minutes) * 60,
            Cadence::Cron(pattern) => i64::from(pattern.minute_gap_min()) * 60,
        }
    }
}

fn minutes(count: i64) -> String {
    if count == 1 {
        "1 minute".to_owned()
    } else {
        format!("{count} minutes")
    }
}
