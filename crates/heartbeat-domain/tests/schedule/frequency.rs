//! How often a schedule may fire.

use heartbeat_domain::schedule::Schedule;
use heartbeat_domain::violation::Rule;

use crate::support::{always, at, cron, every, window};

fn allowed(schedule: &Schedule, minimum_minutes: u32) -> bool {
    schedule
        .check_frequency(minimum_minutes, at("2026-02-14T10:30:00Z"))
        .is_ok()
}

#[track_caller]
fn assert_closest(schedule: &Schedule, minutes: u32) {
    assert!(
        allowed(schedule, minutes),
        "{schedule:?} is closer than {minutes}"
    );
    assert!(
        !allowed(schedule, minutes + 1),
        "{schedule:?} is not as close as {minutes}"
    );
}

#[test]
fn patterns_are_as_frequent_as_their_closest_fires() {
    let cases = [
        ("* * * * *", 1),
        ("*/7 * * * *", 4),
        ("0,5 * * * *", 5),
        ("0,59 0,23 * * *", 1),
        ("0,30 9 * * *", 30),
        ("0 * * * *", 60),
        ("0 9-17 * * *", 60),
        ("0 0,9 * * *", 540),
        ("0 2 * * *", 1_440),
        ("30 1 * * *", 1_440),
        ("0 9 * * 1,5", 3 * 1_440),
        ("0 9 1 * *", 30 * 1_440),
        ("0 0 31 12 *", u32::MAX - 1),
    ];
    for (pattern, minutes) in cases {
        for zone_name in ["America/New_York", "Australia/Lord_Howe", "UTC"] {
            let schedule = cron(pattern, always(), zone_name);
            if minutes > 366 * 1_440 {
                assert!(
                    allowed(&schedule, u32::MAX),
                    "one fire a year has no distance"
                );
            } else {
                assert_closest(&schedule, minutes);
            }
        }
    }
}

#[test]
fn intervals_are_as_frequent_as_they_say() {
    for minutes in [1, 5, 45, 1_440, 10_080] {
        assert_closest(&every(minutes, always(), "Europe/Berlin"), minutes);
        assert!(allowed(
            &every(minutes, window("09:00-17:00", ""), "Europe/Berlin"),
            minutes
        ));
    }
    assert_closest(&every(5, window("09:00-17:00", ""), "Europe/Berlin"), 5);
}

#[test]
fn a_window_spaces_fires_out() {
    let once_a_day = every(5, window("09:00-09:05", ""), "Europe/Berlin");
    assert_closest(&once_a_day, 1_440);
    assert_closest(
        &cron("*/5 * * * *", window("09:00-09:05", "1"), "UTC"),
        7 * 1_440,
    );
}

#[test]
fn a_refusal_names_the_field_what_was_found_and_the_minimum() {
    let from = at("2026-02-14T10:30:00Z");
    let violation = every(5, always(), "UTC")
        .check_frequency(15, from)
        .unwrap_err();
    assert_eq!(
        (violation.field, violation.rule),
        ("interval_minutes", Rule::Frequency)
    );
    assert!(violation.message.contains("5 minutes apart"), "{violation}");
    assert!(violation.message.contains("15 minutes"), "{violation}");
    let schedule = cron("0,59 0,23 * * *", always(), "UTC");
    let violation = schedule.check_frequency(15, from).unwrap_err();
    assert_eq!(
        (violation.field, violation.rule),
        ("cron_pattern", Rule::Frequency)
    );
    assert!(violation.message.contains("1 minute apart"), "{violation}");
}

#[test]
fn the_end_of_the_calendar_is_no_obstacle() {
    for from in [jiff::Timestamp::MIN, jiff::Timestamp::MAX] {
        let schedule = cron("*/5 * * * *", always(), "Asia/Tokyo");
        let _ = schedule.check_frequency(15, from);
        let _ = every(5, window("09:00-10:00", ""), "Asia/Tokyo").check_frequency(15, from);
    }
}
