//! What a person sets of a heartbeat, and the rules that it must keep.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bot::check_text;
use crate::budget::check_credits;
use crate::plan::Plan;
use crate::schedule::{Schedule, parse_zone};
use crate::violation::Violation;
use crate::watch::Watch;
use crate::window::ActiveWindow;

/// What a person sets of a heartbeat.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// A name for people.
    pub label: Option<String>,
    /// The instruction that each execution carries out; empty only beside a watch.
    pub prompt: String,
    /// The model in the place of the agent's own.
    pub run_model: Option<String>,
    /// When it fires.
    pub schedule: ScheduleFields,
    /// A look that decides whether the model runs at all.
    pub watch: Option<Watch>,
    /// Most credits for each billing period; `None` is unlimited, 0 is nothing.
    pub credit_budget: Option<u64>,
    /// Errors in a row that open the breaker.
    pub max_consecutive_errors: u32,
    /// How old a missed moment may be to be caught up with; `None` is the distance to the next
    /// fire, at most 120.
    pub catch_up_minutes: Option<u32>,
    /// Width over which fires are spread; moves starts, never due times.
    pub spread_minutes: u32,
}

/// The schedule as a person wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleFields {
    /// Minutes between fires; excludes `cron_pattern`.
    pub interval_minutes: Option<u32>,
    /// Five cron fields; excludes `interval_minutes`.
    pub cron_pattern: Option<String>,
    /// Start of the active window, `HH:MM`.
    pub active_hours_start: Option<String>,
    /// End of the active window, `HH:MM`.
    pub active_hours_end: Option<String>,
    /// Active weekdays, 1 = Monday.
    pub active_days: Option<String>,
    /// IANA time zone.
    pub timezone: String,
}

impl Default for ScheduleFields {
    fn default() -> Self {
        Self {
            interval_minutes: Some(30),
            cron_pattern: None,
            active_hours_start: None,
            active_hours_end: None,
            active_days: None,
            timezone: "UTC".into(),
        }
    }
}

impl ScheduleFields {
    /// The schedule that these fields describe.
    ///
    /// # Errors
    /// A field is wrong, or the schedule never fires in the eight years after `from`.
    pub fn parse(&self, from: Timestamp) -> Result<Schedule, Violation> {
        let zone = parse_zone(&self.timezone)?;
        let window = ActiveWindow::parse(
            self.active_hours_start.as_deref(),
            self.active_hours_end.as_deref(),
            self.active_days.as_deref(),
        )?;
        match (self.interval_minutes, &self.cron_pattern) {
            (Some(minutes), None) => Schedule::interval(minutes, window, zone),
            (None, Some(pattern)) => Schedule::cron(pattern, window, zone, from),
            (Some(_), Some(_)) => Err(Violation::input(
                "cron_pattern",
                "give either interval_minutes or cron_pattern, not both",
            )),
            (None, None) => Err(Violation::input(
                "interval_minutes",
                "give interval_minutes or cron_pattern",
            )),
        }
    }
}

impl Settings {
    /// Checks everything that a person set against the rules and against the plan.
    ///
    /// # Errors
    /// The first rule that is broken, with its field.
    pub fn check(&self, plan: &Plan, now: Timestamp) -> Result<Schedule, Violation> {
        self.check_texts()?;
        self.check_numbers()?;
        if let Some(watch) = &self.watch {
            watch.check()?;
        }
        let schedule = self.schedule.parse(now)?;
        schedule.check_frequency(plan.minimum_minutes, now)?;
        self.check_spread(&schedule, now)?;
        Ok(schedule)
    }

    /// A start that may be later than the next fire would lose that fire.
    fn check_spread(&self, schedule: &Schedule, now: Timestamp) -> Result<(), Violation> {
        let too_wide = |_| {
            Violation::input(
                "spread_minutes",
                format!(
                    "{} is wider than the smallest distance between two fires; write less, or \
                     fire more rarely",
                    self.spread_minutes
                ),
            )
        };
        schedule
            .check_frequency(self.spread_minutes, now)
            .map_err(too_wide)
    }

    fn check_texts(&self) -> Result<(), Violation> {
        let least = usize::from(self.watch.is_none());
        check_text("prompt", Some(&self.prompt), least, 32_768)?;
        check_text("label", self.label.as_deref(), 1, 255)?;
        check_text("run_model", self.run_model.as_deref(), 1, 255)
    }

    fn check_numbers(&self) -> Result<(), Violation> {
        within(
            "max_consecutive_errors",
            self.max_consecutive_errors,
            1,
            1_000,
        )?;
        within("spread_minutes", self.spread_minutes, 0, 1_440)?;
        within(
            "catch_up_minutes",
            self.catch_up_minutes.unwrap_or(0),
            0,
            527_040,
        )?;
        check_credits("credit_budget", self.credit_budget.unwrap_or(0))
    }
}

fn within(field: &'static str, value: u32, least: u32, most: u32) -> Result<(), Violation> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Violation::input(
        field,
        format!("must be between {least} and {most}, not {value}"),
    ))
}
