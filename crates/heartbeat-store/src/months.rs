//! Calendar months in UTC: the parts of the history where a database can divide a table.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Month(Date);

impl Month {
    /// The month of a moment.
    pub(crate) fn of(at: Timestamp) -> Self {
        Self(at.to_zoned(TimeZone::UTC).date().first_of_month())
    }

    /// Its first moment.
    pub(crate) fn start(self) -> Timestamp {
        let start = self.0.to_zoned(TimeZone::UTC);
        start.map_or(Timestamp::MIN, |start| start.timestamp())
    }

    /// The month after it; the last one that a calendar has is followed by itself.
    pub(crate) fn next(self) -> Self {
        let next = self.0.last_of_month().tomorrow();
        Self(next.unwrap_or(self.0))
    }

    /// Its first moment after it.
    pub(crate) fn end(self) -> Timestamp {
        self.next().start()
    }

    /// As `2026_11`.
    pub(crate) fn label(self) -> String {
        format!("{:04}_{:02}", self.0.year(), self.0.month())
    }

    /// Of a label.
    pub(crate) fn parse(label: &str) -> Option<Self> {
        let (year, month) = label.split_once('_')?;
        let date = Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?;
        (Self(date).label() == label).then_some(Self(date))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(at: &str) -> Month {
        Month::of(at.parse().unwrap())
    }

    #[test]
    fn a_month_reaches_from_its_first_moment_up_to_the_next_ones() {
        let december = month("2026-12-31T23:59:59.999Z");
        assert_eq!(december.label(), "2026_12");
        assert_eq!(december.start(), "2026-12-01T00:00:00Z".parse().unwrap());
        assert_eq!(december.end(), "2027-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(december.next(), month("2027-01-01T00:00:00Z"));
        assert!(december < december.next());
    }

    #[test]
    fn a_label_is_read_as_it_is_written_and_nothing_else_is_one() {
        let november = month("2026-11-22T12:00:00Z");
        assert_eq!(Month::parse(&november.label()), Some(november));
        for other in ["other", "2026_13", "2026_1", "2026-11", "to_2026_11", ""] {
            assert_eq!(Month::parse(other), None, "{other}");
        }
    }
}
