//! A pattern carried along real time: local matches become instants, across clock changes.
//!
//! Instants come in order and none comes twice.

use std::ops::RangeInclusive;

use jiff::tz::TimeZone;

use super::CronPattern;
use super::stretch::Stretch;
use crate::window::ActiveWindow;

/// The fires of a pattern after an instant, as seconds since the epoch.
pub(super) struct CronWalk<'a> {
    pattern: &'a CronPattern,
    window: &'a ActiveWindow,
    zone: &'a TimeZone,
    stretch: Stretch,
    /// The last second that has been dealt with.
    after: i64,
    /// The last second to look at.
    until: i64,
}

impl<'a> CronWalk<'a> {
    /// The fires later than the start of `span`, up to its end. Nothing outside the calendar.
    pub(super) fn new(
        pattern: &'a CronPattern,
        window: &'a ActiveWindow,
        zone: &'a TimeZone,
        span: RangeInclusive<i64>,
    ) -> Option<Self> {
        let (after, until) = span.into_inner();
        let stretch = Stretch::at(zone, after + 1)?;
        Some(Self {
            pattern,
            window,
            zone,
            stretch,
            after,
            until,
        })
    }

    /// The next fire within the stretch.
    fn next_in_stretch(&self) -> Option<i64> {
        let Stretch { start, offset, .. } = self.stretch;
        let end = self.stretch.end.min(self.until + 1);
        let mut local = self.first_local();
        loop {
            local = self.pattern.next_match(local, end + offset)?;
            // A match in the gap before the stretch falls due when the stretch begins.
            let at = (local - offset).max(start);
            if at >= end {
                return None;
            }
            if self.window.contains_local(at + offset) {
                return Some(at);
            }
            local = self.window.next_inside(at + offset);
        }
    }

    /// The first local time whose match counts.
    ///
    /// A pattern with a fixed hour has dealt with every local time that the clock had shown before
    /// it was changed: it goes on from there, through a gap, or after a repeated hour.
    fn first_local(&self) -> i64 {
        let Stretch {
            start,
            offset,
            offset_before,
            ..
        } = self.stretch;
        let shown_before = start + offset_before;
        match (self.pattern.has_fixed_hour(), self.after < start) {
            (true, true) => shown_before,
            (true, false) => shown_before.max(self.after + 1 + offset),
            (false, _) => self.after + 1 + offset,
        }
    }
}

impl Iterator for CronWalk<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        loop {
            if let Some(at) = self.next_in_stretch() {
                self.after = at;
                return Some(at);
            }
            if self.stretch.end > self.until {
                return None;
            }
            self.after = self.stretch.end - 1;
            self.stretch = self.stretch.next(self.zone)?;
        }
    }
}
