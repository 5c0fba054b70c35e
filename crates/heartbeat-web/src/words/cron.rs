//! Cron patterns in words, as far as words are shorter than the pattern; else the pattern itself.

use super::cadence::weekdays;

/// What a pattern says. Whoever wants it exactly reads the pattern on the heartbeat's page.
pub(crate) fn describe(pattern: &str) -> String {
    let spelled_out = match pattern.trim() {
        "@hourly" => "0 * * * *",
        "@daily" | "@midnight" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        "@yearly" | "@annually" => "0 0 1 1 *",
        other => other,
    };
    let fields: Vec<&str> = spelled_out.split_ascii_whitespace().collect();
    let words = match fields[..] {
        [minute, hour, day, month, weekday] => words(minute, hour, (day, month, weekday)),
        _ => None,
    };
    words.unwrap_or_else(|| format!("cron {}", pattern.trim()))
}

fn words(minute: &str, hour: &str, date: (&str, &str, &str)) -> Option<String> {
    let times = times(minute, hour)?;
    let days = days(date)?;
    Some(match (times, days.as_str()) {
        (Times::Often(every), "every day") => every,
        (Times::Often(every), days) => format!("{every}, {days}"),
        (Times::At(at), days) => format!("{days} at {at}"),
    })
}

/// The minute and hour fields together.
enum Times {
    /// Again and again.
    Often(String),
    /// At times of day.
    At(String),
}

fn times(minute: &str, hour: &str) -> Option<Times> {
    if let Some(step) = minute.strip_prefix("*/") {
        let step: u32 = step.parse().ok()?;
        let dividing = hour == "*" && step > 1 && 60 % step == 0;
        return dividing.then(|| Times::Often(format!("every {step} minutes")));
    }
    if (minute, hour) == ("*", "*") {
        return Some(Times::Often("every minute".to_owned()));
    }
    let minute: u32 = minute.parse().ok().filter(|minute| *minute < 60)?;
    if hour == "*" {
        return Some(Times::Often(format!("every hour at :{minute:02}")));
    }
    if let Some((from, to)) = hour.split_once('-') {
        let (from, to): (u32, u32) = (from.parse().ok()?, to.parse().ok()?);
        let every = format!("every hour, {from:02}:{minute:02}–{to:02}:{minute:02}");
        return Some(Times::Often(every));
    }
    let hours: Option<Vec<u32>> = hour.split(',').map(|hour| hour.parse().ok()).collect();
    let hours = hours.filter(|hours| hours.len() <= 4)?;
    let at: Vec<String> = hours
        .iter()
        .map(|hour| format!("{hour:02}:{minute:02}"))
        .collect();
    Some(Times::At(at.join(", ")))
}

fn days((day, month, weekday): (&str, &str, &str)) -> Option<String> {
    match (day, month, weekday) {
        ("*", "*", "*") => Some("every day".to_owned()),
        ("*", "*", weekday) => days_of_week(weekday),
        (day, "*", "*") => {
            let day: u32 = day.parse().ok()?;
            Some(format!("on day {day} of every month"))
        }
        _ => None,
    }
}

/// POSIX weekdays in those that people and active windows count by.
fn days_of_week(field: &str) -> Option<String> {
    const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let number = |day: &str| -> Option<usize> {
        let lower = day.to_ascii_lowercase();
        if let Some(at) = NAMES.iter().position(|name| *name == lower) {
            return Some(at + 1);
        }
        match day.parse().ok()? {
            0 | 7 => Some(7),
            day @ 1..7 => Some(day),
            _ => None,
        }
    };
    let item = |item: &str| -> Option<String> {
        match item.split_once('-') {
            Some((first, last)) => {
                let (first, last) = (number(first)?, number(last)?);
                (first < last).then(|| format!("{first}-{last}"))
            }
            None => number(item).map(|day| day.to_string()),
        }
    };
    let items: Option<Vec<String>> = field.split(',').map(item).collect();
    Some(weekdays(&items?.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_patterns_are_words_and_others_stay_patterns() {
        for (pattern, words) in [
            ("*/15 * * * *", "every 15 minutes"),
            ("0 9 * * 1-5", "Mon–Fri at 09:00"),
            ("0 9 * * MON-FRI", "Mon–Fri at 09:00"),
            ("30 8,17 * * *", "every day at 08:30, 17:30"),
            ("@hourly", "every hour at :00"),
            ("@weekly", "Sun at 00:00"),
            ("0 6 1 * *", "on day 1 of every month at 06:00"),
            ("0 9-17 * * 1,3", "every hour, 09:00–17:00, Mon, Wed"),
            ("*/7 * * * *", "cron */7 * * * *"),
            ("0 0 13 * 5", "cron 0 0 13 * 5"),
            ("0,30 1 * * *", "cron 0,30 1 * * *"),
            ("nonsense", "cron nonsense"),
        ] {
            assert_eq!(describe(pattern), words, "{pattern}");
        }
    }
}
