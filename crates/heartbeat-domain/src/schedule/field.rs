//! One field of a cron pattern: names, lists, ranges and steps, and what to write instead of what
//! other dialects have.

/// The values that a field may take.
pub(super) struct Field {
    title: &'static str,
    min: u8,
    max: u8,
    /// Names of the values from `min` on.
    names: &'static [&'static str],
}

/// What a field matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set {
    /// Bit n is value n. Never empty.
    pub(super) bits: u64,
    /// Whether the text begins with `*`.
    pub(super) starred: bool,
    /// Whether the text is a number or a list of numbers.
    pub(super) numbers_only: bool,
}

pub(super) const MINUTE: Field = Field {
    title: "minute",
    min: 0,
    max: 59,
    names: &[],
};
pub(super) const HOUR: Field = Field {
    title: "hour",
    min: 0,
    max: 23,
    names: &[],
};
pub(super) const DAY: Field = Field {
    title: "day-of-month",
    min: 1,
    max: 31,
    names: &[],
};
pub(super) const MONTH: Field = Field {
    title: "month",
    min: 1,
    max: 12,
    names: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
};
/// `0` and `7` are both Sunday.
pub(super) const WEEKDAY: Field = Field {
    title: "day-of-week",
    min: 0,
    max: 7,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

impl Field {
    /// Reads a list of `*`, `a`, `a-b`, `*/n`, `a/n` (from `a` to the end) and `a-b/n`.
    pub(super) fn parse(&self, text: &str) -> Result<Set, String> {
        let mut bits = 0;
        for item in text.split(',') {
            bits |= self
                .parse_item(item)
                .map_err(|why| format!("{} field: {why}", self.title))?;
        }
        let numbers_only = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b',');
        Ok(Set {
            bits,
            starred: text.starts_with('*'),
            numbers_only,
        })
    }

    fn parse_item(&self, item: &str) -> Result<u64, String> {
        let (span, step) = match item.split_once('/') {
            Some((span, step)) => (span, Some(self.parse_step(step, item)?)),
            None => (item, None),
        };
        let (first, last) = match span.split_once('-') {
            Some((first, last)) => self.parse_range(first, last, span)?,
            None if span == "*" => (self.min, self.max),
            None => {
                let value = self.parse_value(span)?;
                (value, if step.is_some() { self.max } else { value })
            }
        };
        let steps = (first..=last).step_by(usize::from(step.unwrap_or(1)));
        Ok(steps.fold(0, |bits, value| bits | 1 << value))
    }

    fn parse_range(&self, first: &str, last: &str, span: &str) -> Result<(u8, u8), String> {
        let (from, to) = (self.parse_value(first)?, self.parse_value(last)?);
        // A week may end with Sunday, whose name is the number 0 or 7.
        let to = if to == 0 && from > 0 && last.eq_ignore_ascii_case("sun") {
            7
        } else {
            to
        };
        if from <= to {
            return Ok((from, to));
        }
        let why = "runs past the end of the field";
        Err(match (self.max == WEEKDAY.max, from, to) {
            (true, _, 0) => format!("{span} {why}; write {}", range(from, 7)),
            (true, 7, _) => format!("{span} {why}; write {}", range(0, to)),
            (is_weekday, ..) => {
                let last = self.max - u8::from(is_weekday);
                let (head, tail) = (range(from, last), range(self.min, to));
                format!("{span} {why}; write two ranges: {head},{tail}")
            }
        })
    }

    fn parse_step(&self, text: &str, item: &str) -> Result<u8, String> {
        let values = if self.max == WEEKDAY.max {
            7
        } else {
            self.max - self.min + 1
        };
        match number(text) {
            Some(step) if (1..=values).contains(&step) => Ok(step),
            _ if self.max == MINUTE.max && text.parse().is_ok_and(|step: u32| step > 60) => {
                Err(format!(
                    "{item} starts anew every hour; for every {text} minutes leave cron_pattern out and \
                 write interval_minutes: {text}"
                ))
            }
            _ => Err(format!(
                "the step in {item} must be a number from 1 to {values}"
            )),
        }
    }

    fn parse_value(&self, text: &str) -> Result<u8, String> {
        let named = self
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text));
        if let Some(index) = named {
            // There are at most twelve names.
            return Ok(self.min + index as u8);
        }
        match number(text) {
            Some(value) if (self.min..=self.max).contains(&value) => Ok(value),
            Some(_) => Err(format!("{text} is out of range; {}", self.expected())),
            None => Err(self.explain(text)),
        }
    }

    fn expected(&self) -> String {
        let Self { min, max, .. } = self;
        match (self.names.first(), self.names.last()) {
            (Some(first), Some(last)) => {
                format!("expected a number from {min} to {max} or a name, {first} to {last}")
            }
            _ => format!("expected a number from {min} to {max}"),
        }
    }

    /// What to write instead of something that is neither a number nor a name.
    fn explain(&self, text: &str) -> String {
        let letters: String = text
            .chars()
            .filter(|char| !char.is_ascii_digit() && !matches!(char, '-' | '#'))
            .flat_map(char::to_lowercase)
            .collect();
        if text.contains('?') {
            "`?` is not POSIX cron; write `*`".to_owned()
        } else if text.contains('#') {
            "`#` is not POSIX cron; for the second Monday of a month write 8-14 as the day of month, \
             `*` as the day of week, and set active_days to 1"
                .to_owned()
        } else if text.contains('+') {
            "`+` is not POSIX cron; to ask for a day of month and a weekday at once, write `*` as \
             the day of week and set active_days"
                .to_owned()
        } else if letters == "l" && self.max == WEEKDAY.max {
            "`L` is not POSIX cron; for the last week of a month write days of month such as 22-28, \
             `*` as the day of week, and set active_days"
                .to_owned()
        } else if letters == "l" || letters == "lw" {
            "`L` is not POSIX cron; write a day that every month has, such as 28, or the first of \
             the next month, 1"
                .to_owned()
        } else if letters == "w" {
            "`W` is not POSIX cron; write the day of month alone, or a range such as 15-17 with \
             active_days 1-5"
                .to_owned()
        } else if text.is_empty() {
            format!("a value is missing; {}", self.expected())
        } else {
            format!("\"{text}\" is not known; {}", self.expected())
        }
    }
}

fn number(text: &str) -> Option<u8> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn range(first: u8, last: u8) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}
