//! A stretch of time in which the clock of a zone does not change, in whole seconds.
//!
//! Within one, local time is an addition; all that is odd about clocks happens where one ends.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// From a clock change to the next, or to the end of the calendar.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    /// First second.
    pub(crate) start: i64,
    /// First second after it.
    pub(crate) end: i64,
    /// Local time less UTC.
    pub(crate) offset: i64,
    /// The offset before `start`: larger when the clock was put back, smaller when forward.
    pub(crate) offset_before: i64,
}

impl Stretch {
    /// The stretch in which `second` lies; nothing outside the calendar.
    pub(crate) fn at(zone: &TimeZone, second: i64) -> Option<Self> {
        let at = instant(second)?;
        let offset = i64::from(zone.to_offset(at).seconds());
        let start = instant(second + 1)
            .and_then(|after| zone.preceding(after).next())
            .map(|change| change.timestamp())
            .filter(|start| *start <= at);
        let before = start.and_then(|start| instant(start.as_second() - 1));
        Some(Self {
            start: start.unwrap_or(Timestamp::MIN).as_second(),
            end: end_of(zone, at),
            offset,
            offset_before: before.map_or(offset, |t| i64::from(zone.to_offset(t).seconds())),
        })
    }

    /// The stretch after this one; nothing at the end of the calendar.
    pub(crate) fn next(&self, zone: &TimeZone) -> Option<Self> {
        let at = instant(self.end)?;
        let offset = i64::from(zone.to_offset(at).seconds());
        let end = end_of(zone, at);
        Some(Self {
            start: self.end,
            end,
            offset,
            offset_before: self.offset,
        })
    }
}

fn end_of(zone: &TimeZone, at: Timestamp) -> i64 {
    let change = zone.following(at).next().map(|change| change.timestamp());
    // A zone without a rule for the future may answer with its last change instead of none.
    match change.filter(|change| *change > at) {
        Some(change) => change.as_second(),
        None => Timestamp::MAX.as_second() + 1,
    }
}

/// The instant of a second since the epoch; nothing outside the calendar.
pub(crate) fn instant(second: i64) -> Option<Timestamp> {
    Timestamp::from_second(second).ok()
}

/// The second in which `at` lies, also before the epoch.
pub(crate) fn floor_second(at: Timestamp) -> i64 {
    at.as_second() - i64::from(at.subsec_nanosecond() < 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_agree_with_the_offsets_of_every_zone() {
        for name in jiff::tz::db().available() {
            let zone = TimeZone::get(name.as_str()).unwrap();
            let offset = |second| i64::from(zone.to_offset(instant(second).unwrap()).seconds());
            // From 1905 to 2097, across the end of the tables and into the rules.
            let mut stretch = Stretch::at(&zone, -2_051_222_400).unwrap();
            while stretch.end < 4_010_000_000 {
                let next = stretch.next(&zone).unwrap();
                let case = format!("{} {stretch:?} {next:?}", name.as_str());
                assert!(next.start == stretch.end && next.end > next.start, "{case}");
                let middle = next.start + (next.end - next.start) / 2;
                for second in [next.start, middle, next.end - 1] {
                    assert_eq!(offset(second), next.offset, "{case}");
                }
                assert_eq!(offset(next.start - 1), next.offset_before, "{case}");
                let found = Stretch::at(&zone, middle).unwrap();
                assert_eq!(found.end, next.end, "{case}");
                assert_eq!(found.offset, next.offset, "{case}");
                stretch = next;
            }
        }
    }

    #[test]
    fn seconds_are_rounded_down_before_the_epoch_too() {
        let at = |text: &str| floor_second(text.parse().unwrap());
        assert_eq!(at("1970-01-01T00:00:01.9Z"), 1);
        assert_eq!(at("1969-12-31T23:59:59.5Z"), -1);
        assert_eq!(at("1969-12-31T23:59:59Z"), -1);
    }
}
