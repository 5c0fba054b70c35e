//! How heartbeats stand in the light of the switches above them, whichever database keeps them.
//!
//! A switch is set in one transaction and holds from then on; the heartbeats below it are marked
//! after it, so many at a time. Due moments that come in between are skipped for its reason.

use heartbeat_domain::bot::{Bot, Project};
use heartbeat_domain::heartbeat::{Heartbeat, Pause, Skipped, Standing};
use heartbeat_domain::reason::Reason;
use jiff::Timestamp;

use crate::schedules::Schedules;
use crate::verbs::Settled;

/// The switches above a heartbeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Above {
    pub(crate) project_paused: bool,
    pub(crate) switched_off: bool,
}

impl Above {
    /// Of an agent in its project.
    pub(crate) fn of(project: &Project, bot: &Bot) -> Self {
        Self {
            project_paused: project.paused_at.is_some(),
            switched_off: !bot.is_switched_on(),
        }
    }

    /// Why nothing below has due moments, if that is so.
    pub(crate) fn reason(self) -> Option<Reason> {
        match (self.project_paused, self.switched_off) {
            (true, _) => Some(Reason::ProjectPaused),
            (_, true) => Some(Reason::SwitchedOff),
            _ => None,
        }
    }

    /// Whether a pause for that reason has ended.
    fn has_ended(self, reason: Reason) -> bool {
        match reason {
            Reason::ProjectPaused => !self.project_paused,
            Reason::SwitchedOff => !self.switched_off,
            _ => false,
        }
    }
}

/// The moments that decide what is said of passed due moments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    /// Since when a node has been awake.
    pub(crate) awake_since: Timestamp,
    /// When the switch was set.
    pub(crate) changed_at: Timestamp,
    pub(crate) now: Timestamp,
}

/// A heartbeat that is marked, and the due moments that this passes over.
pub(crate) struct Marked {
    pub(crate) before: Heartbeat,
    pub(crate) after: Heartbeat,
    pub(crate) skipped: Vec<Skipped>,
}

impl Settled {
    /// Counts what was marked.
    pub(crate) fn count(&mut self, marked: &[Marked]) {
        for Marked { before, after, .. } in marked {
            match (before.standing(), after.standing()) {
                (Standing::Active, _) => self.paused.push(before.id),
                (_, Standing::Active) => self.resumed.push(before.id),
                _ => {}
            }
        }
    }
}

/// Marks a heartbeat as the switches above it say; nothing where it stands so already.
pub(crate) fn mark(
    schedules: &Schedules,
    before: Heartbeat,
    above: Above,
    moments: Moments,
) -> Option<Marked> {
    let (after, skipped) = match (before.standing(), above.reason()) {
        (Standing::Active, Some(reason)) => paused(schedules, &before, reason, moments),
        (Standing::Paused(pause), _) if above.has_ended(pause.reason) => {
            let after = resumed(schedules, &before, above, moments.now);
            (after, Vec::new())
        }
        _ => return None,
    };
    Some(Marked {
        before,
        after,
        skipped,
    })
}

/// Marks a heartbeat as its plan says, which it fits or not; nothing where it stands so already.
pub(crate) fn fit(
    schedules: &Schedules,
    before: Heartbeat,
    (fits, above): (bool, Above),
    moments: Moments,
) -> Option<Marked> {
    let reason = before.paused.map(|pause| pause.reason);
    let (after, skipped) = match (fits, before.standing()) {
        (true, Standing::Paused(_)) if reason == Some(Reason::Plan) => {
            let after = resumed(schedules, &before, above, moments.now);
            (after, Vec::new())
        }
        (false, Standing::Active) => paused(schedules, &before, Reason::Plan, moments),
        (false, Standing::Paused(_)) if before.enabled && reason != Some(Reason::Plan) => {
            let after = paused_for(before.clone(), Reason::Plan, moments.now);
            (after, Vec::new())
        }
        _ => return None,
    };
    Some(Marked {
        before,
        after,
        skipped,
    })
}

fn paused(
    schedules: &Schedules,
    heartbeat: &Heartbeat,
    reason: Reason,
    moments: Moments,
) -> (Heartbeat, Vec<Skipped>) {
    let Ok(schedule) = schedules.of(heartbeat) else {
        let after = paused_for(heartbeat.clone(), reason, moments.now);
        return (after, Vec::new());
    };
    let missed = missed(heartbeat, reason, moments);
    let pause = (reason, None);
    let changed = heartbeat
        .clone()
        .paused_at(&schedule, pause, moments.now, missed);
    (changed.heartbeat, changed.skipped)
}

fn resumed(
    schedules: &Schedules,
    heartbeat: &Heartbeat,
    above: Above,
    now: Timestamp,
) -> Heartbeat {
    let Ok(schedule) = schedules.of(heartbeat) else {
        return paused_for(heartbeat.clone(), Reason::Internal, now);
    };
    let after = heartbeat.clone().resumed_at(&schedule, now).heartbeat;
    match above.reason() {
        Some(reason) => paused_for(after, reason, now),
        None => after,
    }
}

/// Why due moments up to now that nobody took were missed.
fn missed(heartbeat: &Heartbeat, reason: Reason, moments: Moments) -> Reason {
    match heartbeat.next {
        Some(next) if next.at < moments.awake_since => Reason::Downtime,
        Some(next) if next.at > moments.changed_at => reason,
        _ => Reason::Capacity,
    }
}

/// Another reason for standing still; due moments are the caller's.
pub(crate) fn paused_for(mut heartbeat: Heartbeat, reason: Reason, now: Timestamp) -> Heartbeat {
    if heartbeat.standing() != Standing::Off {
        heartbeat.paused = Some(Pause {
            reason,
            since: now,
            resumes_at: None,
        });
        heartbeat.claimable_at = None;
    }
    heartbeat
}
