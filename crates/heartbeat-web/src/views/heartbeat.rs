//! A heartbeat on a page: its name, its schedule in words, its standing, and whether it needs
//! somebody.

use heartbeat_domain::bot::Bot;
use heartbeat_domain::execution::Status;
use heartbeat_domain::heartbeat::{Heartbeat, Pause, Standing};
use heartbeat_domain::reason::Reason;
use heartbeat_domain::schedule::parse_zone;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Beats, Mark, Moment};
use crate::words;

const DEMO_MODEL: &str = "demo";

/// A row of a list of heartbeats.
#[derive(Clone, Debug)]
pub(crate) struct HeartbeatRow {
    pub(crate) href: String,
    pub(crate) name: String,
    pub(crate) schedule: String,
    pub(crate) zone: String,
    pub(crate) standing: StandingView,
    pub(crate) next: Option<Moment>,
    pub(crate) running: Option<String>,
    pub(crate) last: Option<Mark>,
    pub(crate) last_at: Option<Moment>,
    pub(crate) beats: Beats,
    pub(crate) demo: bool,
}

impl HeartbeatRow {
    pub(crate) fn new(heartbeat: &Heartbeat, bot: &Bot, beats: Beats, now: Timestamp) -> Self {
        let zone = zone(heartbeat);
        let moment = |at| Moment::new(at, &zone, now);
        let active = heartbeat.standing() == Standing::Active;
        Self {
            href: href(heartbeat),
            name: name(heartbeat),
            schedule: words::schedule(heartbeat),
            zone: heartbeat.settings.schedule.timezone.clone(),
            standing: StandingView::new(heartbeat, now),
            next: heartbeat
                .next
                .filter(|_| active)
                .map(|next| moment(next.at)),
            running: heartbeat
                .open
                .map(|open| format!("/executions/{}", open.execution_id)),
            last: heartbeat.last_status.as_deref().and_then(Mark::of_status),
            last_at: heartbeat.last_executed_at.map(moment),
            beats,
            demo: is_demo(heartbeat, bot),
        }
    }
}

/// Active, paused (why and until when) or off.
#[derive(Clone, Debug)]
pub(crate) struct StandingView {
    pub(crate) mark: Mark,
    pub(crate) reason: Option<Reason>,
    pub(crate) since: Option<Moment>,
    pub(crate) until: Option<Moment>,
}

impl StandingView {
    pub(crate) fn new(heartbeat: &Heartbeat, now: Timestamp) -> Self {
        let zone = zone(heartbeat);
        let moment = |at| Moment::new(at, &zone, now);
        let (word, pause) = match heartbeat.standing() {
            Standing::Active => ("active", None),
            Standing::Paused(pause) => ("paused", Some(pause)),
            Standing::Off => ("off", None),
        };
        Self {
            mark: Mark { word },
            reason: pause.map(|pause| pause.reason),
            since: pause.map(|pause| moment(pause.since)),
            until: pause.and_then(|pause| pause.resumes_at).map(moment),
        }
    }
}

/// Where its page is.
pub(super) fn href(heartbeat: &Heartbeat) -> String {
    format!("/heartbeats/{}", heartbeat.id)
}

/// What people call it: its label, else the beginning of its prompt, else what it watches.
pub(crate) fn name(heartbeat: &Heartbeat) -> String {
    let settings = &heartbeat.settings;
    match (&settings.label, settings.prompt.trim(), &settings.watch) {
        (Some(label), _, _) => label.clone(),
        (None, "", Some(watch)) => format!("{} watch", watch.tool.as_str()),
        (None, prompt, _) => words::excerpt(prompt, 60),
    }
}

/// The zone of its local times.
pub(crate) fn zone(heartbeat: &Heartbeat) -> TimeZone {
    parse_zone(&heartbeat.settings.schedule.timezone).unwrap_or(TimeZone::UTC)
}

/// Whether the demo, which is no model, speaks in its runs.
pub(crate) fn is_demo(heartbeat: &Heartbeat, bot: &Bot) -> bool {
    let settings = &heartbeat.settings;
    let model = settings.run_model.as_deref().unwrap_or(&bot.model);
    model == DEMO_MODEL && !settings.prompt.trim().is_empty()
}

/// What a person has to do about it, if anything.
pub(crate) fn attention(heartbeat: &Heartbeat) -> Option<String> {
    match heartbeat.standing() {
        Standing::Paused(pause) => paused(heartbeat, pause),
        Standing::Active if heartbeat.error_count > 0 => {
            let errors = words::plural(u64::from(heartbeat.error_count), "error");
            let most = heartbeat.settings.max_consecutive_errors;
            Some(format!("{errors} in a row; at {most} it pauses"))
        }
        Standing::Active if heartbeat.last_status.as_deref() == Some(Status::Error.as_str()) => {
            Some("its last run failed".to_owned())
        }
        Standing::Active | Standing::Off => None,
    }
}

/// Pauses that somebody asked for need nobody.
fn paused(heartbeat: &Heartbeat, pause: Pause) -> Option<String> {
    match pause.reason {
        Reason::ProjectPaused | Reason::SwitchedOff => None,
        Reason::Breaker => {
            let errors = words::plural(u64::from(heartbeat.error_count), "error");
            Some(format!(
                "paused after {errors} in a row; mend the cause, then enable it"
            ))
        }
        reason => Some(format!("paused: {reason}")),
    }
}
