//! Everything that follows from an outcome, as one value that is written in one transaction.

use jiff::Timestamp;

use crate::budget::{Level, Scope, whole_credits};
use crate::execution::{BreakerEffect, Ending, Execution, Outcome, Status, Trigger};
use crate::heartbeat::{Heartbeat, Settings, Skipped, Standing};
use crate::notice::{NoticeDraft, Priority};
use crate::reason::Reason;
use crate::schedule::Schedule;

/// What one outcome changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Settlement {
    /// The execution's row as it stays.
    pub execution: Execution,
    /// The heartbeat from now on; absent if it is gone.
    pub heartbeat: Option<Heartbeat>,
    /// Rows for moments that this execution's own does not cover.
    pub skipped: Vec<Skipped>,
    /// Messages to people.
    pub notices: Vec<NoticeDraft>,
}

/// The heartbeat that a fire belongs to, with its schedule and its levels of budget, the latter
/// before this execution's charge.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// The heartbeat, as locked by the transaction.
    pub heartbeat: &'a Heartbeat,
    /// Its schedule.
    pub schedule: &'a Schedule,
    /// Budgets that the execution draws on.
    pub levels: &'a [Level],
}

/// Settles an outcome.
///
/// The credits drawn are the spent micro-credits rounded up once. The next due time is the first
/// value of the schedule later than `now`; every value passed over is covered by a row. Only fires
/// of the schedule move the breaker. The baseline moves only with a success. What has spent, if only
/// on a turn whose answer was lost, was not skipped: it ends as an error that nobody counts.
#[must_use]
pub fn settle(
    execution: &Execution,
    owner: Option<Owner<'_>>,
    mut ending: Ending,
    now: Timestamp,
) -> Settlement {
    if let (Outcome::Skipped { reason }, true) = (&ending.outcome, execution.held.spent > 0) {
        ending.outcome = Outcome::Error {
            reason: *reason,
            message: "stopped after it had spent credits".to_owned(),
            breaker: BreakerEffect::Ignored,
        };
    }
    let row = ended_row(execution, &ending, now);
    let mut settlement = Settlement {
        execution: row,
        heartbeat: None,
        skipped: Vec::new(),
        notices: ending.notices,
    };
    if let Some(owner) = owner {
        let after = (&ending.outcome, ending.baseline, ending.level);
        settle_heartbeat(&mut settlement, owner, after, now);
    }
    settlement
}

fn ended_row(execution: &Execution, ending: &Ending, now: Timestamp) -> Execution {
    let mut row = execution.clone();
    row.phase = crate::execution::Phase::Ended;
    row.status = Some(ending.outcome.status());
    row.reason = ending.outcome.reason();
    row.response.clone_from(&ending.response);
    if let Outcome::Error { message, .. } = &ending.outcome {
        row.error_message = Some(message.clone());
    }
    row.credits_charged = whole_credits(execution.held.spent);
    row.finished_at = Some(now);
    row.claimable_at = None;
    row
}

fn settle_heartbeat(
    settlement: &mut Settlement,
    owner: Owner<'_>,
    (outcome, baseline, refused): (&Outcome, Option<crate::watch::Baseline>, Option<Scope>),
    now: Timestamp,
) {
    let mut heartbeat = owner.heartbeat.clone();
    let row = &mut settlement.execution;
    let is_own_run = heartbeat
        .open
        .is_some_and(|open| open.execution_id == row.id);
    if is_own_run {
        let missed = row.missed_reason;
        settlement.skipped = heartbeat.cover_passed(owner.schedule, now, missed);
        heartbeat.open = None;
        merge_missed(row, &mut settlement.skipped);
    }
    record_outcome(&mut heartbeat, row, outcome, baseline);
    let opened = move_breaker(&mut heartbeat, row, outcome);
    let pause = match opened {
        true => Some(PauseFor::reason(Reason::Breaker)),
        false => overdrawn(row, owner.levels, refused, now),
    };
    heartbeat.make_claimable();
    if let Some(pause) = pause
        && (heartbeat.standing() == Standing::Active || opened && heartbeat.enabled)
    {
        heartbeat.pause(pause.reason, pause.resumes_at, now);
        settlement
            .notices
            .push(pause_notice(&heartbeat, row, &pause));
    }
    settlement.heartbeat = Some(heartbeat);
}

/// Why a heartbeat pauses by itself.
struct PauseFor {
    reason: Reason,
    resumes_at: Option<Timestamp>,
    /// The level of budget that is full.
    level: Option<Scope>,
}

impl PauseFor {
    fn reason(reason: Reason) -> Self {
        Self {
            reason,
            resumes_at: None,
            level: None,
        }
    }
}

/// A fire that was skipped for the same reason as the moments right before it shares one row with
/// them.
fn merge_missed(row: &mut Execution, skipped: &mut Vec<Skipped>) {
    let Some(first) = skipped.first().copied() else {
        return;
    };
    let mergeable = row.status == Some(Status::Skipped)
        && row.trigger != Trigger::Manual
        && row.reason == Some(first.reason)
        && first.last_due_at < row.due_at;
    if mergeable {
        row.first_due_at = Some(first.first_due_at);
        row.last_due_at = Some(row.due_at);
        row.missed_count = Some(first.count + 1);
        skipped.remove(0);
    }
}

fn record_outcome(
    heartbeat: &mut Heartbeat,
    row: &Execution,
    outcome: &Outcome,
    baseline: Option<crate::watch::Baseline>,
) {
    match outcome.status() {
        Status::Cancelled => {}
        status => heartbeat.last_status = Some(status.as_str().to_owned()),
    }
    if outcome.status() != Status::Skipped {
        heartbeat.execution_count += 1;
        heartbeat.last_executed_at = row.started_at.or(heartbeat.last_executed_at);
    }
    if *outcome == Outcome::Success && baseline.is_some() && !watch_is_another(heartbeat, row) {
        heartbeat.baseline = baseline;
    }
}

/// Whether the run may have looked with a watch that has been replaced or taken away meanwhile;
/// such an edit also took the baseline away. What a new watch sees first is told as a first look.
fn watch_is_another(heartbeat: &Heartbeat, row: &Execution) -> bool {
    let edited = heartbeat.updated_at > row.created_at;
    heartbeat.settings.watch.is_none() || edited && heartbeat.baseline.is_none()
}

/// Counts errors in a row; answers whether the breaker opens.
fn move_breaker(heartbeat: &mut Heartbeat, row: &Execution, outcome: &Outcome) -> bool {
    if !matches!(row.trigger, Trigger::Schedule | Trigger::CatchUp) {
        return false;
    }
    let most = heartbeat.settings.max_consecutive_errors;
    match outcome {
        Outcome::Success => {
            heartbeat.error_count = 0;
            false
        }
        Outcome::Error {
            breaker: BreakerEffect::Counts,
            ..
        } => {
            heartbeat.error_count = heartbeat.error_count.saturating_add(1);
            heartbeat.error_count >= most
        }
        Outcome::Error {
            breaker: BreakerEffect::OpensAtOnce,
            ..
        } => {
            heartbeat.error_count = heartbeat.error_count.saturating_add(1);
            true
        }
        _ => false,
    }
}

/// Whether this outcome, or its charge, leaves a budget without room; and until when. A period that
/// is over by now, having begun before the run did, holds nothing up.
fn overdrawn(
    row: &Execution,
    levels: &[Level],
    refused: Option<Scope>,
    now: Timestamp,
) -> Option<PauseFor> {
    let scope = match row.reason {
        Some(Reason::Plan) if row.status != Some(Status::Cancelled) => {
            return Some(PauseFor::reason(Reason::Plan));
        }
        Some(Reason::BudgetExhausted) => refused.unwrap_or(Scope::Heartbeat),
        Some(Reason::CreditsExhausted) => refused.unwrap_or(Scope::ProjectDay),
        _ => {
            return filled(levels, row.credits_charged)
                .find_map(|level| until_next_period(level, row, now));
        }
    };
    let level = levels.iter().find(|level| level.scope == scope)?;
    if scope.reason() == Reason::BudgetExhausted {
        // Somebody may have lifted the limit meanwhile.
        level.limit?;
    }
    until_next_period(level, row, now)
}

/// The levels that a charge leaves full, from the narrowest.
fn filled(levels: &[Level], charged: u64) -> impl Iterator<Item = &Level> {
    levels.iter().filter(move |level| {
        let used = level.used.saturating_add(charged);
        charged > 0 && level.limit.is_some_and(|limit| used >= limit)
    })
}

/// The pause for a full level, unless its period is over. An execution draws on the periods in
/// which it started.
fn until_next_period(level: &Level, row: &Execution, now: Timestamp) -> Option<PauseFor> {
    let started_at = row.started_at.unwrap_or(row.created_at);
    let resumes_at = level.scope.resets_at(started_at);
    let over = resumes_at.is_some_and(|at| at <= now);
    (!over).then_some(PauseFor {
        reason: level.scope.reason(),
        resumes_at,
        level: Some(level.scope),
    })
}

/// What people are told when a heartbeat pauses. A level that many heartbeats share is told once in a
/// period, however many of them it pauses.
fn pause_notice(heartbeat: &Heartbeat, row: &Execution, pause: &PauseFor) -> NoticeDraft {
    let (name, reason) = (name(&heartbeat.settings), pause.reason);
    if let Some(level) = pause.level.filter(|level| *level != Scope::Heartbeat) {
        return level_notice(level, &name, (row, pause));
    }
    let message = match reason {
        Reason::Breaker => format!(
            "{} errors in a row paused it. The last one: {}. Mend the cause, then enable it again.",
            heartbeat.error_count,
            row.error_message.as_deref().unwrap_or("no message")
        ),
        reason => reason.meaning().to_owned(),
    };
    NoticeDraft {
        title: format!("Heartbeat paused: {name}"),
        message,
        priority: if reason == Reason::Breaker {
            Priority::Urgent
        } else {
            Priority::Normal
        },
        action_url: None,
        topic: Some(format!("pause:{}", heartbeat.id)),
        state: Some(format!("{reason}:{}", row.id)),
        ends: false,
    }
}

fn level_notice(level: Scope, name: &str, (row, pause): (&Execution, &PauseFor)) -> NoticeDraft {
    let (what, id) = match level {
        Scope::Bot => ("The agent's credits are used up", row.bot_id.to_string()),
        Scope::Member => {
            let id = row.member_id.map(|id| id.to_string());
            (
                "The subscriber's credits are used up",
                id.unwrap_or_default(),
            )
        }
        Scope::ProjectDay => (
            "The project's credits of this day are used up",
            row.project_id.to_string(),
        ),
        Scope::ProjectMonth | Scope::Heartbeat => (
            "The project's credits are used up",
            row.project_id.to_string(),
        ),
    };
    let until = pause
        .resumes_at
        .map_or_else(String::new, |at| format!(" until {at:.0}"));
    let message = format!(
        "\"{name}\" is paused{until}, and so is every other heartbeat that draws on {} when it next \
         falls due. They resume by themselves then, or at once when there is room again.",
        level.in_words()
    );
    NoticeDraft {
        title: what.to_owned(),
        message,
        priority: Priority::Normal,
        action_url: None,
        topic: Some(format!("budget:{}:{id}", level.as_str())),
        state: Some(format!("full{until}")),
        ends: false,
    }
}

/// The label, else the beginning of the prompt, else what its watch looks with.
fn name(settings: &Settings) -> String {
    if let Some(label) = &settings.label {
        return label.clone();
    }
    match (settings.prompt.trim(), &settings.watch) {
        ("", Some(watch)) => watch.tool.as_str().to_owned(),
        (prompt, _) => short(prompt),
    }
}

fn short(prompt: &str) -> String {
    let line = prompt.lines().next().unwrap_or_default();
    if line.chars().count() <= 60 {
        return line.to_owned();
    }
    line.chars().take(57).chain("...".chars()).collect()
}
