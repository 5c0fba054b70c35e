//! A moment: how far it is from now, and its wall-clock time with its zone.

use askama::Template;
use askama::filters::HtmlSafe;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::words;

/// A moment as pages show it.
#[derive(Clone, Debug, Template)]
#[template(path = "parts/moment.html")]
pub(crate) struct Moment {
    /// For machines, in UTC.
    pub(crate) iso: String,
    /// `14:05 CET`, with the date where it is not today.
    pub(crate) local: String,
    /// The whole of it, with the zone's name.
    pub(crate) whole: String,
    /// `in 3 min`.
    pub(crate) relative: String,
}

/// The template escapes its own parts.
impl HtmlSafe for Moment {}

impl Moment {
    pub(crate) fn new(at: Timestamp, zone: &TimeZone, now: Timestamp) -> Self {
        let local = at.to_zoned(zone.clone());
        let today = now.to_zoned(zone.clone()).date();
        let shape = match local.date() {
            date if date == today => "%H:%M %Z",
            date if date.year() == today.year() => "%a %-d %b, %H:%M %Z",
            _ => "%-d %b %Y, %H:%M %Z",
        };
        let zone_name = zone.iana_name().unwrap_or("UTC");
        let whole = local.strftime("%A %-d %B %Y, %H:%M:%S");
        Self {
            iso: at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            local: local.strftime(shape).to_string(),
            whole: format!("{whole} {zone_name}"),
            relative: words::relative(at, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_shows_its_zone_and_its_date_where_it_is_not_today() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let now: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
        let show = |at: &str| Moment::new(at.parse().unwrap(), &berlin, now);
        let soon = show("2026-11-23T08:15:00Z");
        assert_eq!(
            (soon.local.as_str(), soon.relative.as_str()),
            ("09:15 CET", "in 15 min")
        );
        assert_eq!(soon.iso, "2026-11-23T08:15:00Z");
        assert_eq!(
            soon.whole,
            "Monday 23 November 2026, 09:15:00 Europe/Berlin"
        );
        assert_eq!(show("2026-07-01T08:15:00Z").local, "Wed 1 Jul, 10:15 CEST");
        assert_eq!(show("2025-07-01T08:15:00Z").local, "1 Jul 2025, 10:15 CEST");
    }
}
