//! A schedule as it is typed on the command line.

use heartbeat_domain::heartbeat::ScheduleFields;
use heartbeat_domain::violation::Violation;

use crate::args::ScheduleArgs;

/// Start and end of `HH:MM-HH:MM`.
pub(crate) fn hours(text: &str) -> Result<(String, String), Violation> {
    match text.split_once('-') {
        Some((start, end)) => Ok((start.trim().into(), end.trim().into())),
        None => Err(Violation::input(
            "active-hours",
            format!("`{text}` must be HH:MM-HH:MM, such as 09:00-17:30"),
        )),
    }
}

/// The schedule that the arguments describe.
pub(crate) fn fields(ask: &ScheduleArgs) -> Result<ScheduleFields, Violation> {
    let window = ask.active_hours.as_deref().map(hours).transpose()?;
    let (start, end) = window.unzip();
    Ok(ScheduleFields {
        interval_minutes: ask.interval_minutes,
        cron_pattern: ask.cron.clone(),
        active_hours_start: start,
        active_hours_end: end,
        active_days: ask.active_days.clone(),
        timezone: ask.timezone.clone().unwrap_or_else(|| "UTC".into()),
    })
}
