//! An execution as a row of the log.

use heartbeat_domain::bot::Bot;
use heartbeat_domain::execution::{Execution, Phase, Status, Trigger};
use heartbeat_domain::heartbeat::Heartbeat;
use heartbeat_domain::reason::Reason;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Mark, Moment, without_label};
use crate::words;

/// How much of an answer a row shows.
const EXCERPT: usize = 140;
/// Lateness below this is not worth a word.
const LATE_FROM_MS: i64 = 2_000;

/// What a row says of the heartbeat that it belongs to; the heartbeat itself may be gone.
#[derive(Clone, Debug)]
pub(crate) struct Whose {
    pub(crate) name: String,
    pub(crate) href: Option<String>,
    pub(crate) zone: TimeZone,
    pub(crate) demo: bool,
}

impl Whose {
    /// Of a heartbeat that is there.
    pub(crate) fn of(heartbeat: &Heartbeat, bot: &Bot) -> Self {
        Self {
            name: super::name(heartbeat),
            href: Some(super::heartbeat::href(heartbeat)),
            zone: super::zone(heartbeat),
            demo: super::is_demo(heartbeat, bot),
        }
    }

    /// Of one that is gone; what remains is what its execution says.
    pub(crate) fn gone(execution: &Execution) -> Self {
        let name = match execution.prompt.trim() {
            "" => "deleted heartbeat".to_owned(),
            prompt => format!("{} (deleted)", words::excerpt(prompt, 40)),
        };
        Self {
            name,
            href: None,
            zone: TimeZone::UTC,
            demo: false,
        }
    }
}

/// A row of the log.
#[derive(Clone, Debug)]
pub(crate) struct ExecutionRow {
    pub(crate) id: String,
    pub(crate) href: String,
    pub(crate) whose: Whose,
    pub(crate) mark: Mark,
    pub(crate) reason: Option<Reason>,
    pub(crate) due: Moment,
    pub(crate) late: Option<String>,
    pub(crate) trigger: Option<&'static str>,
    pub(crate) missed: Option<String>,
    pub(crate) duration: Option<String>,
    pub(crate) tokens: Option<String>,
    pub(crate) credits: Option<String>,
    pub(crate) says: Option<String>,
    /// Nobody was told anything, no model was asked, and nobody had asked for it.
    pub(crate) quiet: bool,
    /// Quiet beats of the same heartbeat that this row stands for too.
    pub(crate) folded: u64,
    pub(crate) demo: bool,
    pub(crate) open: bool,
    pub(crate) needs_review: bool,
}

impl ExecutionRow {
    pub(crate) fn new(
        execution: &Execution,
        whose: Whose,
        told: Option<&str>,
        now: Timestamp,
    ) -> Self {
        let moment = |at| Moment::new(at, &whose.zone, now);
        let ran = execution.started_at.is_some();
        let spent = |number: u64| (number > 0).then(|| words::count(number));
        let quiet = told.is_none() && is_quiet(execution);
        let says = says(execution, told);
        Self {
            id: execution.id.to_string(),
            href: format!("/executions/{}", execution.id),
            mark: Mark::of(execution),
            reason: execution.reason,
            due: moment(execution.due_at),
            late: late(execution),
            trigger: trigger(execution.trigger),
            missed: missed(execution, &whose.zone),
            duration: ran
                .then_some(execution.finished_at)
                .flatten()
                .map(|_| words::duration(execution.duration_ms())),
            tokens: spent(execution.tokens_used),
            credits: spent(execution.credits_charged),
            demo: whose.demo && says.is_some() && execution.status == Some(Status::Success),
            says,
            quiet,
            folded: 0,
            open: execution.phase != Phase::Ended,
            needs_review: execution.needs_review,
            whose,
        }
    }
}

/// A watch that found nothing, on its schedule.
fn is_quiet(execution: &Execution) -> bool {
    execution.status == Some(Status::Success)
        && execution.response.is_empty()
        && execution.tokens_used == 0
        && execution.trigger != Trigger::Manual
}

/// What it came to, in a line; what people were told where it says nothing itself.
fn says(execution: &Execution, told: Option<&str>) -> Option<String> {
    let text = match (execution.status, execution.reason) {
        (Some(Status::Skipped | Status::Cancelled), Some(reason)) => reason.meaning(),
        _ => match &execution.error_message {
            Some(message) => message,
            None if execution.response.is_empty() => without_label(told.unwrap_or_default()),
            None => without_label(&execution.response),
        },
    };
    Some(words::excerpt(text, EXCERPT)).filter(|text| !text.is_empty())
}

fn late(execution: &Execution) -> Option<String> {
    let late = execution.late_ms().filter(|late| *late >= LATE_FROM_MS)?;
    (execution.trigger != Trigger::Manual).then(|| words::duration(late))
}

/// What caused it, where that is not its schedule.
fn trigger(trigger: Trigger) -> Option<&'static str> {
    match trigger {
        Trigger::Schedule => None,
        Trigger::Manual => Some("triggered by hand"),
        Trigger::CatchUp => Some("caught up"),
        Trigger::Message => Some("by a message"),
    }
}

/// Which moments a row covers, where it covers several.
fn missed(execution: &Execution, zone: &TimeZone) -> Option<String> {
    let count = execution.missed_count.filter(|count| *count > 1)?;
    let at = |at: Timestamp| at.to_zoned(zone.clone()).strftime("%a %H:%M").to_string();
    let (first, last) = (execution.first_due_at?, execution.last_due_at?);
    Some(format!(
        "{}, {} to {}",
        words::plural(count, "moment"),
        at(first),
        at(last)
    ))
}
