//! Whether a claimed fire may start: run, or skip with a reason.

use jiff::{SignedDuration, Timestamp};

use crate::claim::Claim;
use crate::execution::Trigger;
use crate::heartbeat::{Heartbeat, Settings, Standing};
use crate::plan::Plan;
use crate::reason::Reason;
use crate::schedule::{Due, Schedule};

/// The answer of [`admit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Carry it out.
    Run,
    /// Do not, and say why.
    Skip(Reason),
    /// It was cancelled, or its heartbeat deleted, before it began.
    Cancel(Reason),
}

/// The longest default for how late a missed fire may start.
const CATCH_UP_DEFAULT_MAX: SignedDuration = SignedDuration::from_mins(120);

/// How long after its due time a fire that nobody missed is on time.
const ON_TIME: SignedDuration = SignedDuration::from_mins(1);

/// Decides from the claim, the project's plan and `now`.
#[must_use]
pub fn admit(claim: &Claim, plan: Option<&Plan>, schedule: &Schedule, now: Timestamp) -> Admission {
    if let Some(reason) = claim.execution.cancel_requested {
        return Admission::Cancel(reason);
    }
    let Some(heartbeat) = &claim.heartbeat else {
        return Admission::Cancel(Reason::Deleted);
    };
    let refusal = rights(claim, heartbeat, plan)
        .or_else(|| standing(claim, heartbeat))
        .or_else(|| timing(claim, heartbeat, schedule, now))
        .or_else(|| purse(heartbeat));
    refusal.map_or(Admission::Run, Admission::Skip)
}

/// Switch, plan and project hold triggers too.
fn rights(claim: &Claim, heartbeat: &Heartbeat, plan: Option<&Plan>) -> Option<Reason> {
    if claim.project.paused_at.is_some() {
        return Some(Reason::ProjectPaused);
    }
    if !claim.bot.is_switched_on() {
        return Some(Reason::SwitchedOff);
    }
    let local = heartbeat
        .settings
        .watch
        .as_ref()
        .is_some_and(|watch| watch.tool.is_local());
    match plan {
        Some(plan) if plan.has_heartbeats() && (plan.local_access || !local) => None,
        _ => Some(Reason::Plan),
    }
}

/// A fire that no holder has begun does not start once its heartbeat was paused or disabled.
fn standing(claim: &Claim, heartbeat: &Heartbeat) -> Option<Reason> {
    if !is_scheduled(claim) || claim.taken_over {
        return None;
    }
    match heartbeat.standing() {
        Standing::Active => None,
        Standing::Paused(pause) => Some(pause.reason),
        Standing::Off => Some(Reason::Off),
    }
}

/// Window and catch-up limit do not hold triggers. A spread is no lateness, and a fire whose moment
/// came while nodes were up is on time for a minute, however short the limit.
fn timing(
    claim: &Claim,
    heartbeat: &Heartbeat,
    schedule: &Schedule,
    now: Timestamp,
) -> Option<Reason> {
    if !is_scheduled(claim) {
        return None;
    }
    let due_at = claim.execution.due_at;
    let limit = catch_up_limit(heartbeat, schedule, due_at);
    let limit = match claim.execution.trigger {
        Trigger::CatchUp => limit,
        _ => limit.max(ON_TIME),
    };
    if now
        .duration_since(due_at)
        .saturating_sub(heartbeat.spread())
        > limit
    {
        return Some(claim.execution.missed_reason);
    }
    (!schedule.window.contains(now, &schedule.zone)).then_some(Reason::WindowClosed)
}

/// A budget of nothing has room for no turn; a watch looks without one.
fn purse(heartbeat: &Heartbeat) -> Option<Reason> {
    let Settings {
        credit_budget,
        watch,
        ..
    } = &heartbeat.settings;
    (*credit_budget == Some(0) && watch.is_none()).then_some(Reason::BudgetExhausted)
}

fn is_scheduled(claim: &Claim) -> bool {
    matches!(
        claim.execution.trigger,
        Trigger::Schedule | Trigger::CatchUp
    )
}

/// How late a fire may start: what was set, else the distance to its next fire, at most 120
/// minutes.
#[must_use]
pub fn catch_up_limit(
    heartbeat: &Heartbeat,
    schedule: &Schedule,
    due_at: Timestamp,
) -> SignedDuration {
    if let Some(minutes) = heartbeat.settings.catch_up_minutes {
        return SignedDuration::from_mins(i64::from(minutes));
    }
    let own = Due {
        at: due_at,
        anchor: schedule.zone.to_datetime(due_at).time(),
    };
    match schedule.next_due(&own) {
        Some(next) => next.at.duration_since(due_at).min(CATCH_UP_DEFAULT_MAX),
        None => CATCH_UP_DEFAULT_MAX,
    }
}
