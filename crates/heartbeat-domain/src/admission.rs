//! Whether a claimed fire may start: run, or skip with a reason.

use jiff::{SignedDuration, Timestamp};

use crate::claim::Claim;
use crate::execution::Trigger;
use crate::heartbeat::Heartbeat;
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
        .or_else(|| timing(claim, heartbeat, schedule, now))
        .or_else(|| {
            (heartbeat.settings.credit_budget == Some(0)).then_some(Reason::BudgetExhausted)
        });
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

/// Window and catch-up limit do not hold triggers.
fn timing(
    claim: &Claim,
    heartbeat: &Heartbeat,
    schedule: &Schedule,
    now: Timestamp,
) -> Option<Reason> {
    if !matches!(
        claim.execution.trigger,
        Trigger::Schedule | Trigger::CatchUp
    ) {
        return None;
    }
    let due_at = claim.execution.due_at;
    if now.duration_since(due_at) > catch_up_limit(heartbeat, schedule, due_at) {
        return Some(claim.execution.missed_reason);
    }
    (!schedule.window.contains(now, &schedule.zone)).then_some(Reason::WindowClosed)
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
    let anchor = heartbeat.next.map(|next| next.anchor);
    let own = Due {
        at: due_at,
        anchor: anchor.unwrap_or_default(),
    };
    match schedule.next_due(&own) {
        Some(next) => next.at.duration_since(due_at).min(CATCH_UP_DEFAULT_MAX),
        None => CATCH_UP_DEFAULT_MAX,
    }
}
