//! The active window: what it may say, and what is inside.

use heartbeat_domain::violation::{Rule, Violation};
use heartbeat_domain::window::ActiveWindow;

use crate::support::{always, at, local, window, zone};

#[test]
fn hours_and_days_are_read() {
    let same = |a: ActiveWindow, b: ActiveWindow| assert_eq!(a, b);
    same(window("00:00-24:00", ""), always());
    same(window("", "1-7"), always());
    same(window("", "1,2,3,4,5"), window("", "1-5"));
    same(window("", "1-3, 5"), window("", "1,2,3,5"));
    same(window("22:00-00:00", "3"), window("22:00-24:00", "3"));
    let half = |start, end| ActiveWindow::parse(start, end, None).unwrap();
    same(half(Some("09:00"), None), window("09:00-24:00", ""));
    same(half(None, Some("17:00")), window("00:00-17:00", ""));
    assert!(always().is_unrestricted());
    assert!(!window("", "1-6").is_unrestricted());
}

#[test]
fn a_wrong_window_is_refused_with_its_field_and_what_was_expected() {
    let parse = |start, end, days| -> Violation {
        let violation = ActiveWindow::parse(start, end, days).unwrap_err();
        assert_eq!(violation.rule, Rule::Input);
        violation
    };
    for text in [
        "9:00", "09:60", "25:00", "24:01", "09", "", "09:00:00", "ab:cd", " 09:00", "-9:00",
    ] {
        let start = parse(Some(text), None, None);
        assert_eq!(start.field, "active_hours_start", "{text}");
        assert!(start.message.contains("HH:MM"), "{start}");
        assert_eq!(
            parse(None, Some(text), None).field,
            "active_hours_end",
            "{text}"
        );
    }
    assert_eq!(parse(Some("24:00"), None, None).field, "active_hours_start");
    assert_eq!(
        parse(Some("09:00"), Some("09:00"), None).field,
        "active_hours_end"
    );
    assert_eq!(parse(None, Some("00:00"), None).field, "active_hours_end");
    for text in ["0", "8", "1-8", "", "1,", "mon", "1-", "1-2-3", "11", "+1"] {
        let days = parse(None, None, Some(text));
        assert_eq!(days.field, "active_days", "{text}");
        assert!(days.message.contains("1 (Monday) to 7 (Sunday)"), "{days}");
    }
    assert!(parse(None, None, Some("6-2")).message.contains("6-7,1-2"));
}

#[test]
fn membership_is_a_matter_of_local_time() {
    let office = window("09:00-17:00", "1-5");
    let inside = |text: &str| office.contains(at(text), &zone("Europe/Berlin"));
    assert!(inside("2026-06-01T09:00:00+02:00"));
    assert!(inside("2026-06-01T16:59:59.999+02:00"));
    assert!(!inside("2026-06-01T08:59:59.999+02:00"));
    assert!(!inside("2026-06-01T17:00:00+02:00"));
    assert!(!inside("2026-06-06T12:00:00+02:00"), "a Saturday");
    assert!(inside("2026-06-01T07:00:00Z"));
}

#[test]
fn an_overnight_window_belongs_to_the_day_on_which_it_starts() {
    let friday_night = window("22:00-06:00", "5");
    let inside = |text: &str| friday_night.contains(at(text), &zone("UTC"));
    assert!(inside("2026-06-05T22:00:00Z"));
    assert!(inside("2026-06-06T05:59:59Z"));
    assert!(!inside("2026-06-06T06:00:00Z"));
    assert!(!inside("2026-06-06T22:00:00Z"), "Saturday night");
    assert!(!inside("2026-06-05T05:00:00Z"), "the end of Thursday night");
}

#[test]
fn an_overnight_window_is_as_long_as_the_night() {
    let night = window("22:00-06:00", "");
    let zone = zone("Europe/Berlin");
    let open_minutes = |evening: &str| {
        (0..14 * 60)
            .map(|minute| at(evening) + jiff::SignedDuration::from_mins(minute))
            .filter(|at| night.contains(*at, &zone))
            .count()
    };
    assert_eq!(
        open_minutes("2026-03-28 20:00+01:00"),
        7 * 60,
        "the short night"
    );
    assert_eq!(
        open_minutes("2026-10-24 20:00+02:00"),
        9 * 60,
        "the long night"
    );
    assert_eq!(open_minutes("2026-06-01 20:00+02:00"), 8 * 60);
}

#[test]
fn the_next_opening_is_the_first_instant_inside() {
    let cases = [
        (
            "09:00-17:00",
            "1-5",
            "2026-06-05 17:00+02:00",
            "2026-06-08 09:00+02:00",
        ),
        (
            "09:00-17:00",
            "1-5",
            "2026-06-05 12:00+02:00",
            "2026-06-05 12:00+02:00",
        ),
        (
            "22:00-06:00",
            "5",
            "2026-06-06 06:00+02:00",
            "2026-06-12 22:00+02:00",
        ),
        ("", "6", "2026-06-01 00:00+02:00", "2026-06-06 00:00+02:00"),
        // In the gap, with the change.
        (
            "02:30-05:00",
            "",
            "2026-03-29 01:00+01:00",
            "2026-03-29 03:00+02:00",
        ),
        // A window that lies within the gap has no opening on that day.
        (
            "02:00-03:00",
            "",
            "2026-03-29 01:00+01:00",
            "2026-03-30 02:00+02:00",
        ),
        // The second of the two passes.
        (
            "02:00-02:30",
            "",
            "2026-10-25 02:30+02:00",
            "2026-10-25 02:00+01:00",
        ),
    ];
    for (hours, days, from, expected) in cases {
        let zone = zone("Europe/Berlin");
        let opening = window(hours, days).next_opening(at(from), &zone).unwrap();
        assert_eq!(
            local(opening, &zone),
            expected,
            "{hours} {days} from {from}"
        );
    }
    let just_before = at("2026-06-01T08:59:59.5+02:00");
    let opening = window("09:00-17:00", "").next_opening(just_before, &zone("Europe/Berlin"));
    assert_eq!(opening, Some(at("2026-06-01T09:00:00+02:00")));
}

#[test]
fn a_window_of_days_skips_the_day_that_apia_skipped() {
    let fridays = window("", "5");
    let apia = zone("Pacific/Apia");
    let opening = fridays
        .next_opening(at("2011-12-29 12:00-10:00"), &apia)
        .unwrap();
    assert_eq!(local(opening, &apia), "2012-01-06 00:00+14:00");
}
