//! Values as people read them. As JSON they are what the API answers.

use heartbeat_api::wire::bots::BotObject;
use heartbeat_api::wire::executions::{LogObject, RunResult, StepObject};
use heartbeat_api::wire::heartbeats::HeartbeatObject;
use heartbeat_api::wire::notifications::NotificationObject;
use heartbeat_api::wire::stats::StatsObject;
use heartbeat_api::wire::tools::ToolServerObject;
use heartbeat_domain::bot::Bot;
use heartbeat_domain::execution::{Execution, Phase, Status};
use heartbeat_domain::heartbeat::{Heartbeat, Standing};
use heartbeat_domain::step::Step;
use heartbeat_domain::tool::ToolServer;
use heartbeat_store::verbs::{Notice, StatsSummary};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::Value;

/// The label, or the beginning of the prompt.
pub(crate) fn name(heartbeat: &Heartbeat) -> String {
    let settings = &heartbeat.settings;
    settings
        .label
        .clone()
        .unwrap_or_else(|| first_words(&settings.prompt, 40))
}

/// When it fires, in a few words.
pub(crate) fn schedule(heartbeat: &Heartbeat) -> String {
    let fields = &heartbeat.settings.schedule;
    let mut words = match (&fields.cron_pattern, fields.interval_minutes) {
        (Some(pattern), _) => format!("`{pattern}`"),
        (None, Some(minutes)) => format!("every {minutes} min"),
        (None, None) => String::new(),
    };
    if fields.active_hours_start.is_some() || fields.active_hours_end.is_some() {
        let start = fields.active_hours_start.as_deref().unwrap_or("00:00");
        let end = fields.active_hours_end.as_deref().unwrap_or("24:00");
        words.push_str(&format!(" {start}-{end}"));
    }
    if let Some(days) = &fields.active_days {
        words.push_str(&format!(" days {days}"));
    }
    format!("{words} {}", fields.timezone)
}

/// Active, paused and why, or off.
pub(crate) fn standing(heartbeat: &Heartbeat) -> String {
    match heartbeat.standing() {
        Standing::Active => "active".into(),
        Standing::Off => "off".into(),
        Standing::Paused(pause) => match pause.resumes_at {
            Some(at) => format!("paused: {} until {}", pause.reason, instant(at)),
            None => format!("paused: {}", pause.reason),
        },
    }
}

/// The next fire in its own zone, where it has one.
pub(crate) fn next(heartbeat: &Heartbeat) -> String {
    let (Standing::Active, Some(next)) = (heartbeat.standing(), heartbeat.next) else {
        return "-".into();
    };
    let zone = heartbeat
        .schedule()
        .map_or(TimeZone::UTC, |schedule| schedule.zone);
    next.at
        .to_zoned(zone)
        .strftime("%Y-%m-%d %H:%M:%S %Z")
        .to_string()
}

/// An instant in UTC, to the second.
pub(crate) fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A duration for a column.
pub(crate) fn millis(millis: i64) -> String {
    match millis {
        ..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        _ => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1_000),
    }
}

/// How it ended and why, or where it is.
pub(crate) fn status(execution: &Execution) -> String {
    let status = match execution.phase {
        Phase::Ended => execution.status.map_or("", Status::as_str),
        open => open.as_str(),
    };
    match execution.reason {
        Some(reason) => format!("{status}: {reason}"),
        None => status.into(),
    }
}

/// What came of it, in one line.
pub(crate) fn gist(execution: &Execution) -> String {
    let missed = execution
        .missed_count
        .map(|count| format!("{count} moments"));
    let words = execution.error_message.clone().or(missed);
    first_words(&words.unwrap_or_else(|| execution.response.clone()), 60)
}

pub(crate) fn first_words(text: &str, most: usize) -> String {
    let line = text
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    if line.chars().count() <= most {
        return line.into();
    }
    line.chars().take(most - 1).chain(['…']).collect()
}

/// What the API answers for a value.
pub(crate) fn wire<W: Serialize>(value: impl Into<W>) -> Value {
    serde_json::to_value(value.into()).unwrap_or(Value::Null)
}

pub(crate) fn bot(bot: &Bot) -> Value {
    wire::<BotObject>(bot.clone())
}

pub(crate) fn tool(server: &ToolServer) -> Value {
    wire::<ToolServerObject>(server.clone())
}

pub(crate) fn heartbeat(heartbeat: &Heartbeat, now: Timestamp) -> Value {
    wire::<HeartbeatObject>(HeartbeatObject::of(heartbeat.clone(), now))
}

pub(crate) fn execution(execution: &Execution) -> Value {
    wire::<LogObject>(execution.clone())
}

pub(crate) fn result(execution: &Execution) -> Value {
    wire::<RunResult>(execution.clone())
}

pub(crate) fn step(step: &Step) -> Value {
    wire::<StepObject>(step.clone())
}

pub(crate) fn stats(stats: &StatsSummary) -> Value {
    wire::<StatsObject>(stats.clone())
}

pub(crate) fn notice(notice: &Notice) -> Value {
    wire::<NotificationObject>(notice.clone())
}
