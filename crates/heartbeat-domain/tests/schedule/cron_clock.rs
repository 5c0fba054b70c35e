//! Patterns where clocks change.

use crate::support::{always, at, cron, fires, window};

#[track_caller]
fn assert_fires(pattern: &str, zone_name: &str, from: &str, expected: &[&str]) {
    let schedule = cron(pattern, always(), zone_name);
    assert_eq!(
        fires(&schedule, from, expected.len()),
        expected,
        "{pattern} in {zone_name}"
    );
}

#[test]
fn half_past_two_in_new_york_is_three_on_the_gap_day_and_half_past_two_the_next() {
    assert_fires(
        "30 2 * * *",
        "America/New_York",
        "2026-03-07 00:00-05:00",
        &[
            "2026-03-07 02:30-05:00",
            "2026-03-08 03:00-04:00",
            "2026-03-09 02:30-04:00",
        ],
    );
}

#[test]
fn every_half_hour_has_neither_hole_nor_double() {
    assert_fires(
        "*/30 * * * *",
        "America/New_York",
        "2026-11-01 00:30-04:00",
        &[
            "2026-11-01 01:00-04:00",
            "2026-11-01 01:30-04:00",
            "2026-11-01 01:00-05:00",
            "2026-11-01 01:30-05:00",
            "2026-11-01 02:00-05:00",
        ],
    );
    assert_fires(
        "*/30 * * * *",
        "America/New_York",
        "2026-03-08 01:00-05:00",
        &[
            "2026-03-08 01:30-05:00",
            "2026-03-08 03:00-04:00",
            "2026-03-08 03:30-04:00",
        ],
    );
}

#[test]
fn a_list_of_minutes_at_a_fixed_hour_fires_once_each_in_the_repeated_hour() {
    assert_fires(
        "0,30 1 * * *",
        "America/New_York",
        "2026-10-31 12:00-04:00",
        &[
            "2026-11-01 01:00-04:00",
            "2026-11-01 01:30-04:00",
            "2026-11-02 01:00-05:00",
        ],
    );
    // From within the second pass, too.
    assert_fires(
        "0,30 1 * * *",
        "America/New_York",
        "2026-11-01 01:10-05:00",
        &["2026-11-02 01:00-05:00"],
    );
}

#[test]
fn a_range_of_hours_is_recurring_and_a_list_is_fixed() {
    let night = "2026-11-01 00:30-04:00";
    let twice = &[
        "2026-11-01 01:00-04:00",
        "2026-11-01 01:00-05:00",
        "2026-11-01 02:00-05:00",
    ];
    for pattern in [
        "0 1-2 * * *",
        "0 */1 * * *",
        "0 1/1 * * *",
        "0 1,2-2 * * *",
        "0 1-2/1 * * *",
    ] {
        assert_fires(pattern, "America/New_York", night, twice);
    }
    let once = &[
        "2026-11-01 01:00-04:00",
        "2026-11-01 02:00-05:00",
        "2026-11-02 01:00-05:00",
    ];
    assert_fires("0 1,2 * * *", "America/New_York", night, once);
}

#[test]
fn a_recurring_hour_has_nothing_in_a_gap_and_a_fixed_one_fires_after_it() {
    let night = "2026-03-08 01:59-05:00";
    assert_fires(
        "15 1-3 * * *",
        "America/New_York",
        night,
        &["2026-03-08 03:15-04:00"],
    );
    assert_fires(
        "15 1,2,3 * * *",
        "America/New_York",
        night,
        &[
            "2026-03-08 03:00-04:00",
            "2026-03-08 03:15-04:00",
            "2026-03-09 01:15-04:00",
        ],
    );
}

#[test]
fn matches_that_land_on_one_instant_are_one_fire() {
    assert_fires(
        "*/10 2,3 * * *",
        "America/New_York",
        "2026-03-07 22:00-05:00",
        &["2026-03-08 03:00-04:00", "2026-03-08 03:10-04:00"],
    );
    assert_fires(
        "5,35 2 * * sun",
        "America/New_York",
        "2026-03-07 22:00-05:00",
        &[
            "2026-03-08 03:00-04:00",
            "2026-03-15 02:05-04:00",
            "2026-03-15 02:35-04:00",
        ],
    );
}

#[test]
fn midnight_that_does_not_exist_is_one_in_the_morning() {
    let cases = [
        (
            "Africa/Cairo",
            "2026-04-23 12:00+02:00",
            "2026-04-24 01:00+03:00",
        ),
        (
            "America/Havana",
            "2026-03-07 12:00-05:00",
            "2026-03-08 01:00-04:00",
        ),
        (
            "America/Santiago",
            "2026-09-05 12:00-04:00",
            "2026-09-06 01:00-03:00",
        ),
        (
            "Asia/Beirut",
            "2026-03-28 12:00+02:00",
            "2026-03-29 01:00+03:00",
        ),
    ];
    for (zone_name, from, expected) in cases {
        assert_fires("@daily", zone_name, from, &[expected]);
        assert_fires("@midnight", zone_name, from, &[expected]);
    }
}

#[test]
fn midnight_that_comes_twice_fires_once() {
    assert_fires(
        "0 0 * * *",
        "America/Havana",
        "2026-10-31 12:00-04:00",
        &["2026-11-01 00:00-04:00", "2026-11-02 00:00-05:00"],
    );
    // The repeated hour ends at midnight, so midnight itself comes once.
    assert_fires(
        "0 0 * * *",
        "America/Santiago",
        "2026-04-04 12:00-03:00",
        &["2026-04-05 00:00-04:00", "2026-04-06 00:00-04:00"],
    );
    assert_fires(
        "30 23 * * *",
        "Asia/Beirut",
        "2026-10-24 12:00+03:00",
        &["2026-10-24 23:30+03:00", "2026-10-25 23:30+02:00"],
    );
}

#[test]
fn lord_howe_changes_by_half_an_hour() {
    assert_fires(
        "*/15 * * * *",
        "Australia/Lord_Howe",
        "2026-10-04 01:40+10:30",
        &[
            "2026-10-04 01:45+10:30",
            "2026-10-04 02:30+11:00",
            "2026-10-04 02:45+11:00",
        ],
    );
    assert_fires(
        "10 2 * * *",
        "Australia/Lord_Howe",
        "2026-10-03 12:00+10:30",
        &["2026-10-04 02:30+11:00", "2026-10-05 02:10+11:00"],
    );
    assert_fires(
        "45 * * * *",
        "Australia/Lord_Howe",
        "2026-04-05 01:00+11:00",
        &[
            "2026-04-05 01:45+11:00",
            "2026-04-05 01:45+10:30",
            "2026-04-05 02:45+10:30",
        ],
    );
    assert_fires(
        "45 1 * * *",
        "Australia/Lord_Howe",
        "2026-04-05 01:00+11:00",
        &["2026-04-05 01:45+11:00", "2026-04-06 01:45+10:30"],
    );
}

#[test]
fn apia_went_from_thursday_to_saturday() {
    let from = "2011-12-29 08:00-10:00";
    assert_fires(
        "0 9 * * *",
        "Pacific/Apia",
        from,
        &[
            "2011-12-29 09:00-10:00",
            "2011-12-31 00:00+14:00",
            "2011-12-31 09:00+14:00",
        ],
    );
    assert_fires(
        "0 */12 * * *",
        "Pacific/Apia",
        from,
        &[
            "2011-12-29 12:00-10:00",
            "2011-12-31 00:00+14:00",
            "2011-12-31 12:00+14:00",
        ],
    );
    assert_fires(
        "0 9 30 12 *",
        "Pacific/Apia",
        from,
        &["2011-12-31 00:00+14:00"],
    );
    assert_fires(
        "0 9-17 30 12 *",
        "Pacific/Apia",
        from,
        &["2012-12-30 09:00+14:00"],
    );
}

#[test]
fn with_a_window_fires_outside_it_do_not_exist() {
    let schedule = cron(
        "*/20 * * * *",
        window("09:00-10:00", "1-5"),
        "Europe/Berlin",
    );
    assert_eq!(
        fires(&schedule, "2026-06-05 09:20+02:00", 3),
        [
            "2026-06-05 09:40+02:00",
            "2026-06-08 09:00+02:00",
            "2026-06-08 09:20+02:00"
        ]
    );
    // 02:30 is 03:00 on the gap day, which is outside.
    let early = cron("30 2 * * *", window("02:00-03:00", ""), "America/New_York");
    assert_eq!(
        fires(&early, "2026-03-07 01:00-05:00", 2),
        ["2026-03-07 02:30-05:00", "2026-03-09 02:30-04:00"]
    );
    let overnight = cron("0 1 * * *", window("22:00-06:00", "6"), "UTC");
    assert_eq!(
        fires(&overnight, "2026-06-01 00:00Z", 1),
        ["2026-06-07 01:00+00:00"]
    );
}

#[test]
fn the_first_fire_is_later_than_the_moment_of_enabling() {
    let schedule = cron("0 9 * * *", always(), "Europe/Berlin");
    let first = |text| schedule.first_due(at(text)).unwrap().at;
    assert_eq!(
        first("2026-06-01T08:59:59.999+02:00"),
        at("2026-06-01T09:00:00+02:00")
    );
    assert_eq!(
        first("2026-06-01T09:00:00+02:00"),
        at("2026-06-02T09:00:00+02:00")
    );
}

#[test]
fn rare_patterns_are_found_however_far() {
    let leap = cron("0 0 29 2 *", always(), "UTC");
    assert_eq!(
        fires(&leap, "2096-02-29 00:00Z", 2),
        ["2104-02-29 00:00+00:00", "2108-02-29 00:00+00:00"]
    );
    // A 29 February on a Monday comes every 28 years.
    let monday = heartbeat_domain::schedule::Schedule::cron(
        "0 0 29 2 */7,1",
        window("", "1"),
        crate::support::zone("UTC"),
        at("2043-01-01T00:00:00Z"),
    );
    let monday = monday.unwrap();
    let expected = ["2044-02-29 00:00+00:00", "2072-02-29 00:00+00:00"];
    assert_eq!(fires(&monday, "2043-01-01 00:00Z", 2), expected);
}
