//! Heartbeats.

use heartbeat_domain::heartbeat::{Heartbeat, HeartbeatChange, Standing};
use heartbeat_domain::violation::Violation;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{instant, switch};
use crate::input::Input;

/// Creates a heartbeat or, with `uuid`, updates it: a field left out keeps its value, null clears
/// it. Unknown keys, `heartbeat_id`, `name`, `model`, `instruction` and `status` are ignored.
#[derive(Clone, Debug, ToSchema)]
pub struct ConfigureRequest {
    /// The project.
    pub project_id: String,
    /// The agent, by UUID or row number.
    pub bot_id: String,
    /// The instruction, 1 to 32,768 characters; required on creation unless there is a watch.
    pub prompt: Option<String>,
    /// Whether it is to be active; off where left out on creation. 1 and 0 are taken too.
    pub enabled: Option<bool>,
    /// IANA name; `UTC` where left out.
    pub timezone: Option<String>,
    /// Most credits for each calendar month; null is unlimited, 0 is nothing.
    pub credit_budget: Option<u64>,
    /// Errors in a row that pause it: 1 to 1,000, 5 where left out.
    pub max_consecutive_errors: Option<u32>,
    /// The subscriber that it belongs to; null is all of the agent.
    pub member_id: Option<String>,
    /// Minutes between fires; 30 where there is no `cron_pattern` either.
    pub interval_minutes: Option<u32>,
    /// Start of the active window, `HH:MM`.
    pub active_hours_start: Option<String>,
    /// End of the active window, `HH:MM` or `24:00`.
    pub active_hours_end: Option<String>,
    /// Active weekdays, such as `1-5`; 1 is Monday.
    pub active_days: Option<String>,
    /// Five cron fields; excludes `interval_minutes`.
    pub cron_pattern: Option<String>,
    /// The heartbeat to update; a new one where left out.
    pub uuid: Option<String>,
    /// A name for people.
    pub label: Option<String>,
    /// The model in the place of the agent's own.
    pub run_model: Option<String>,
    /// A look that decides whether the model runs: `tool`, `arguments`, `selector`, `condition`.
    pub watch: Option<Value>,
    /// How old a missed moment may be to be caught up with.
    pub catch_up_minutes: Option<u32>,
    /// Width over which starts are spread.
    pub spread_minutes: Option<u32>,
}

/// The change that a configure request describes.
pub(crate) fn change(input: &Input) -> Result<HeartbeatChange, Violation> {
    Ok(HeartbeatChange {
        label: input.patch("label")?,
        prompt: input.patch("prompt")?,
        run_model: input.patch("run_model")?,
        interval_minutes: input.patch("interval_minutes")?,
        cron_pattern: input.patch("cron_pattern")?,
        active_hours_start: input.patch("active_hours_start")?,
        active_hours_end: input.patch("active_hours_end")?,
        active_days: input.patch("active_days")?,
        timezone: input.patch("timezone")?,
        watch: input.patch("watch")?,
        credit_budget: input.patch("credit_budget")?,
        max_consecutive_errors: input.patch("max_consecutive_errors")?,
        catch_up_minutes: input.patch("catch_up_minutes")?,
        spread_minutes: input.patch("spread_minutes")?,
        enabled: input.optional("enabled")?,
        member_id: None,
    })
}

/// Names a heartbeat.
#[derive(Clone, Debug, ToSchema, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HeartbeatRequest {
    /// The project.
    pub project_id: String,
    /// The agent, by UUID or row number.
    pub bot_id: String,
    /// The heartbeat.
    pub heartbeat_id: String,
}

/// Names an agent, and a subscriber.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HeartbeatsRequest {
    /// The project.
    pub project_id: String,
    /// The agent, by UUID or row number.
    pub bot_id: String,
    /// Only those of this subscriber.
    pub member_id: Option<String>,
}

/// A heartbeat.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Heartbeat)]
pub struct HeartbeatObject {
    /// What requests take as `heartbeat_id`.
    pub uuid: String,
    /// Row number of its agent.
    pub bot_id: i64,
    /// Row number of its subscriber.
    pub member_id: Option<i64>,
    /// The instruction.
    pub prompt: String,
    /// Minutes between fires; null beside a `cron_pattern`.
    pub interval_minutes: Option<u32>,
    /// Five cron fields; null beside `interval_minutes`.
    pub cron_pattern: Option<String>,
    /// 1 if a person wants it active; the breaker sets it to 0.
    #[schema(maximum = 1)]
    pub enabled: u8,
    /// Start of the active window.
    pub active_hours_start: Option<String>,
    /// End of the active window.
    pub active_hours_end: Option<String>,
    /// Active weekdays; 1 is Monday.
    pub active_days: Option<String>,
    /// IANA name.
    pub timezone: String,
    /// Most credits for each calendar month; null is unlimited.
    pub credit_budget: Option<u64>,
    /// Credits used in this calendar month.
    pub credits_used: u64,
    /// Start of the last execution that was not skipped.
    pub last_executed_at: Option<String>,
    /// `success`, `error` or `skipped`.
    pub last_status: Option<String>,
    /// Executions that were not skipped.
    pub execution_count: u64,
    /// Errors in a row.
    pub error_count: u32,
    /// Errors in a row that pause it.
    pub max_consecutive_errors: u32,
    /// When it was made.
    pub created_at: String,
    /// When a person last changed it.
    pub updated_at: String,
    /// A name for people.
    pub label: Option<String>,
    /// The model in the place of the agent's own.
    pub run_model: Option<String>,
    /// A look that decides whether the model runs.
    pub watch: Option<Value>,
    /// How old a missed moment may be to be caught up with.
    pub catch_up_minutes: Option<u32>,
    /// Width over which starts are spread.
    pub spread_minutes: u32,
    /// Why it stands still although somebody wants it active, or why it is not enabled any more.
    pub paused_reason: Option<&'static str>,
    /// When it goes on by itself, where that is known.
    pub resumes_at: Option<String>,
    /// Its next fire; null while it is off or paused.
    pub next_run_at: Option<String>,
    /// UUID of its agent.
    pub bot_uuid: String,
    /// UUID of its subscriber.
    pub member_uuid: Option<String>,
}

impl HeartbeatObject {
    /// As it is at `now`.
    #[must_use]
    pub fn of(heartbeat: Heartbeat, now: Timestamp) -> Self {
        let next_run_at = next_run_at(&heartbeat, now);
        let Heartbeat {
            settings, paused, ..
        } = heartbeat;
        let schedule = settings.schedule;
        Self {
            uuid: heartbeat.id.to_string(),
            bot_id: heartbeat.bot_number,
            member_id: None,
            prompt: settings.prompt,
            interval_minutes: schedule.interval_minutes,
            cron_pattern: schedule.cron_pattern,
            enabled: switch(heartbeat.enabled),
            active_hours_start: schedule.active_hours_start,
            active_hours_end: schedule.active_hours_end,
            active_days: schedule.active_days,
            timezone: schedule.timezone,
            credit_budget: settings.credit_budget,
            credits_used: heartbeat.credits_used,
            last_executed_at: heartbeat.last_executed_at.map(instant),
            last_status: heartbeat.last_status,
            execution_count: heartbeat.execution_count,
            error_count: heartbeat.error_count,
            max_consecutive_errors: settings.max_consecutive_errors,
            created_at: instant(heartbeat.created_at),
            updated_at: instant(heartbeat.updated_at),
            label: settings.label,
            run_model: settings.run_model,
            watch: settings
                .watch
                .and_then(|watch| serde_json::to_value(watch).ok()),
            catch_up_minutes: settings.catch_up_minutes,
            spread_minutes: settings.spread_minutes,
            paused_reason: paused.map(|pause| pause.reason.as_str()),
            resumes_at: paused.and_then(|pause| pause.resumes_at).map(instant),
            next_run_at: next_run_at.map(instant),
            bot_uuid: heartbeat.bot_id.to_string(),
            member_uuid: heartbeat.member_id.map(|id| id.to_string()),
        }
    }
}

/// The next fire of an active heartbeat; while one runs, the one after what has passed.
fn next_run_at(heartbeat: &Heartbeat, now: Timestamp) -> Option<Timestamp> {
    if heartbeat.standing() != Standing::Active {
        return None;
    }
    let next = heartbeat.next?;
    if heartbeat.open.is_none() || next.at > now {
        return Some(next.at);
    }
    Some(heartbeat.schedule().ok()?.advance(&next, now).next?.at)
}

/// One heartbeat.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HeartbeatResponse {
    /// The heartbeat.
    pub heartbeat: HeartbeatObject,
}

/// All heartbeats of an agent, oldest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HeartbeatsResponse {
    /// The heartbeats.
    pub heartbeats: Vec<HeartbeatObject>,
}

/// A sentence for people.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MessageResponse {
    /// The sentence.
    pub message: &'static str,
}

/// A schedule, or a heartbeat with one, and which of its fires are wanted.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PreviewRequest {
    /// The project.
    pub project_id: String,
    /// The agent; with `heartbeat_id`.
    pub bot_id: Option<String>,
    /// The heartbeat, in the place of the schedule's fields.
    pub heartbeat_id: Option<String>,
    /// Minutes between fires.
    pub interval_minutes: Option<u32>,
    /// Five cron fields.
    pub cron_pattern: Option<String>,
    /// Start of the active window, `HH:MM`.
    pub active_hours_start: Option<String>,
    /// End of the active window, `HH:MM` or `24:00`.
    pub active_hours_end: Option<String>,
    /// Active weekdays; 1 is Monday.
    pub active_days: Option<String>,
    /// IANA name; `UTC` where left out.
    pub timezone: Option<String>,
    /// The previous due time, whose local time of day is the anchor; now where left out.
    pub from: Option<String>,
    /// How many fires, 1 to 1,000; 10 where left out.
    pub count: Option<u32>,
}

/// Coming fires.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PreviewResponse {
    /// UTC, in order.
    pub fires: Vec<String>,
}
