//! A schedule in words: how often, within which hours and days.

use heartbeat_domain::heartbeat::{Heartbeat, ScheduleFields};

use super::cron;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// How often a heartbeat fires and within which window; its zone is shown with its times.
pub(crate) fn schedule(heartbeat: &Heartbeat) -> String {
    let fields = &heartbeat.settings.schedule;
    let cadence = match (fields.interval_minutes, &fields.cron_pattern) {
        (Some(minutes), _) => interval(minutes, time_of_day(heartbeat).as_deref()),
        (None, Some(pattern)) => cron::describe(pattern),
        (None, None) => "no schedule".to_owned(),
    };
    match window(fields) {
        Some(window) => format!("{cadence}, {window}"),
        None => cadence,
    }
}

/// The active window, if there is one.
fn window(fields: &ScheduleFields) -> Option<String> {
    let hours = match (&fields.active_hours_start, &fields.active_hours_end) {
        (None, None) => None,
        (start, end) => Some(format!(
            "{}–{}",
            start.as_deref().unwrap_or("00:00"),
            end.as_deref().unwrap_or("24:00")
        )),
    };
    let days = fields.active_days.as_deref().map(weekdays);
    match (hours, days) {
        (None, None) => None,
        (Some(only), None) | (None, Some(only)) => Some(only),
        (Some(hours), Some(days)) => Some(format!("{hours} {days}")),
    }
}

/// Weekdays as `Mon–Fri` or `Mon, Wed`; 1 is Monday.
pub(super) fn weekdays(list: &str) -> String {
    let name = |day: &str| -> Option<&str> {
        let day: usize = day.trim().parse().ok()?;
        DAYS.get(day.checked_sub(1)?).copied()
    };
    let item = |item: &str| -> Option<String> {
        match item.split_once('-') {
            Some((first, last)) => Some(format!("{}–{}", name(first)?, name(last)?)),
            None => name(item).map(str::to_owned),
        }
    };
    let items: Option<Vec<String>> = list.split(',').map(item).collect();
    items.map_or_else(|| list.to_owned(), |items| items.join(", "))
}

fn interval(minutes: u32, time_of_day: Option<&str>) -> String {
    let every = match minutes {
        1 => "every minute".to_owned(),
        60 => "every hour".to_owned(),
        1_440 => "every day".to_owned(),
        _ if minutes.is_multiple_of(1_440) => format!("every {} days", minutes / 1_440),
        _ if minutes.is_multiple_of(60) => format!("every {} hours", minutes / 60),
        _ => format!("every {minutes} minutes"),
    };
    match time_of_day.filter(|_| minutes.is_multiple_of(1_440)) {
        Some(time) => format!("{every} at {time}"),
        None => every,
    }
}

/// The time of day to which a whole-day interval keeps, once it has a grid.
fn time_of_day(heartbeat: &Heartbeat) -> Option<String> {
    let anchor = heartbeat.next?.anchor;
    Some(anchor.strftime("%H:%M").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_read_as_people_say_them() {
        let say = |minutes| interval(minutes, Some("09:15"));
        assert_eq!(say(1), "every minute");
        assert_eq!(say(30), "every 30 minutes");
        assert_eq!(say(90), "every 90 minutes");
        assert_eq!(say(120), "every 2 hours");
        assert_eq!(say(1_440), "every day at 09:15");
        assert_eq!(say(10_080), "every 7 days at 09:15");
    }

    #[test]
    fn a_window_names_its_hours_and_days() {
        let fields = |start: Option<&str>, end: Option<&str>, days: Option<&str>| ScheduleFields {
            active_hours_start: start.map(str::to_owned),
            active_hours_end: end.map(str::to_owned),
            active_days: days.map(str::to_owned),
            ..ScheduleFields::default()
        };
        assert_eq!(window(&fields(None, None, None)), None);
        let whole = window(&fields(Some("09:00"), Some("18:00"), Some("1-5")));
        assert_eq!(whole.unwrap(), "09:00–18:00 Mon–Fri");
        assert_eq!(
            window(&fields(Some("22:00"), None, None)).unwrap(),
            "22:00–24:00"
        );
        assert_eq!(
            window(&fields(None, None, Some("1,2,6-7"))).unwrap(),
            "Mon, Tue, Sat–Sun"
        );
    }
}
