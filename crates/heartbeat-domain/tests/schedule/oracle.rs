//! Patterns against an oracle that knows nothing of bit sets or stretches: it walks every minute.

use std::collections::BTreeSet;

use heartbeat_domain::schedule::Schedule;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::laws::{instants, windows, zones};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// A field as the oracle sees it: text, values, and whether it is written with numbers alone.
#[derive(Clone, Debug)]
struct Field {
    text: String,
    values: Vec<i8>,
    numbers_only: bool,
}

impl Field {
    fn has(&self, value: i8) -> bool {
        self.values.contains(&value)
    }

    fn starred(&self) -> bool {
        self.text.starts_with('*')
    }
}

fn field(min: i8, max: i8) -> impl Strategy<Value = Field> {
    let star = (1..=12_i8).prop_map(move |step| {
        let step = step.min(max - min);
        let text = if step == 1 {
            "*".to_owned()
        } else {
            format!("*/{step}")
        };
        (text, (min..=max).step_by(step as usize).collect(), false)
    });
    let range = (min..=max, min..=max, 1..=4_i8).prop_map(|(a, b, step)| {
        let (a, b) = (a.min(b), a.max(b));
        (
            format!("{a}-{b}/{step}"),
            (a..=b).step_by(step as usize).collect(),
            false,
        )
    });
    let list = prop::collection::vec(min..=max, 1..4).prop_map(|values| {
        let text = values
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",");
        (text, values, true)
    });
    prop_oneof![star, range, list].prop_map(|(text, values, numbers_only)| Field {
        text,
        values,
        numbers_only,
    })
}

#[derive(Clone, Debug)]
struct Pattern {
    fields: [Field; 5],
}

impl Pattern {
    fn text(&self) -> String {
        self.fields
            .iter()
            .map(|field| field.text.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn matches(&self, local: DateTime) -> bool {
        let [minute, hour, day, month, weekday] = &self.fields;
        let by_day = day.has(local.day());
        let sunday_based = local.date().weekday().to_sunday_zero_offset();
        let by_weekday = weekday.has(sunday_based) || sunday_based == 0 && weekday.has(7);
        let either = !day.starred() && !weekday.starred();
        let day_matches = if either {
            by_day || by_weekday
        } else {
            by_day && by_weekday
        };
        minute.has(local.minute())
            && hour.has(local.hour())
            && month.has(local.month())
            && day_matches
            && local.second() == 0
    }

    /// Every fire in the hours around a moment.
    fn fires(&self, zone: &TimeZone, from: Timestamp, until: Timestamp) -> BTreeSet<Timestamp> {
        if self.fields[1].numbers_only {
            self.fixed(zone, from, until)
        } else {
            minutes(from, until)
                .filter(|at| self.matches(zone.to_datetime(*at)))
                .collect()
        }
    }

    fn fixed(&self, zone: &TimeZone, from: Timestamp, until: Timestamp) -> BTreeSet<Timestamp> {
        let day = SignedDuration::from_hours(49);
        let mut local = zone
            .to_datetime(from - day)
            .round(jiff::Unit::Minute)
            .expect("in range");
        let last = zone.to_datetime(until + day);
        let mut fires = BTreeSet::new();
        while local < last {
            if self.matches(local) {
                fires.insert(resolve(local, zone));
            }
            local = local.checked_add(MINUTE).expect("in range");
        }
        fires
            .into_iter()
            .filter(|at| from < *at && *at <= until)
            .collect()
    }
}

fn minutes(from: Timestamp, until: Timestamp) -> impl Iterator<Item = Timestamp> {
    let first = Timestamp::from_second(from.as_second().div_euclid(60) * 60).expect("in range");
    std::iter::successors(Some(first + MINUTE), |at| Some(*at + MINUTE))
        .take_while(move |at| *at <= until)
}

/// The first instant whose local time is not before `local`, found by looking at each minute.
fn resolve(local: DateTime, zone: &TimeZone) -> Timestamp {
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Gap { after, .. } => {
            let mut at = after.to_timestamp(local).expect("in range");
            while zone.to_datetime(at) < local {
                at += MINUTE;
            }
            at
        }
        _ => zone
            .to_ambiguous_timestamp(local)
            .earlier()
            .expect("in range"),
    }
}

fn patterns() -> impl Strategy<Value = Pattern> {
    let hours = prop_oneof![field(0, 23), field(0, 4), field(22, 23)];
    let days = prop_oneof![3 => Just(star()), 1 => field(1, 31)];
    let months = prop_oneof![4 => Just(star_months()), 1 => field(1, 12)];
    let weekdays = prop_oneof![2 => Just(star_weekdays()), 1 => field(0, 7)];
    (field(0, 59), hours, days, months, weekdays).prop_map(|(minute, hour, day, month, weekday)| {
        let hour = restrict_star(hour);
        Pattern {
            fields: [minute, hour, day, month, weekday],
        }
    })
}

fn star() -> Field {
    Field {
        text: "*".to_owned(),
        values: (1..=31).collect(),
        numbers_only: false,
    }
}

fn star_months() -> Field {
    Field {
        values: (1..=12).collect(),
        ..star()
    }
}

fn star_weekdays() -> Field {
    Field {
        values: (0..=7).collect(),
        ..star()
    }
}

/// A star of a narrow strategy still means every hour.
fn restrict_star(hour: Field) -> Field {
    let Some(step) = hour.text.strip_prefix('*') else {
        return hour;
    };
    let step = step
        .strip_prefix('/')
        .map_or(1, |step| step.parse().expect("a step"));
    Field {
        values: (0..=23).step_by(step).collect(),
        ..hour
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn a_pattern_fires_when_the_oracle_says(
        pattern in patterns(),
        window in windows(),
        (zone, from) in zones().prop_flat_map(|zone| (Just(zone.clone()), instants(zone))),
    ) {
        let until = from + SignedDuration::from_hours(72);
        let expected: Vec<Timestamp> = pattern
            .fires(&zone, from, until)
            .into_iter()
            .filter(|at| window.contains(*at, &zone))
            .collect();
        let schedule = Schedule::cron(&pattern.text(), window, zone, from);
        let fires = match &schedule {
            Ok(schedule) => schedule.preview(from, expected.len() + 1),
            Err(violation) => {
                prop_assert!(violation.message.contains("never fires"), "{}", violation);
                Vec::new()
            }
        };
        let fires: Vec<Timestamp> = fires.into_iter().take_while(|at| *at <= until).collect();
        prop_assert_eq!(fires, expected, "{}", pattern.text());
    }
}
