//! Billing periods and days, which are those of UTC, to the edge.

use heartbeat_domain::heartbeat::{billing_period, next_billing_period, next_utc_day, utc_day};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::support::at;

#[test]
fn a_billing_period_is_a_calendar_month_in_utc() {
    let june = 2026 * 12 + 5;
    let cases = [
        ("2026-05-31T23:59:59.999Z", june - 1, "2026-06-01T00:00:00Z"),
        ("2026-06-01T00:00:00Z", june, "2026-07-01T00:00:00Z"),
        (
            "2026-06-01T01:00:00+02:00",
            june - 1,
            "2026-06-01T00:00:00Z",
        ),
        ("2026-06-30T23:59:59.999Z", june, "2026-07-01T00:00:00Z"),
        ("2026-12-31T23:59:59.999Z", june + 6, "2027-01-01T00:00:00Z"),
        (
            "2028-02-29T12:00:00Z",
            2028 * 12 + 1,
            "2028-03-01T00:00:00Z",
        ),
    ];
    for (moment, period, next) in cases {
        assert_eq!(billing_period(at(moment)), period, "{moment}");
        assert_eq!(next_billing_period(at(moment)), Some(at(next)), "{moment}");
    }
    assert_eq!(next_billing_period(Timestamp::MAX), None);
}

#[test]
fn a_day_is_a_day_in_utc() {
    let cases = [
        ("1970-01-01T00:00:00Z", 0, "1970-01-02T00:00:00Z"),
        ("1969-12-31T23:59:59.5Z", -1, "1970-01-01T00:00:00Z"),
        ("2026-06-01T23:59:59.999Z", 20_605, "2026-06-02T00:00:00Z"),
        ("2026-06-02T00:00:00Z", 20_606, "2026-06-03T00:00:00Z"),
        ("2026-06-02T01:59:00+02:00", 20_605, "2026-06-02T00:00:00Z"),
    ];
    for (moment, day, next) in cases {
        assert_eq!(utc_day(at(moment)), day, "{moment}");
        assert_eq!(next_utc_day(at(moment)), Some(at(next)), "{moment}");
    }
    assert_eq!(next_utc_day(Timestamp::MAX), None);
}

proptest! {
    #[test]
    fn the_next_period_is_the_first_moment_of_another_one(
        millisecond in 0..4_000_000_000_000_i64,
    ) {
        let moment = Timestamp::from_millisecond(millisecond).unwrap();
        let just_before = SignedDuration::from_nanos(1);
        let month = next_billing_period(moment).unwrap();
        prop_assert!(month > moment);
        prop_assert_eq!(billing_period(month), billing_period(moment) + 1);
        prop_assert_eq!(billing_period(month - just_before), billing_period(moment));
        let day = next_utc_day(moment).unwrap();
        prop_assert!(day > moment);
        prop_assert_eq!(utc_day(day), utc_day(moment) + 1);
        prop_assert_eq!(utc_day(day - just_before), utc_day(moment));
    }
}
