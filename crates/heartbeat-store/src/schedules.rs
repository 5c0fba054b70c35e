//! Schedules by their text. Reading one is pure, so what is kept cannot go stale.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use heartbeat_domain::heartbeat::{Heartbeat, ScheduleFields};
use heartbeat_domain::schedule::Schedule;

use crate::StoreError;
use crate::verbs::Result;

/// When so many are kept, all are forgotten.
const KEPT_MAX: usize = 10_000;

/// Schedules that were read before.
#[derive(Debug, Default)]
pub(crate) struct Schedules(Mutex<HashMap<String, Arc<Schedule>>>);

impl Schedules {
    /// The schedule of a heartbeat. It was checked when it was set, so a failure is the database's
    /// or the time zone database's.
    pub(crate) fn of(&self, heartbeat: &Heartbeat) -> Result<Arc<Schedule>> {
        let key = key(&heartbeat.settings.schedule);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(schedule) = kept.get(&key) {
            return Ok(Arc::clone(schedule));
        }
        let schedule = heartbeat.schedule().map_err(|violation| {
            StoreError::Corrupt(format!(
                "the schedule of heartbeat {}: {violation}",
                heartbeat.id
            ))
        })?;
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        let schedule = Arc::new(schedule);
        kept.insert(key, Arc::clone(&schedule));
        Ok(schedule)
    }
}

fn key(fields: &ScheduleFields) -> String {
    let minutes = fields.interval_minutes.map(|minutes| minutes.to_string());
    let parts = [
        minutes.as_deref(),
        fields.cron_pattern.as_deref(),
        fields.active_hours_start.as_deref(),
        fields.active_hours_end.as_deref(),
        fields.active_days.as_deref(),
        Some(fields.timezone.as_str()),
    ];
    parts.map(|part| part.unwrap_or("\u{0}")).join("\n")
}
