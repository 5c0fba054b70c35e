//! What is written down of executions and standstills, whichever database keeps it.

use heartbeat_domain::execution::{Execution, ExecutionType, Phase, Status, Trigger};
use heartbeat_domain::heartbeat::{Heartbeat, Pause, Skipped, Standing};
use heartbeat_domain::ids::{ExecutionId, HeartbeatId, ProjectId};
use heartbeat_domain::reason::Reason;
use jiff::Timestamp;
use uuid::Uuid;

/// A new row of a heartbeat, open and held by nobody.
pub(crate) fn fresh(
    heartbeat: &Heartbeat,
    id: ExecutionId,
    (trigger, due_at): (Trigger, Timestamp),
    now: Timestamp,
) -> Execution {
    Execution {
        id,
        project_id: heartbeat.project_id,
        bot_id: heartbeat.bot_id,
        heartbeat_id: Some(heartbeat.id),
        member_id: heartbeat.member_id,
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
        held: heartbeat_domain::budget::Held::default(),
        credits_charged: 0,
        first_due_at: None,
        last_due_at: None,
        missed_count: None,
        missed_reason: Reason::Capacity,
        needs_review: false,
        cancel_requested: None,
        fence: 0,
        claimable_at: None,
        created_at: now,
        started_at: None,
        finished_at: None,
    }
}

/// A new row that has ended as skipped.
pub(crate) fn skipped_row(mut row: Execution, reason: Reason, now: Timestamp) -> Execution {
    row.phase = Phase::Ended;
    row.status = Some(Status::Skipped);
    row.reason = Some(reason);
    row.finished_at = Some(now);
    row.claimable_at = None;
    row
}

/// The row that covers a run of missed moments.
pub(crate) fn covering_row(
    heartbeat: &Heartbeat,
    id: ExecutionId,
    skipped: &Skipped,
    now: Timestamp,
) -> Execution {
    let fire = (Trigger::Schedule, skipped.first_due_at);
    let mut row = skipped_row(fresh(heartbeat, id, fire, now), skipped.reason, now);
    row.first_due_at = Some(skipped.first_due_at);
    row.last_due_at = Some(skipped.last_due_at);
    row.missed_count = Some(skipped.count);
    row.missed_reason = skipped.reason;
    row
}

/// A heartbeat that cannot go on: paused with `internal` until somebody mends it.
pub(crate) fn broken(heartbeat: &Heartbeat, now: Timestamp) -> Heartbeat {
    let mut heartbeat = heartbeat.clone();
    heartbeat.open = None;
    heartbeat.claimable_at = None;
    if heartbeat.standing() != Standing::Off {
        heartbeat.paused = Some(Pause {
            reason: Reason::Internal,
            since: now,
            resumes_at: None,
        });
    }
    heartbeat
}

/// A change between having due moments and standing still.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standstill {
    pub(crate) project_id: Uuid,
    pub(crate) heartbeat_id: Uuid,
    /// A standstill that begins, with its reason and, if it ends by itself, when.
    pub(crate) begins: Option<(Reason, Option<Timestamp>)>,
    /// Whether one ends.
    pub(crate) ends: bool,
    pub(crate) now: Timestamp,
}

impl Standstill {
    /// What changed between two versions of a heartbeat, if that did.
    pub(crate) fn between(before: &Heartbeat, after: &Heartbeat, now: Timestamp) -> Option<Self> {
        let (old, new) = (standstill(before), standstill(after));
        (old != new).then(|| Self {
            project_id: after.project_id.0,
            heartbeat_id: after.id.0,
            begins: new.map(|(reason, _, resumes_at)| (reason, resumes_at)),
            ends: old.is_some(),
            now,
        })
    }

    /// The first one of a heartbeat that was made without being enabled, or could not start.
    pub(crate) fn of_new(heartbeat: &Heartbeat, now: Timestamp) -> Option<Self> {
        let (reason, _, resumes_at) = standstill(heartbeat)?;
        Some(Self {
            project_id: heartbeat.project_id.0,
            heartbeat_id: heartbeat.id.0,
            begins: Some((reason, resumes_at)),
            ends: false,
            now,
        })
    }

    /// That of a heartbeat that cannot be read.
    pub(crate) fn of_unreadable(
        project_id: ProjectId,
        heartbeat_id: HeartbeatId,
        now: Timestamp,
    ) -> Self {
        Self {
            project_id: project_id.0,
            heartbeat_id: heartbeat_id.0,
            begins: Some((Reason::Internal, None)),
            ends: true,
            now,
        }
    }

    /// The end of a heartbeat itself.
    pub(crate) fn of_deleted(heartbeat: &Heartbeat, now: Timestamp) -> Self {
        Self {
            project_id: heartbeat.project_id.0,
            heartbeat_id: heartbeat.id.0,
            begins: None,
            ends: true,
            now,
        }
    }
}

fn standstill(heartbeat: &Heartbeat) -> Option<(Reason, Option<Timestamp>, Option<Timestamp>)> {
    match heartbeat.standing() {
        Standing::Active => None,
        Standing::Off => Some((Reason::Off, None, None)),
        Standing::Paused(pause) => Some((pause.reason, Some(pause.since), pause.resumes_at)),
    }
}
