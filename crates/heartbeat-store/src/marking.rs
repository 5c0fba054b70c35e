//! How heartbeats stand in the light of the switches above them, whichever database keeps them.
//!
//! A switch is set in one transaction and holds from then on; the heartbeats below it are marked
//! after it, so many at a time. Due moments that come in between are skipped for its reason.

use std::collections::HashMap;

use heartbeat_domain::bot::{Bot, Project};
use heartbeat_domain::heartbeat::{Heartbeat, Pause, Skipped, Standing};
use heartbeat_domain::ids::{BotId, HeartbeatId, MemberId, ProjectId};
use heartbeat_domain::plan::Plan;
use heartbeat_domain::reason::Reason;
use jiff::Timestamp;

use crate::rows::{self, Cursor};
use crate::schedules::Schedules;
use crate::verbs::{Place, Result, Settled};

/// The switches above a heartbeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Above {
    pub(crate) project_paused: bool,
    pub(crate) switched_off: bool,
}

impl Above {
    /// Reads whether the project is paused, and whether the agent is switched off.
    pub(crate) fn read(c: &mut Cursor<'_>) -> Result<Self> {
        Ok(Self {
            project_paused: c.take()?,
            switched_off: c.take()?,
        })
    }

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

/// A project, or one agent or subscriber of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Within {
    pub(crate) project: ProjectId,
    pub(crate) bot: Option<BotId>,
    pub(crate) member: Option<MemberId>,
}

impl Within {
    /// All of a project.
    pub(crate) fn project(project: ProjectId) -> Self {
        Self {
            project,
            bot: None,
            member: None,
        }
    }

    /// An agent.
    pub(crate) fn bot(project: ProjectId, bot: BotId) -> Self {
        Self {
            bot: Some(bot),
            ..Self::project(project)
        }
    }
}

/// A switch whose heartbeats are not all marked as it says.
pub(crate) struct Switch {
    pub(crate) project: ProjectId,
    pub(crate) bot: Option<BotId>,
    /// When it was set, in milliseconds; later than the time before, whatever the clock says.
    pub(crate) change: i64,
}

impl Switch {
    /// Reads project, agent and change.
    pub(crate) fn read(c: &mut Cursor<'_>) -> Result<Self> {
        Ok(Self {
            project: ProjectId(c.take()?),
            bot: c.find_id(BotId)?,
            change: c.take()?,
        })
    }

    /// Whether that place is below it, as it is set now.
    pub(crate) fn is_at(&self, place: &Place) -> bool {
        let own = (self.project, self.bot, self.change);
        own == (place.project_id, place.bot_id, place.change)
    }

    /// The place after a heartbeat.
    pub(crate) fn place_after(&self, after: HeartbeatId) -> Place {
        Place {
            project_id: self.project,
            bot_id: self.bot,
            change: self.change,
            after,
        }
    }

    /// Why everything below it stands still, if that is so.
    fn holds(&self, above: Above) -> Option<Reason> {
        match self.bot {
            Some(_) => above.reason(),
            None => above.project_paused.then_some(Reason::ProjectPaused),
        }
    }
}

/// What a look at heartbeats below a switch came to.
#[derive(Default)]
pub(crate) struct Below {
    pub(crate) marked: Vec<Marked>,
    /// How many were looked at.
    pub(crate) seen: usize,
    /// The last of them.
    pub(crate) last: Option<HeartbeatId>,
    /// Why everything below the switch stands still.
    pub(crate) stands_still: Option<Reason>,
}

impl Below {
    /// Marks the heartbeat of a row, which ends with the switches above it. One that cannot be read
    /// is said in the log.
    pub(crate) fn take(
        &mut self,
        c: &mut Cursor<'_>,
        switch: &Switch,
        schedules: &Schedules,
        moments: Moments,
    ) -> Result<()> {
        self.seen += 1;
        self.last = Some(HeartbeatId(c.clone().take()?));
        let heartbeat = match rows::heartbeat(c) {
            Ok(heartbeat) => heartbeat,
            Err(error) => {
                tracing::error!(%error, "a heartbeat cannot be read");
                return Ok(());
            }
        };
        let above = Above::read(c)?;
        self.stands_still = self.stands_still.or(switch.holds(above));
        self.marked
            .extend(mark(schedules, heartbeat, above, moments));
        Ok(())
    }
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
fn fit(
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

/// The oldest heartbeats of each agent up to the plan's cap stay, if they are not too frequent for
/// it; the others pause, and what the plan paused before and fits again resumes. `all` come agent by
/// agent, oldest first.
pub(crate) fn fit_all(
    schedules: &Schedules,
    all: Vec<Heartbeat>,
    (plan, above): (&Plan, &HashMap<BotId, Above>),
    moments: Moments,
) -> Vec<Marked> {
    let mut marked = Vec::new();
    let mut rank = (None, 0);
    for heartbeat in all {
        let place = if rank.0 == Some(heartbeat.bot_id) {
            rank.1 + 1
        } else {
            0
        };
        rank = (Some(heartbeat.bot_id), place);
        let fits = plan.heartbeats_per_agent.is_none_or(|cap| place < cap)
            && allowed(schedules, &heartbeat, plan, moments.now);
        let above = above.get(&heartbeat.bot_id).copied().unwrap_or_default();
        marked.extend(fit(schedules, heartbeat, (fits, above), moments));
    }
    marked
}

/// Whether the plan allows a heartbeat for what it is, whatever its place.
pub(crate) fn allowed(
    schedules: &Schedules,
    heartbeat: &Heartbeat,
    plan: &Plan,
    now: Timestamp,
) -> bool {
    let watch = heartbeat.settings.watch.as_ref();
    let is_local = watch.is_some_and(|watch| watch.tool.is_local());
    let frequent = match schedules.of(heartbeat) {
        Ok(schedule) => schedule.check_frequency(plan.minimum_minutes, now).is_err(),
        Err(_) => false,
    };
    !frequent && (plan.local_access || !is_local)
}

/// Heartbeats that can be read; the others are said in the log and left alone.
pub(crate) fn readable<'r>(rows: impl Iterator<Item = Cursor<'r>>) -> Vec<Heartbeat> {
    let read = |mut c: Cursor<'r>| match rows::heartbeat(&mut c) {
        Ok(heartbeat) => Some(heartbeat),
        Err(error) => {
            tracing::error!(%error, "a heartbeat cannot be read");
            None
        }
    };
    rows.filter_map(read).collect()
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
