//! A heartbeat, its execution and its owners, plain enough that a case shows only what matters.

use heartbeat_domain::budget::{Held, Level};
use heartbeat_domain::execution::{
    BreakerEffect, Ending, Execution, ExecutionType, Outcome, Phase, Trigger,
};
use heartbeat_domain::heartbeat::{Heartbeat, OpenRun, ScheduleFields, Settings};
use heartbeat_domain::ids::{BotId, ExecutionId, HeartbeatId, ProjectId};
use heartbeat_domain::plan::Plan;
use heartbeat_domain::reason::Reason;
use heartbeat_domain::schedule::Schedule;
use heartbeat_domain::settlement::{Owner, Settlement, settle};
use heartbeat_domain::violation::Violation;
use jiff::Timestamp;
use uuid::Uuid;

/// When the heartbeats of these cases were made: a Monday, nine o'clock.
pub(crate) const MADE: &str = "2026-06-01T09:00:00Z";

/// An instant by its UTC text.
pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

/// That time on the day on which the heartbeats were made.
pub(crate) fn clock(time: &str) -> Timestamp {
    at(&format!("2026-06-01T{time}Z"))
}

pub(crate) fn settings() -> Settings {
    Settings {
        prompt: "Look after the queue".into(),
        ..Settings::default()
    }
}

pub(crate) fn every(minutes: u32) -> ScheduleFields {
    ScheduleFields {
        interval_minutes: Some(minutes),
        ..ScheduleFields::default()
    }
}

pub(crate) fn cron(pattern: &str) -> ScheduleFields {
    ScheduleFields {
        interval_minutes: None,
        cron_pattern: Some(pattern.into()),
        ..ScheduleFields::default()
    }
}

/// A heartbeat that is off.
pub(crate) fn off(settings: Settings) -> Heartbeat {
    Heartbeat {
        id: HeartbeatId(Uuid::from_u128(7)),
        project_id: ProjectId(Uuid::from_u128(1)),
        bot_id: BotId(Uuid::from_u128(2)),
        bot_number: 1,
        member_id: None,
        settings,
        enabled: false,
        paused: None,
        next: None,
        claimable_at: None,
        open: None,
        error_count: 0,
        execution_count: 0,
        credits_used: 0,
        last_executed_at: None,
        last_status: None,
        baseline: None,
        grid_since: None,
        created_at: at(MADE),
        updated_at: at(MADE),
    }
}

/// One that was enabled when it was made.
pub(crate) fn active(settings: Settings) -> Heartbeat {
    let heartbeat = off(settings);
    let schedule = schedule_of(&heartbeat);
    heartbeat.enabled_at(&schedule, at(MADE)).heartbeat
}

pub(crate) fn schedule_of(heartbeat: &Heartbeat) -> Schedule {
    heartbeat.schedule().expect("a valid schedule")
}

pub(crate) fn next_at(heartbeat: &Heartbeat) -> Option<Timestamp> {
    heartbeat.next.map(|next| next.at)
}

/// An execution that began when it was due.
pub(crate) fn execution(heartbeat: &Heartbeat, trigger: Trigger, due_at: Timestamp) -> Execution {
    let number = u128::try_from(due_at.as_millisecond()).expect("after 1970");
    Execution {
        id: ExecutionId(Uuid::from_u128(number)),
        project_id: heartbeat.project_id,
        bot_id: heartbeat.bot_id,
        heartbeat_id: Some(heartbeat.id),
        member_id: None,
        kind: ExecutionType::Heartbeat,
        trigger,
        due_at,
        phase: Phase::Running,
        status: None,
        reason: None,
        prompt: heartbeat.settings.prompt.clone(),
        response: String::new(),
        error_message: None,
        tokens_used: 0,
        held: Held::default(),
        credits_charged: 0,
        first_due_at: None,
        last_due_at: None,
        missed_count: None,
        missed_reason: Reason::Downtime,
        needs_review: false,
        cancel_requested: None,
        fence: 1,
        claimable_at: None,
        created_at: due_at,
        started_at: Some(due_at),
        finished_at: None,
    }
}

/// Marks an execution as the heartbeat's open one.
pub(crate) fn open(heartbeat: &mut Heartbeat, execution: &Execution) {
    heartbeat.open = Some(OpenRun::new(execution.id, execution.due_at));
    heartbeat.claimable_at = None;
}

/// Opens a fire of that trigger and due time.
pub(crate) fn begin(heartbeat: &mut Heartbeat, trigger: Trigger, due_at: Timestamp) -> Execution {
    let row = execution(heartbeat, trigger, due_at);
    open(heartbeat, &row);
    row
}

pub(crate) fn failed(reason: Reason, breaker: BreakerEffect) -> Outcome {
    Outcome::Error {
        reason,
        message: "no".into(),
        breaker,
    }
}

pub(crate) fn skipped(reason: Reason) -> Outcome {
    Outcome::Skipped { reason }
}

/// An error that the breaker counts.
pub(crate) fn counted() -> Outcome {
    failed(Reason::ModelError, BreakerEffect::Counts)
}

/// Settles against the heartbeat and its schedule, with those levels of budget.
pub(crate) fn settled(
    heartbeat: &Heartbeat,
    execution: &Execution,
    (ending, levels): (Ending, &[Level]),
    now: Timestamp,
) -> Settlement {
    let schedule = schedule_of(heartbeat);
    let owner = Owner {
        heartbeat,
        schedule: &schedule,
        levels,
    };
    settle(execution, Some(owner), ending, now)
}

/// The heartbeat after an outcome without a budget in sight.
pub(crate) fn after(
    heartbeat: &Heartbeat,
    execution: &Execution,
    outcome: Outcome,
    now: Timestamp,
) -> Heartbeat {
    let settlement = settled(heartbeat, execution, (Ending::plain(outcome), &[]), now);
    settlement.heartbeat.expect("it has an owner")
}

/// Checks settings on a machine of one's own.
pub(crate) fn checked(settings: &Settings) -> Result<(), Violation> {
    settings
        .check(&Plan::default(), clock("09:00:00"))
        .map(drop)
}

/// The field that was refused.
pub(crate) fn field<T>(result: Result<T, Violation>) -> Option<&'static str> {
    result.err().map(|violation| violation.field)
}
