//! What a request changes of a heartbeat.

use super::settings::{ScheduleFields, Settings};
use crate::ids::MemberId;
use crate::violation::Violation;
use crate::watch::Watch;

/// A field of a change: left out keeps its value, null clears it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// The field was left out.
    #[default]
    Keep,
    /// The field was null.
    Clear,
    /// The field has a new value.
    Set(T),
}

impl<T> Patch<T> {
    /// The value after the change of a field that may be absent.
    #[must_use]
    pub fn or_keep(self, old: Option<T>) -> Option<T> {
        match self {
            Self::Keep => old,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    /// The value after the change of a field that falls back to a default.
    #[must_use]
    pub fn or_default(self, old: T, default: T) -> T {
        match self {
            Self::Keep => old,
            Self::Clear => default,
            Self::Set(value) => value,
        }
    }

    /// Whether the field has a new value.
    #[must_use]
    pub fn is_set(&self) -> bool {
        matches!(self, Self::Set(_))
    }
}

/// What a configure request says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeartbeatChange {
    /// A name for people.
    pub label: Patch<String>,
    /// The instruction.
    pub prompt: Patch<String>,
    /// The model in the place of the agent's own.
    pub run_model: Patch<String>,
    /// Minutes between fires.
    pub interval_minutes: Patch<u32>,
    /// Five cron fields.
    pub cron_pattern: Patch<String>,
    /// Start of the active window.
    pub active_hours_start: Patch<String>,
    /// End of the active window.
    pub active_hours_end: Patch<String>,
    /// Active weekdays.
    pub active_days: Patch<String>,
    /// IANA time zone.
    pub timezone: Patch<String>,
    /// A look that decides whether the model runs.
    pub watch: Patch<Watch>,
    /// Most credits for each billing period.
    pub credit_budget: Patch<u64>,
    /// Errors in a row that open the breaker.
    pub max_consecutive_errors: Patch<u32>,
    /// How old a missed moment may be.
    pub catch_up_minutes: Patch<u32>,
    /// Width over which fires are spread.
    pub spread_minutes: Patch<u32>,
    /// Whether it is to be active; `None` keeps it, and means off on creation.
    pub enabled: Option<bool>,
    /// The subscriber; only read on creation.
    pub member_id: Option<MemberId>,
}

impl HeartbeatChange {
    /// The settings after this change; of a new heartbeat where there is no `old`.
    ///
    /// # Errors
    /// Both cadences are named, or a new heartbeat has neither prompt nor watch.
    pub fn applied_to(self, old: Option<&Settings>) -> Result<Settings, Violation> {
        if self.interval_minutes.is_set() && self.cron_pattern.is_set() {
            return Err(Violation::input(
                "cron_pattern",
                "give either interval_minutes or cron_pattern, not both",
            ));
        }
        if old.is_none() && !self.prompt.is_set() && !self.watch.is_set() {
            return Err(Violation::input(
                "prompt",
                "is required: a text of 1 to 32768 characters",
            ));
        }
        let fresh = Settings::default();
        let old = old.unwrap_or(&fresh).clone();
        Ok(Settings {
            schedule: self.schedule(&old.schedule),
            label: self.label.or_keep(old.label),
            prompt: self.prompt.or_default(old.prompt, String::new()),
            run_model: self.run_model.or_keep(old.run_model),
            watch: self.watch.or_keep(old.watch),
            credit_budget: self.credit_budget.or_keep(old.credit_budget),
            max_consecutive_errors: self
                .max_consecutive_errors
                .or_default(old.max_consecutive_errors, 5),
            catch_up_minutes: self.catch_up_minutes.or_keep(old.catch_up_minutes),
            spread_minutes: self.spread_minutes.or_default(old.spread_minutes, 0),
        })
    }

    /// Naming one cadence replaces the other; clearing the only one falls back to 30 minutes.
    fn schedule(&self, old: &ScheduleFields) -> ScheduleFields {
        let mut interval_minutes = self.interval_minutes.clone().or_keep(old.interval_minutes);
        let mut cron_pattern = self.cron_pattern.clone().or_keep(old.cron_pattern.clone());
        if self.interval_minutes.is_set() {
            cron_pattern = None;
        } else if self.cron_pattern.is_set() {
            interval_minutes = None;
        }
        if interval_minutes.is_none() && cron_pattern.is_none() {
            interval_minutes = ScheduleFields::default().interval_minutes;
        }
        ScheduleFields {
            interval_minutes,
            cron_pattern,
            active_hours_start: self
                .active_hours_start
                .clone()
                .or_keep(old.active_hours_start.clone()),
            active_hours_end: self
                .active_hours_end
                .clone()
                .or_keep(old.active_hours_end.clone()),
            active_days: self.active_days.clone().or_keep(old.active_days.clone()),
            timezone: self
                .timezone
                .clone()
                .or_default(old.timezone.clone(), "UTC".into()),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            label: None,
            prompt: String::new(),
            run_model: None,
            schedule: ScheduleFields::default(),
            watch: None,
            credit_budget: None,
            max_consecutive_errors: 5,
            catch_up_minutes: None,
            spread_minutes: 0,
        }
    }
}
