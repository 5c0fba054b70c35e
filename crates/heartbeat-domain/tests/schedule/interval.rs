//! Intervals: elapsed minutes, and calendar days.

use heartbeat_domain::schedule::{Due, Schedule};
use jiff::civil::time;

use crate::support::{always, at, every, fires, local, window, zone};

fn first(schedule: &Schedule, enabled_at: &str) -> String {
    local(
        schedule.first_due(at(enabled_at)).expect("a first fire").at,
        &schedule.zone,
    )
}

#[test]
fn an_interval_is_one_minute_to_366_days() {
    for minutes in [1, 30, 1_440, 527_040] {
        assert!(
            Schedule::interval(minutes, always(), zone("UTC")).is_ok(),
            "{minutes}"
        );
    }
    for minutes in [0, 527_041, u32::MAX] {
        let violation = Schedule::interval(minutes, always(), zone("UTC")).unwrap_err();
        assert_eq!(violation.field, "interval_minutes");
        assert!(violation.message.contains("1 to 527040"), "{violation}");
    }
}

#[test]
fn every_thirty_minutes_has_neither_hole_nor_double_when_new_york_changes_its_clock() {
    let schedule = every(30, always(), "America/New_York");
    assert_eq!(
        fires(&schedule, "2026-03-08 01:15-05:00", 3),
        [
            "2026-03-08 01:45-05:00",
            "2026-03-08 03:15-04:00",
            "2026-03-08 03:45-04:00"
        ]
    );
    assert_eq!(
        fires(&schedule, "2026-11-01 01:00-04:00", 4),
        [
            "2026-11-01 01:30-04:00",
            "2026-11-01 01:00-05:00",
            "2026-11-01 01:30-05:00",
            "2026-11-01 02:00-05:00"
        ]
    );
}

#[test]
fn ninety_minutes_cross_midnight_without_starting_anew() {
    let schedule = every(90, always(), "Asia/Kolkata");
    assert_eq!(
        fires(&schedule, "2026-05-01 22:45+05:30", 2),
        ["2026-05-02 00:15+05:30", "2026-05-02 01:45+05:30"]
    );
}

#[test]
fn a_grid_that_leaves_the_window_goes_on_from_the_next_opening() {
    let schedule = every(45, window("09:00-17:00", "1-5"), "Europe/Lisbon");
    assert_eq!(
        fires(&schedule, "2026-06-05 15:40+01:00", 3),
        [
            "2026-06-05 16:25+01:00",
            "2026-06-08 09:00+01:00",
            "2026-06-08 09:45+01:00"
        ]
    );
}

#[test]
fn a_long_step_lands_inside_a_later_opening_or_waits_for_one() {
    let schedule = every(1_000, window("09:00-17:00", ""), "UTC");
    assert_eq!(
        fires(&schedule, "2026-06-01 16:00Z", 3),
        [
            "2026-06-02 09:00+00:00",
            "2026-06-03 09:00+00:00",
            "2026-06-04 09:00+00:00"
        ]
    );
    assert_eq!(
        fires(&schedule, "2026-06-01 16:30Z", 1),
        ["2026-06-02 09:10+00:00"]
    );
}

#[test]
fn a_window_that_opens_in_a_gap_opens_with_the_change() {
    let schedule = every(60, window("02:30-05:00", ""), "America/New_York");
    assert_eq!(
        fires(&schedule, "2026-03-07 04:30-05:00", 2),
        ["2026-03-08 03:00-04:00", "2026-03-08 04:00-04:00"]
    );
}

#[test]
fn a_window_within_the_repeated_hour_opens_twice() {
    let schedule = every(20, window("01:30-02:00", ""), "America/New_York");
    assert_eq!(
        fires(&schedule, "2026-11-01 01:30-04:00", 4),
        [
            "2026-11-01 01:50-04:00",
            "2026-11-01 01:30-05:00",
            "2026-11-01 01:50-05:00",
            "2026-11-02 01:30-05:00"
        ]
    );
}

#[test]
fn enabled_inside_the_window_the_first_fire_is_one_interval_later() {
    let schedule = every(30, window("09:00-17:00", "1-5"), "Europe/Berlin");
    assert_eq!(
        first(&schedule, "2026-06-03T10:07:42.9+02:00"),
        "2026-06-03 10:37+02:00"
    );
    assert_eq!(
        first(&schedule, "2026-06-03T16:40:00+02:00"),
        "2026-06-04 09:00+02:00"
    );
    assert_eq!(
        first(&schedule, "2026-06-05T09:00:00+02:00"),
        "2026-06-05 09:30+02:00"
    );
    let due = schedule
        .first_due(at("2026-06-03T10:07:42.9+02:00"))
        .unwrap();
    assert_eq!(due.at, at("2026-06-03T10:37:42+02:00"), "whole seconds");
}

#[test]
fn enabled_outside_the_window_the_first_fire_is_its_opening() {
    let schedule = every(30, window("09:00-17:00", "1-5"), "Europe/Berlin");
    assert_eq!(
        first(&schedule, "2026-06-05T17:00:00.5+02:00"),
        "2026-06-08 09:00+02:00"
    );
    assert_eq!(
        first(&schedule, "2026-06-03T08:59:59.9+02:00"),
        "2026-06-03 09:00+02:00"
    );
    let daily = every(1_440, window("09:00-17:00", "1-5"), "Europe/Berlin");
    let due = daily.first_due(at("2026-06-06T11:11:11+02:00")).unwrap();
    assert_eq!(
        due,
        Due {
            at: at("2026-06-08T09:00:00+02:00"),
            anchor: time(9, 0, 0, 0)
        }
    );
}

#[test]
fn a_day_keeps_its_time_of_day_in_berlin_over_weekends_and_the_whole_year() {
    let schedule = every(1_440, window("", "1-5"), "Europe/Berlin");
    let fires = fires(&schedule, "2026-01-02 09:15+01:00", 261);
    assert_eq!(fires[0], "2026-01-05 09:15+01:00", "Friday to Monday");
    assert!(
        fires.iter().all(|fire| fire.contains(" 09:15+0")),
        "{fires:?}"
    );
    assert_eq!(fires[260], "2027-01-04 09:15+01:00", "261 weekdays");
    let hours = every(1_440, window("09:00-17:00", "1-5"), "Europe/Berlin");
    assert_eq!(self::fires(&hours, "2026-01-02 09:15+01:00", 261), fires);
}

#[test]
fn days_are_counted_on_the_calendar() {
    let schedule = every(2 * 1_440, always(), "America/New_York");
    assert_eq!(
        fires(&schedule, "2026-03-07 12:00-05:00", 2),
        ["2026-03-09 12:00-04:00", "2026-03-11 12:00-04:00"]
    );
    // Three days on is a Saturday, so the next weekday, and the count goes on from there.
    let weekdays = every(3 * 1_440, window("", "1-5"), "UTC");
    assert_eq!(
        fires(&weekdays, "2026-06-03 10:00Z", 2),
        ["2026-06-08 10:00+00:00", "2026-06-11 10:00+00:00"]
    );
}

#[test]
fn in_a_gap_a_day_fires_with_the_change_and_returns_to_its_anchor() {
    let cases = [
        (
            "America/New_York",
            "2026-03-07 02:30-05:00",
            "2026-03-08 03:00-04:00",
            "02:30-04:00",
        ),
        (
            "Europe/Berlin",
            "2026-03-28 02:30+01:00",
            "2026-03-29 03:00+02:00",
            "02:30+02:00",
        ),
        (
            "Africa/Cairo",
            "2026-04-23 00:20+02:00",
            "2026-04-24 01:00+03:00",
            "00:20+03:00",
        ),
        (
            "America/Havana",
            "2026-03-07 00:00-05:00",
            "2026-03-08 01:00-04:00",
            "00:00-04:00",
        ),
        (
            "America/Santiago",
            "2026-09-05 00:30-04:00",
            "2026-09-06 01:00-03:00",
            "00:30-03:00",
        ),
        (
            "Asia/Beirut",
            "2026-03-28 00:59+02:00",
            "2026-03-29 01:00+03:00",
            "00:59+03:00",
        ),
        (
            "Australia/Lord_Howe",
            "2026-10-03 02:10+10:30",
            "2026-10-04 02:30+11:00",
            "02:10+11:00",
        ),
    ];
    for (zone_name, from, in_gap, after) in cases {
        let fires = fires(&every(1_440, always(), zone_name), from, 3);
        assert_eq!(fires[0], in_gap, "{zone_name}");
        assert!(fires[1].ends_with(after), "{zone_name}: {fires:?}");
        assert!(fires[2].ends_with(after), "{zone_name}: {fires:?}");
    }
}

#[test]
fn in_an_overlap_a_day_fires_at_the_first_of_the_two() {
    let cases = [
        (
            "America/New_York",
            "2026-10-31 01:30-04:00",
            "2026-11-01 01:30-04:00",
            "01:30-05:00",
        ),
        (
            "America/Havana",
            "2026-10-31 00:30-04:00",
            "2026-11-01 00:30-04:00",
            "00:30-05:00",
        ),
        (
            "America/Santiago",
            "2026-04-03 23:30-03:00",
            "2026-04-04 23:30-03:00",
            "23:30-04:00",
        ),
        (
            "Asia/Beirut",
            "2026-10-23 23:10+03:00",
            "2026-10-24 23:10+03:00",
            "23:10+02:00",
        ),
        (
            "Africa/Cairo",
            "2026-10-28 23:10+03:00",
            "2026-10-29 23:10+03:00",
            "23:10+02:00",
        ),
        (
            "Australia/Lord_Howe",
            "2026-04-04 01:45+11:00",
            "2026-04-05 01:45+11:00",
            "01:45+10:30",
        ),
    ];
    for (zone_name, from, twice, after) in cases {
        let fires = fires(&every(1_440, always(), zone_name), from, 2);
        assert_eq!(fires[0], twice, "{zone_name}");
        assert!(fires[1].ends_with(after), "{zone_name}: {fires:?}");
    }
}

#[test]
fn the_day_that_apia_skipped_has_no_fire_of_its_own() {
    let schedule = every(1_440, always(), "Pacific/Apia");
    assert_eq!(
        fires(&schedule, "2011-12-28 09:00-10:00", 4),
        [
            "2011-12-29 09:00-10:00",
            "2011-12-31 00:00+14:00",
            "2012-01-01 09:00+14:00",
            "2012-01-02 09:00+14:00"
        ]
    );
    let fridays = every(7 * 1_440, window("", "5"), "Pacific/Apia");
    assert_eq!(
        fires(&fridays, "2011-12-23 09:00-10:00", 1),
        ["2012-01-06 09:00+14:00"]
    );
}

#[test]
fn a_time_of_day_that_is_never_inside_becomes_that_of_the_next_opening() {
    let schedule = every(1_440, window("09:00-17:00", ""), "Europe/Berlin");
    assert_eq!(
        fires(&schedule, "2026-06-01 08:00+02:00", 2),
        ["2026-06-02 09:00+02:00", "2026-06-03 09:00+02:00"]
    );
    assert_eq!(
        fires(&schedule, "2026-06-01 20:00+02:00", 1),
        ["2026-06-03 09:00+02:00"]
    );
    let before = Due {
        at: at("2026-06-01 08:00+02:00"),
        anchor: time(8, 0, 0, 0),
    };
    assert_eq!(schedule.next_due(&before).unwrap().anchor, time(9, 0, 0, 0));
}

#[test]
fn a_gap_does_not_move_a_daily_fire_out_of_its_window_for_good() {
    // On the gap day 02:15 would be 03:00, which is outside.
    let schedule = every(1_440, window("02:00-02:30", ""), "America/New_York");
    assert_eq!(
        fires(&schedule, "2026-03-07 02:15-05:00", 2),
        ["2026-03-09 02:15-04:00", "2026-03-10 02:15-04:00"]
    );
    let sundays = every(1_440, window("02:00-02:30", "7"), "America/New_York");
    assert_eq!(
        fires(&sundays, "2026-03-01 02:15-05:00", 1),
        ["2026-03-15 02:15-04:00"]
    );
}

#[test]
fn a_daily_fire_in_an_overnight_window_belongs_to_the_evening_before() {
    let schedule = every(1_440, window("22:00-06:00", "5"), "Europe/Berlin");
    // Friday night lasts until Saturday morning.
    assert_eq!(
        fires(&schedule, "2026-03-21 02:30+01:00", 2),
        ["2026-03-28 02:30+01:00", "2026-04-04 02:30+02:00"]
    );
    assert_eq!(
        fires(&schedule, "2026-03-27 23:00+01:00", 1),
        ["2026-04-03 23:00+02:00"]
    );
}

#[test]
fn nothing_comes_after_the_end_of_the_calendar() {
    for minutes in [1, 1_440, 527_040] {
        for window in [always(), window("09:00-10:00", "3")] {
            let schedule = every(minutes, window, "Asia/Tokyo");
            assert_eq!(schedule.first_due(jiff::Timestamp::MAX), None);
            assert!(schedule.preview(at("9999-12-29T00:00:00Z"), 5_000).len() < 3_000);
        }
    }
}
