//! Short ways to write zones, instants and what a schedule answers.

use heartbeat_domain::schedule::{Schedule, parse_zone};
use heartbeat_domain::window::ActiveWindow;
use jiff::Timestamp;
use jiff::tz::TimeZone;

pub(crate) fn zone(name: &str) -> TimeZone {
    parse_zone(name).expect("a zone that exists")
}

/// An instant by its UTC text, or by local time and offset: `2026-03-08 01:30-05:00`.
pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant with its offset")
}

pub(crate) fn always() -> ActiveWindow {
    ActiveWindow::default()
}

pub(crate) fn window(hours: &str, days: &str) -> ActiveWindow {
    let bounds = hours.split_once('-');
    let days = (!days.is_empty()).then_some(days);
    ActiveWindow::parse(bounds.map(|b| b.0), bounds.map(|b| b.1), days).expect("a valid window")
}

pub(crate) fn every(minutes: u32, window: ActiveWindow, zone_name: &str) -> Schedule {
    Schedule::interval(minutes, window, zone(zone_name)).expect("a valid interval")
}

pub(crate) fn cron(pattern: &str, window: ActiveWindow, zone_name: &str) -> Schedule {
    let from = at("2000-01-01T00:00:00Z");
    Schedule::cron(pattern, window, zone(zone_name), from).expect("a pattern that fires")
}

/// The next fires after `from`, in local time with offset, minutes only.
pub(crate) fn fires(schedule: &Schedule, from: &str, count: usize) -> Vec<String> {
    let fires = schedule.preview(at(from), count);
    fires
        .into_iter()
        .map(|fire| local(fire, &schedule.zone))
        .collect()
}

pub(crate) fn local(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone())
        .strftime("%Y-%m-%d %H:%M%:z")
        .to_string()
}
