//! Laws that hold for every schedule, in every zone, at any time.

use heartbeat_domain::schedule::{Due, Schedule, parse_zone};
use heartbeat_domain::window::ActiveWindow;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::advance::by_iterating;

pub(crate) const ZONES: [&str; 14] = [
    "UTC",
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Havana",
    "America/New_York",
    "America/Santiago",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/Dublin",
    "Pacific/Apia",
];

pub(crate) fn zones() -> impl Strategy<Value = TimeZone> {
    prop::sample::select(&ZONES[..]).prop_map(|name| parse_zone(name).expect(name))
}

/// Instants near clock changes as often as not.
pub(crate) fn instants(zone: TimeZone) -> impl Strategy<Value = Timestamp> {
    (
        1_000_000_000..2_500_000_000_i64,
        any::<bool>(),
        -200_000..200_000_i64,
    )
        .prop_map(move |(second, near_a_change, distance)| {
            let at = Timestamp::from_second(second).expect("this century");
            let change = zone.following(at).next().filter(|_| near_a_change);
            change.map_or(at, |change| {
                change.timestamp() + SignedDuration::from_secs(distance)
            })
        })
}

pub(crate) fn windows() -> impl Strategy<Value = ActiveWindow> {
    let hours = (0..1_440_u32, 1..1_441_u32).prop_filter("not empty", |(a, b)| a != b);
    (prop::option::of(hours), prop::option::of(1..128_u8)).prop_map(|(hours, days)| {
        let text = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
        let days = days.map(|days| {
            let days = (1..=7).filter(|day| days >> (day - 1) & 1 == 1);
            days.map(|day| day.to_string())
                .collect::<Vec<_>>()
                .join(",")
        });
        let (start, end) = (hours.map(|(a, _)| text(a)), hours.map(|(_, b)| text(b)));
        ActiveWindow::parse(start.as_deref(), end.as_deref(), days.as_deref()).expect("valid")
    })
}

fn intervals() -> impl Strategy<Value = u32> {
    prop_oneof![
        1..200_u32,
        1..5_000_u32,
        (1..10_u32).prop_map(|days| days * 1_440)
    ]
}

fn patterns() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "* * * * *",
        "*/30 * * * *",
        "0,30 1 * * *",
        "5,35 2 * * sun",
        "15 0-4 * * *",
        "0 0 * * *",
        "30 23,0 * * *",
        "0 9 * * 1-5",
        "0 0 13 * 5",
        "0 0 */2 * 1",
    ])
}

/// Schedules that fire, each with an instant of this century.
fn schedules() -> impl Strategy<Value = (Schedule, Timestamp)> {
    let parts = (
        zones(),
        windows(),
        intervals(),
        prop::option::of(patterns()),
    );
    let parts = parts.prop_flat_map(|parts| {
        let zone = parts.0.clone();
        (Just(parts), instants(zone))
    });
    parts.prop_filter_map("fires", |((zone, window, minutes, pattern), at)| {
        let schedule = match pattern {
            Some(pattern) => Schedule::cron(pattern, window, zone, at),
            None => Schedule::interval(minutes, window, zone),
        };
        Some((schedule.ok()?, at))
    })
}

proptest! {
    #[test]
    fn every_value_is_later_than_the_one_before_and_inside_the_window(
        (schedule, from) in schedules(),
    ) {
        let mut last = from;
        let mut due = schedule.first_due(from);
        for _ in 0..12 {
            let Some(value) = due else { break };
            prop_assert!(value.at > last);
            prop_assert!(schedule.window.contains(value.at, &schedule.zone));
            prop_assert_eq!(value.at.subsec_nanosecond(), 0);
            last = value.at;
            due = schedule.next_due(&value);
        }
    }

    #[test]
    fn advancing_agrees_with_asking_for_one_value_after_the_other(
        (schedule, from) in schedules(),
        hours in 0..200_i64,
        nanoseconds in 0..1_000_000_000_i32,
    ) {
        let next = schedule.first_due(from).expect("this century");
        let now = from + SignedDuration::new(hours * 3_600, nanoseconds);
        let advance = schedule.advance(&next, now);
        prop_assert_eq!(advance, by_iterating(&schedule, &next, now));
        prop_assert!(advance.next.is_some_and(|due| due.at > now));
    }

    #[test]
    fn advancing_in_two_steps_is_advancing_in_one(
        (schedule, from) in schedules(),
        hours in 0..100_i64,
        more in 0..100_i64,
    ) {
        let next = schedule.first_due(from).expect("this century");
        let (midway, now) = (SignedDuration::from_hours(hours), SignedDuration::from_hours(more));
        let (midway, now) = (from + midway, from + midway + now);
        let count = |passed: Option<heartbeat_domain::schedule::Passed>| passed.map_or(0, |p| p.count);
        let at_once = schedule.advance(&next, now);
        let early = schedule.advance(&next, midway);
        let late = schedule.advance(&early.next.expect("this century"), now);
        prop_assert_eq!(late.next, at_once.next);
        prop_assert_eq!(count(early.passed) + count(late.passed), count(at_once.passed));
    }

    #[test]
    fn a_preview_is_what_follows_a_due_time_with_its_own_time_of_day((schedule, at) in schedules()) {
        let due = Due { at, anchor: schedule.zone.to_datetime(at).time() };
        let values = std::iter::successors(Some(due), |due| schedule.next_due(due));
        let expected: Vec<Timestamp> = values.skip(1).take(5).map(|due| due.at).collect();
        prop_assert_eq!(schedule.preview(at, 5), expected);
    }

    #[test]
    fn a_whole_day_interval_keeps_its_time_of_day_but_where_the_clock_skips_it(
        (zone, from) in zones().prop_flat_map(|zone| (Just(zone.clone()), instants(zone))),
        window in windows(),
        days in 1..10_u32,
    ) {
        let schedule = Schedule::interval(days * 1_440, window, zone).expect("in range");
        let mut due = schedule.first_due(from).expect("this century");
        for _ in 0..40 {
            let next = schedule.next_due(&due).expect("this century");
            let (before, local) = (schedule.zone.to_datetime(due.at), schedule.zone.to_datetime(next.at));
            prop_assert!((local.date() - before.date()).get_days() >= days.cast_signed());
            let second_before = next.at - SignedDuration::from_secs(1);
            let changed = schedule.zone.to_offset(second_before) != schedule.zone.to_offset(next.at);
            prop_assert!(local.time() == next.anchor || changed, "{} {:?}", local, next);
            due = next;
        }
    }

    #[test]
    fn nothing_panics_at_any_time(
        (schedule, _) in schedules(),
        seconds in prop_oneof![
            Timestamp::MIN.as_second()..=Timestamp::MAX.as_second(),
            Timestamp::MIN.as_second()..=Timestamp::MIN.as_second() + 4_000_000,
            Timestamp::MAX.as_second() - 4_000_000..=Timestamp::MAX.as_second(),
        ],
        anchor in 0..86_400_i32,
    ) {
        let at = Timestamp::from_second(seconds).expect("in range");
        let anchor = Time::midnight() + SignedDuration::from_secs(anchor.into());
        let due = Due { at, anchor };
        let next = schedule.next_due(&due);
        prop_assert!(next.is_none_or(|next| next.at > at));
        prop_assert!(schedule.first_due(at).is_none_or(|first| first.at > at));
        let soon = at.saturating_add(SignedDuration::from_hours(50)).expect("a duration");
        let advance = schedule.advance(&due, soon);
        prop_assert!(advance.next.is_none_or(|next| next.at > soon));
        let _ = schedule.check_frequency(60, at);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_next_opening_is_the_first_minute_inside(
        (zone, from) in zones().prop_flat_map(|zone| (Just(zone.clone()), instants(zone))),
        window in windows(),
    ) {
        let opening = window.next_opening(from, &zone).expect("this century");
        prop_assert!(opening >= from);
        prop_assert!(window.contains(opening, &zone));
        let whole_minute = Timestamp::from_second(from.as_second().div_euclid(60) * 60);
        let mut at = whole_minute.expect("this century");
        while at < opening {
            prop_assert!(at < from || !window.contains(at, &zone), "{} is inside", at);
            at += SignedDuration::from_mins(1);
        }
    }
}
