//! Which due moments have passed uncovered, and which row covers each run of them.

use jiff::{SignedDuration, Timestamp};

use crate::ids::ExecutionId;
use crate::reason::Reason;
use crate::schedule::{Due, Passed, Schedule};

/// An open execution that is not parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenRun {
    /// The execution.
    pub execution_id: ExecutionId,
    /// Its due time: a value of the schedule, or the moment of a trigger.
    pub due_at: Timestamp,
}

/// A run of due moments missed one after another, covered by one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Why.
    pub reason: Reason,
    /// The first of them.
    pub first_due_at: Timestamp,
    /// The last of them.
    pub last_due_at: Timestamp,
    /// How many.
    pub count: u64,
}

/// What lies between a due time and `now`.
#[derive(Clone, Debug, PartialEq)]
pub struct Coverage {
    /// One row for each run of missed moments.
    pub skipped: Vec<Skipped>,
    /// The first value later than `now`, if there is one.
    pub next: Option<Due>,
}

/// Covers every value of the schedule from `next` to `now` but the open run's own: those before it
/// were `missed`, those after it passed while it ran. The open run's own is never `next` again, also
/// not for a clock that has not come to it yet.
#[must_use]
pub fn cover(
    schedule: &Schedule,
    next: &Due,
    open: Option<&OpenRun>,
    now: Timestamp,
    missed: Reason,
) -> Coverage {
    let Some(open) = open else {
        let advance = schedule.advance(next, now);
        return Coverage {
            skipped: row(advance.passed, missed),
            next: advance.next,
        };
    };
    let before = schedule.advance(next, just_before(open.due_at));
    let mut skipped = row(before.passed, missed);
    let own = before.next.filter(|due| due.at == open.due_at);
    let after = match own {
        Some(own) => schedule.next_due(&own),
        None => before.next,
    };
    let Some(after) = after else {
        return Coverage {
            skipped,
            next: None,
        };
    };
    let rest = schedule.advance(&after, now);
    skipped.extend(row(rest.passed, Reason::PreviousRunActive));
    Coverage {
        skipped,
        next: rest.next,
    }
}

fn just_before(at: Timestamp) -> Timestamp {
    at.checked_sub(SignedDuration::from_millis(1)).unwrap_or(at)
}

fn row(passed: Option<Passed>, reason: Reason) -> Vec<Skipped> {
    passed
        .map(|passed| Skipped {
            reason,
            first_due_at: passed.first,
            last_due_at: passed.latest.at,
            count: passed.count,
        })
        .into_iter()
        .collect()
}
