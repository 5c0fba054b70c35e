//! Cron patterns: five POSIX fields as bit sets, and the local times that match them.
//!
//! Nothing here knows of zones; `walk` turns local matches into instants.

use jiff::tz::Offset;

use super::field::{DAY, HOUR, MINUTE, MONTH, Set, WEEKDAY};
use super::stretch::instant;
use crate::violation::Violation;

const FIELD: &str = "cron_pattern";
const EXPECTED: &str = "expected five fields: minute, hour, day of month, month and day of week, \
                        such as \"0 9 * * 1-5\"";
const LENGTH_MAX: usize = 1_000;

/// A parsed pattern, with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronPattern {
    text: Box<str>,
    minutes: u64,
    hours: u32,
    days: u32,
    months: u16,
    /// Bit 0 is Sunday.
    weekdays: u8,
    /// Whether day of month or day of week begins with `*`: then both must match, otherwise either.
    both_days: bool,
    /// Whether the hour is a number or a list of numbers.
    fixed_hour: bool,
}

impl CronPattern {
    /// Reads five POSIX fields, or one of `@hourly @daily @midnight @weekly @monthly @yearly
    /// @annually`. What other dialects add is refused with what to write instead.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let text = text.trim();
        if text.len() > LENGTH_MAX {
            let message = format!("the pattern is longer than {LENGTH_MAX} characters");
            return Err(Violation::input(FIELD, message));
        }
        let spelled_out = match text.strip_prefix('@') {
            Some(name) => spell_out(name)?,
            None => text,
        };
        Self::from_fields(spelled_out, text).map_err(|message| Violation::input(FIELD, message))
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn from_fields(fields: &str, text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(wrong_count(&fields));
        };
        let (minutes, hours) = (MINUTE.parse(minute)?, HOUR.parse(hour)?);
        let (days, months) = (DAY.parse(day)?, MONTH.parse(month)?);
        let weekdays = WEEKDAY.parse(weekday)?;
        Ok(Self {
            text: text.into(),
            minutes: minutes.bits,
            hours: low_bits(hours),
            days: low_bits(days),
            months: (months.bits & 0x1fff) as u16,
            // Bit 7 is Sunday too.
            weekdays: ((weekdays.bits | weekdays.bits >> 7) & 0x7f) as u8,
            both_days: days.starred || weekdays.starred,
            fixed_hour: hours.numbers_only,
        })
    }

    pub(super) fn has_fixed_hour(&self) -> bool {
        self.fixed_hour
    }

    /// The smallest distance between two minutes of the pattern, around the hour: at most 60.
    pub(super) fn minute_gap_min(&self) -> u32 {
        // Twice around, so that the last minute and the first of the next hour are neighbours.
        let around = u128::from(self.minutes) | u128::from(self.minutes) << 60;
        let gap = |minute: u32| (around >> (minute + 1)).trailing_zeros() + 1;
        (0..60)
            .filter(|minute| self.minutes >> minute & 1 == 1)
            .map(gap)
            .min()
            .unwrap_or(60)
    }

    /// The first local time at or after `local` that matches, if its day begins before `end`. Local
    /// times are seconds since the local epoch.
    pub(super) fn next_match(&self, local: i64, end: i64) -> Option<i64> {
        let minute = local.div_euclid(60) + i64::from(local.rem_euclid(60) > 0);
        let mut day = minute.div_euclid(1_440);
        let mut minute = minute.rem_euclid(1_440);
        while day * 86_400 < end {
            match (self.days_off(day)?, self.next_minute(minute)) {
                (0, Some(minute)) => return Some(day * 86_400 + minute * 60),
                (days_off, _) => day += days_off.max(1),
            }
            minute = 0;
        }
        None
    }

    /// Zero if the day matches, otherwise how many days to go on. Nothing outside the calendar.
    fn days_off(&self, day: i64) -> Option<i64> {
        let date = Offset::UTC.to_datetime(instant(day * 86_400)?).date();
        if self.months >> date.month() & 1 == 0 {
            return Some(i64::from(date.days_in_month() - date.day()) + 1);
        }
        // Day 0 of the epoch was a Thursday, four days after a Sunday.
        let weekday = self.weekdays >> (day + 4).rem_euclid(7) & 1 == 1;
        let day = self.days >> date.day() & 1 == 1;
        let matches = if self.both_days {
            day && weekday
        } else {
            day || weekday
        };
        Some(i64::from(!matches))
    }

    /// The first minute of a day at or after `from` that matches.
    fn next_minute(&self, from: i64) -> Option<i64> {
        let (hour, minute) = (from / 60, from % 60);
        let this_hour = self.minutes >> minute;
        if self.hours >> hour & 1 == 1 && this_hour != 0 {
            return Some(from + i64::from(this_hour.trailing_zeros()));
        }
        let later = u64::from(self.hours) >> (hour + 1);
        let next_hour = hour + 1 + i64::from(later.trailing_zeros());
        (later != 0).then(|| next_hour * 60 + i64::from(self.minutes.trailing_zeros()))
    }
}

fn low_bits(set: Set) -> u32 {
    (set.bits & u64::from(u32::MAX)) as u32
}

fn spell_out(name: &str) -> Result<&'static str, Violation> {
    let name = name.to_ascii_lowercase();
    let message = match name.as_str() {
        "hourly" => return Ok("0 * * * *"),
        "daily" | "midnight" => return Ok("0 0 * * *"),
        "weekly" => return Ok("0 0 * * 0"),
        "monthly" => return Ok("0 0 1 * *"),
        "yearly" | "annually" => return Ok("0 0 1 1 *"),
        "reboot" => "@reboot has no time of its own; write the times to fire at, such as @hourly, \
                     or trigger the heartbeat when your system starts"
            .to_owned(),
        _ if name.starts_with("every") => "@every is not a pattern; leave cron_pattern out and \
                                           write interval_minutes, such as 30"
            .to_owned(),
        _ => format!(
            "\"@{name}\" is not known; expected @hourly, @daily, @midnight, @weekly, @monthly, \
             @yearly or @annually, or five fields such as \"0 9 * * 1-5\""
        ),
    };
    Err(Violation::input(FIELD, message))
}

fn wrong_count(fields: &[&str]) -> String {
    let count = fields.len();
    if count < 6 {
        return match count {
            0 => format!("the pattern is empty; {EXPECTED}"),
            1 => format!("there is one field; {EXPECTED}"),
            _ => format!("there are {count} fields; {EXPECTED}"),
        };
    }
    // Dialects with six fields put seconds first; those with seven add a year at the end.
    let plain = fields[1..6].join(" ").replace('?', "*");
    match CronPattern::from_fields(&plain, &plain) {
        Ok(_) => format!(
            "there are {count} fields, but seconds and years are not supported; write the five \
             without them: \"{plain}\""
        ),
        Err(_) => {
            format!("there are {count} fields, but seconds and years are not supported; {EXPECTED}")
        }
    }
}
