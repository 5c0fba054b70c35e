//! The other nodes: what this one tells them so that they need not wait for their next look, and
//! what it hears of them.
//!
//! All of it is a courtesy. What is not heard is found by the next look, a second later at most, and
//! a live view that misses something is told to read the record. So simulated worlds have no
//! neighbours: their nodes find everything by looking, and that is what they have to prove.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use heartbeat_agent::Waiter;
use heartbeat_domain::ids::ProjectId;
use heartbeat_store::bell::{Bell, Heard};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::events::{Event, Live};
use crate::signal::{DUE, STOP, Signal};

/// How often it is said again who looks at what.
const SAY_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(10);

/// How long it is believed.
const BELIEVED_FOR: SignedDuration = SignedDuration::from_secs(25);

/// Shortest time between two looks because of others: many of them may have something to say.
const LOOK_AFTER: SignedDuration = SignedDuration::from_millis(100);

/// The other nodes, or nobody.
#[derive(Clone, Debug, Default)]
pub struct Neighbours(Option<Arc<Known>>);

#[derive(Debug)]
struct Known {
    bell: Arc<dyn Bell>,
    /// Projects that people look at here, and how many do.
    watched_here: Mutex<HashMap<ProjectId, usize>>,
    /// Projects that people look at elsewhere, and until when that is believed. Only what happens in
    /// these is told: most that happens nobody looks at.
    watched_there: Mutex<HashMap<ProjectId, Timestamp>>,
}

/// Whom to tell that there is something to look for.
#[derive(Clone, Debug, Default)]
pub struct Nudges {
    /// Something that is carried out may have been asked to stop.
    pub stop: Arc<Notify>,
    /// Something may be claimable.
    pub due: Arc<Notify>,
}

impl Neighbours {
    /// Those who hear a bell; nobody, where there is none.
    #[must_use]
    pub fn by(bell: Option<Arc<dyn Bell>>) -> Self {
        Self(bell.map(|bell| {
            Arc::new(Known {
                bell,
                watched_here: Mutex::default(),
                watched_there: Mutex::default(),
            })
        }))
    }

    /// Something became claimable: whoever has a slot may take it.
    pub(crate) fn tell_due(&self) {
        if let Self(Some(known)) = self {
            known.bell.ring_once(DUE);
        }
    }

    /// Something was asked to stop: whoever carries it out may look.
    pub(crate) fn tell_stop(&self) {
        if let Self(Some(known)) = self {
            known.bell.ring_once(STOP);
        }
    }

    /// Tells what happened, if somebody elsewhere looks at it.
    pub(crate) fn tell(&self, event: &Event) {
        let Self(Some(known)) = self else { return };
        if locked(&known.watched_there).contains_key(&event.project_id) {
            known.say(&Signal::Happened(event.clone()));
        }
    }

    /// Somebody here begins to look at a project.
    pub(crate) fn begin_watch(&self, project: ProjectId) {
        let Self(Some(known)) = self else { return };
        *locked(&known.watched_here).entry(project).or_default() += 1;
        known.say(&Signal::Watching(project));
    }

    /// Somebody here no longer does.
    pub(crate) fn end_watch(&self, project: ProjectId) {
        let Self(Some(known)) = self else { return };
        let mut watched = locked(&known.watched_here);
        let left = watched.get(&project).map_or(0, |count| count - 1);
        match left {
            0 => watched.remove(&project),
            left => watched.insert(project, left),
        };
    }

    /// Hears them until `stopped`; without any, returns at once.
    pub async fn follow(
        &self,
        waiter: &dyn Waiter,
        (live, nudges): (&Live, &Nudges),
        stopped: &CancellationToken,
    ) {
        let Self(Some(known)) = self else { return };
        let mut heard = known.bell.listen();
        let mut looks = Looks::new(nudges, waiter.now());
        let mut say_again_at = waiter.now() + SAY_AGAIN_AFTER;
        loop {
            tokio::select! {
                () = stopped.cancelled() => return,
                () = waiter.wait_until(looks.next(say_again_at)) => {}
                one = heard.recv() => match one {
                    Some(Heard::Line(line)) => known.take(&line, (live, &mut looks), waiter.now()),
                    Some(Heard::Gap) => known.make_up_for_a_gap(live, &mut looks),
                    // The store closes.
                    None => return,
                },
            }
            let now = waiter.now();
            looks.nudge(now);
            if now >= say_again_at {
                say_again_at = now + SAY_AGAIN_AFTER;
                known.say_who_looks();
                locked(&known.watched_there).retain(|_, until| *until > now);
            }
        }
    }
}

impl Known {
    fn say(&self, signal: &Signal) {
        for line in signal.lines() {
            self.bell.ring(line);
        }
    }

    fn say_who_looks(&self) {
        let watched: Vec<ProjectId> = locked(&self.watched_here).keys().copied().collect();
        for project in watched {
            self.say(&Signal::Watching(project));
        }
    }

    fn take(&self, line: &str, (live, looks): (&Live, &mut Looks<'_>), now: Timestamp) {
        match Signal::read(line) {
            Some(Signal::Due) => looks.due = true,
            Some(Signal::Stop) => looks.stop = true,
            Some(Signal::Happened(event)) => live.overhear(event),
            Some(Signal::Telling(project)) => live.miss(Some(project)),
            Some(Signal::Watching(project)) => {
                let mut watched = locked(&self.watched_there);
                let is_new = watched.insert(project, now + BELIEVED_FOR).is_none();
                drop(watched);
                if is_new {
                    self.say(&Signal::Telling(project));
                }
            }
            None => tracing::debug!("Another node says what this version does not know"),
        }
    }

    /// Whatever there was may be among what was not heard.
    fn make_up_for_a_gap(&self, live: &Live, looks: &mut Looks<'_>) {
        (looks.due, looks.stop) = (true, true);
        live.miss(None);
        self.say_who_looks();
    }
}

/// Looks that others have asked for.
struct Looks<'a> {
    nudges: &'a Nudges,
    due: bool,
    stop: bool,
    /// When the next one may be.
    not_before: Timestamp,
}

impl<'a> Looks<'a> {
    fn new(nudges: &'a Nudges, now: Timestamp) -> Self {
        Self {
            nudges,
            due: false,
            stop: false,
            not_before: now,
        }
    }

    /// When there is something to do, `otherwise` at the latest.
    fn next(&self, otherwise: Timestamp) -> Timestamp {
        match self.due || self.stop {
            true => self.not_before.min(otherwise),
            false => otherwise,
        }
    }

    /// Has this node look, if others asked for it and it has not just done so.
    fn nudge(&mut self, now: Timestamp) {
        if !(self.due || self.stop) || now < self.not_before {
            return;
        }
        if std::mem::take(&mut self.due) {
            self.nudges.due.notify_one();
        }
        if std::mem::take(&mut self.stop) {
            self.nudges.stop.notify_one();
        }
        self.not_before = now + LOOK_AFTER;
    }
}

fn locked<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
