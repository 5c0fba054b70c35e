//! What has passed since an unaccounted due time.

use heartbeat_domain::schedule::{Advance, Due, Passed, Schedule};
use jiff::Timestamp;
use jiff::civil::{Time, time};

use crate::support::{always, at, cron, every, window};

fn due(text: &str) -> Due {
    Due {
        at: at(text),
        anchor: Time::midnight(),
    }
}

/// The same by asking for one value after the other.
pub(crate) fn by_iterating(schedule: &Schedule, next: &Due, now: Timestamp) -> Advance {
    let mut ahead = std::iter::successors(Some(*next), |due| schedule.next_due(due));
    let mut passed: Option<Passed> = None;
    let next = ahead.find(|due| {
        if due.at <= now {
            passed = Some(match passed {
                None => Passed {
                    first: due.at,
                    latest: *due,
                    count: 1,
                    before_latest: None,
                },
                Some(run) => Passed {
                    latest: *due,
                    count: run.count + 1,
                    before_latest: Some(run.latest.at),
                    ..run
                },
            });
        }
        due.at > now
    });
    Advance { passed, next }
}

#[test]
fn nothing_has_passed_before_the_due_time() {
    let next = due("2026-06-01T09:00:00Z");
    for schedule in [
        every(30, always(), "UTC"),
        cron("0 9 * * *", always(), "UTC"),
    ] {
        let advance = schedule.advance(&next, at("2026-06-01T08:59:59.999Z"));
        assert_eq!(
            advance,
            Advance {
                passed: None,
                next: Some(next)
            }
        );
    }
}

#[test]
fn at_the_due_time_one_has_passed() {
    let next = due("2026-06-01T09:00:00Z");
    let advance = every(30, always(), "UTC").advance(&next, next.at);
    let passed = Passed {
        first: next.at,
        latest: next,
        count: 1,
        before_latest: None,
    };
    assert_eq!(advance.passed, Some(passed));
    assert_eq!(advance.next, Some(due("2026-06-01T09:30:00Z")));
}

#[test]
fn after_a_pause_the_run_is_told_by_its_ends() {
    let next = due("2026-06-01T09:00:00Z");
    let advance = every(30, always(), "UTC").advance(&next, at("2026-06-01T11:29:59.999Z"));
    let passed = advance.passed.unwrap();
    assert_eq!(passed.count, 5);
    assert_eq!(passed.latest, due("2026-06-01T11:00:00Z"));
    assert_eq!(passed.before_latest, Some(at("2026-06-01T10:30:00Z")));
    assert_eq!(advance.next, Some(due("2026-06-01T11:30:00Z")));
}

#[test]
fn a_year_of_downtime_is_counted_exactly() {
    let next = due("2026-01-01T00:00:00Z");
    let now = at("2027-01-01T00:00:00Z");
    let minutes = 365 * 1_440;
    for schedule in [
        every(1, always(), "Europe/Berlin"),
        cron("* * * * *", always(), "Europe/Berlin"),
    ] {
        let advance = schedule.advance(&next, now);
        let passed = advance.passed.unwrap();
        assert_eq!(passed.count, minutes + 1);
        assert_eq!(passed.latest.at, now);
        assert_eq!(passed.before_latest, Some(at("2026-12-31T23:59:00Z")));
        assert_eq!(advance.next, Some(due("2027-01-01T00:01:00Z")));
    }
}

#[test]
fn counting_agrees_with_iterating_over_a_year() {
    let now = at("2027-02-03T04:05:06.789Z");
    let first = Due {
        at: at("2026-01-05T10:00:00Z"),
        anchor: time(10, 0, 0, 0),
    };
    let windows = [
        always(),
        window("09:00-17:00", "1-5"),
        window("22:00-06:30", "5,7"),
        window("", "6-7"),
        window("01:30-02:45", ""),
    ];
    for window in windows {
        for zone_name in [
            "UTC",
            "America/New_York",
            "Australia/Lord_Howe",
            "Africa/Cairo",
        ] {
            for minutes in [7, 30, 601, 1_440, 4_320] {
                let schedule = every(minutes, window, zone_name);
                let expected = by_iterating(&schedule, &first, now);
                assert_eq!(
                    schedule.advance(&first, now),
                    expected,
                    "{minutes} {schedule:?}"
                );
            }
            for pattern in ["*/20 * * * *", "5,35 2 * * *", "0 1-3 * * mon", "0 0 1 * *"] {
                let Ok(schedule) =
                    Schedule::cron(pattern, window, crate::support::zone(zone_name), now)
                else {
                    continue;
                };
                let expected = by_iterating(&schedule, &first, now);
                assert_eq!(
                    schedule.advance(&first, now),
                    expected,
                    "{pattern} {schedule:?}"
                );
            }
        }
    }
}
