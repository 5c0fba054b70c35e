//! The active window: the hours and weekdays within which a fire may start.
//!
//! Membership is a question about local civil time alone, so the two odd hours of the year need no
//! case of their own. The window decides when a fire may start, never when a run must stop.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::schedule::stretch::{Stretch, floor_second, instant};
use crate::violation::Violation;

const MINUTES_OF_DAY: u16 = 24 * 60;
const SECONDS_OF_DAY: i64 = 86_400;
const EVERY_DAY: u8 = 0b111_1111;

/// Hours and weekdays, in the local time of a schedule's zone. The default restricts nothing.
///
/// A window whose start is later than its end runs over midnight and belongs to the day on which
/// it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveWindow {
    /// First minute of the day that is inside.
    start: u16,
    /// First minute that is outside again; at most 1440. Earlier than `start`: on the day after.
    end: u16,
    /// Bit 0 is Monday, bit 6 Sunday. Never empty.
    days: u8,
}

impl Default for ActiveWindow {
    fn default() -> Self {
        Self {
            start: 0,
            end: MINUTES_OF_DAY,
            days: EVERY_DAY,
        }
    }
}

impl ActiveWindow {
    /// Reads `HH:MM` bounds (`24:00` is allowed as an end) and weekdays such as `1-5` or `1,2,4`
    /// (1 = Monday … 7 = Sunday). What is not given restricts nothing.
    pub fn parse(
        start: Option<&str>,
        end: Option<&str>,
        days: Option<&str>,
    ) -> Result<Self, Violation> {
        let (start, end) = parse_hours(start, end)?;
        let days = days.map_or(Ok(EVERY_DAY), parse_days)?;
        Ok(Self { start, end, days })
    }

    /// Whether every instant is inside.
    pub fn is_unrestricted(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the local time of `at` in `zone` is inside.
    pub fn contains(&self, at: Timestamp, zone: &TimeZone) -> bool {
        if self.is_unrestricted() {
            return true;
        }
        self.contains_local(floor_second(at) + i64::from(zone.to_offset(at).seconds()))
    }

    /// The first instant at or after `from` that is inside. Nothing only at the end of the calendar.
    pub fn next_opening(&self, from: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if self.contains(from, zone) {
            return Some(from);
        }
        let mut second = floor_second(from);
        let mut stretch = Stretch::at(zone, second)?;
        loop {
            let opening = self.next_inside(second + stretch.offset) - stretch.offset;
            if opening < stretch.end {
                return instant(opening);
            }
            second = stretch.end;
            stretch = stretch.next(zone)?;
        }
    }

    /// Up to where the window is surely open, without a break; nothing if it is not.
    ///
    /// The answer may be earlier than the true end (it stops at midnight and at clock changes), and
    /// is always later than `second`.
    pub(crate) fn open_until(&self, second: i64, zone: &TimeZone) -> Option<i64> {
        let stretch = Stretch::at(zone, second)?;
        let local = second + stretch.offset;
        let end = stretch.end.min(self.end_of_piece(local) - stretch.offset);
        self.contains_local(local).then_some(end)
    }

    /// Membership of a local civil time, given as seconds since the local epoch.
    pub(crate) fn contains_local(&self, local: i64) -> bool {
        let day = local.div_euclid(SECONDS_OF_DAY);
        let second = local.rem_euclid(SECONDS_OF_DAY);
        let (start, end) = (i64::from(self.start) * 60, i64::from(self.end) * 60);
        if self.start < self.end {
            start <= second && second < end && self.has_day(day)
        } else {
            (second >= start && self.has_day(day)) || (second < end && self.has_day(day - 1))
        }
    }

    /// The first local civil time at or after `local` that is inside.
    pub(crate) fn next_inside(&self, local: i64) -> i64 {
        if self.contains_local(local) {
            return local;
        }
        let today = local.div_euclid(SECONDS_OF_DAY);
        (today..=today + 7)
            .filter(|day| self.has_day(*day))
            .map(|day| day * SECONDS_OF_DAY + i64::from(self.start) * 60)
            .find(|opening| *opening >= local)
            .expect("a window has at least one weekday, and eight days hold its next start")
    }

    /// Whether the time of day, in seconds, is inside on any weekday.
    pub(crate) fn has_time_of_day(&self, second: i64) -> bool {
        (0..7).any(|day| self.contains_local(day * SECONDS_OF_DAY + second))
    }

    /// The end of the piece of the window in which `local` lies, or the next midnight.
    fn end_of_piece(&self, local: i64) -> i64 {
        let midnight = local - local.rem_euclid(SECONDS_OF_DAY);
        let end = midnight + i64::from(self.end) * 60;
        if local < end {
            end
        } else {
            midnight + SECONDS_OF_DAY
        }
    }

    fn has_day(&self, day: i64) -> bool {
        // Day 0 of the epoch was a Thursday, three days after a Monday.
        self.days >> (day + 3).rem_euclid(7) & 1 == 1
    }
}

fn parse_hours(start: Option<&str>, end: Option<&str>) -> Result<(u16, u16), Violation> {
    let from = start.map_or(Ok(0), |text| parse_minute("active_hours_start", text))?;
    let until = end.map_or(Ok(MINUTES_OF_DAY), |text| {
        parse_minute("active_hours_end", text)
    })?;
    if from == MINUTES_OF_DAY {
        let message = "24:00 is allowed as an end only; a window that starts at midnight is 00:00";
        return Err(Violation::input("active_hours_start", message));
    }
    if from == until {
        let field = if end.is_some() {
            "active_hours_end"
        } else {
            "active_hours_start"
        };
        let message = "start and end are the same, so the window would be empty; for the whole day \
                       leave both out, or write 00:00 and 24:00";
        return Err(Violation::input(field, message));
    }
    // A window that ends at the midnight after its start is not an overnight one.
    Ok(if until == 0 {
        (from, MINUTES_OF_DAY)
    } else {
        (from, until)
    })
}

fn parse_minute(field: &'static str, text: &str) -> Result<u16, Violation> {
    minute_of_day(text).ok_or_else(|| {
        let text = text.chars().take(40).collect::<String>();
        let message = format!("\"{text}\" is not a time of day; expected HH:MM, such as 09:00");
        Violation::input(field, message)
    })
}

fn minute_of_day(text: &str) -> Option<u16> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
    let [h1, h0, b':', m1, m0] = *text.as_bytes() else {
        return None;
    };
    let (hour, minute) = (digit(h1)? * 10 + digit(h0)?, digit(m1)? * 10 + digit(m0)?);
    let at = hour * 60 + minute;
    (minute < 60 && at <= MINUTES_OF_DAY).then_some(at)
}

fn parse_days(text: &str) -> Result<u8, Violation> {
    text.split(',').try_fold(
        0,
        |days, item| Ok(days | parse_day_item(item.trim(), text)?),
    )
}

fn parse_day_item(item: &str, text: &str) -> Result<u8, Violation> {
    let (first, last) = item.split_once('-').unwrap_or((item, item));
    let (Some(first), Some(last)) = (weekday(first), weekday(last)) else {
        let text = text.chars().take(40).collect::<String>();
        let message = format!(
            "\"{text}\" is not a list of weekdays; expected numbers from 1 (Monday) to 7 (Sunday), \
             such as 1-5 or 1,2,4"
        );
        return Err(Violation::input("active_days", message));
    };
    if first > last {
        let (head, tail) = (range(first, 7), range(1, last));
        let message = format!("{item} runs past the end of the week; write {head},{tail}");
        return Err(Violation::input("active_days", message));
    }
    Ok((first..=last).fold(0, |days, day| days | 1 << (day - 1)))
}

fn weekday(text: &str) -> Option<u8> {
    match text.trim().as_bytes() {
        [digit @ b'1'..=b'7'] => Some(digit - b'0'),
        _ => None,
    }
}

fn range(first: u8, last: u8) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}
