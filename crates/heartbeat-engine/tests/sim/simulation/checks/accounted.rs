//! Every due moment is accounted for: the rows' ranges partition the values of the schedule.

use std::collections::BTreeMap;

use heartbeat_domain::schedule::Schedule;
use jiff::{SignedDuration, Timestamp};

/// A stretch of time on one grid.
pub(crate) struct Stretch {
    /// The schedule.
    pub(crate) schedule: Schedule,
    /// When the grid started.
    pub(crate) since: Timestamp,
    /// When it ended, if it has.
    pub(crate) until: Option<Timestamp>,
}

/// A row of an execution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Covers {
    /// Its due time, and the first moment that it covers.
    pub(crate) first: Timestamp,
    /// The last one.
    pub(crate) last: Timestamp,
    /// How many, as it says.
    pub(crate) count: u64,
}

/// The account of one heartbeat.
pub(crate) struct Account {
    /// Its grids.
    pub(crate) stretches: Vec<Stretch>,
    /// When it had no due moments: after the first, up to the second and including it.
    pub(crate) pauses: Vec<(Timestamp, Option<Timestamp>)>,
    /// Its rows.
    pub(crate) rows: Vec<Covers>,
    /// The first value that is not accounted for yet, while it has one.
    pub(crate) next: Option<Timestamp>,
    /// How far clocks may be ahead of one another.
    pub(crate) tolerance: SignedDuration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duty {
    /// A row must cover it.
    Must,
    /// A row may: somebody's clock was ahead.
    May,
    /// It was no due moment.
    No,
}

/// What is wrong with an account.
pub(crate) fn faults(account: &Account) -> Vec<String> {
    let grids: Vec<Vec<(Timestamp, Duty)>> = account
        .stretches
        .iter()
        .map(|stretch| account.values(stretch))
        .collect();
    let mut covered: BTreeMap<Timestamp, u32> = BTreeMap::new();
    let mut faults = Vec::new();
    for row in &account.rows {
        match grids.iter().find_map(|grid| values_of(row, grid)) {
            Some(values) => {
                for at in values {
                    *covered.entry(at).or_default() += 1;
                }
            }
            None => faults.push(format!(
                "the row of {} to {} says {} moments, which is not what the schedule has there",
                row.first, row.last, row.count
            )),
        }
    }
    for (at, times) in &covered {
        if *times > 1 {
            faults.push(format!("{at} is covered {times} times"));
        }
    }
    for (at, duty) in grids.iter().flatten() {
        if *duty == Duty::Must && !covered.contains_key(at) {
            faults.push(format!("{at} has no row"));
        }
    }
    if let (Some(next), Some(grid)) = (account.next, grids.last())
        && grid.iter().all(|(at, _)| *at != next)
    {
        faults.push(format!("next, {next}, is not a value of the schedule"));
    }
    faults
}

/// The values that a row covers, if they are on that grid and as many as it says.
fn values_of(row: &Covers, grid: &[(Timestamp, Duty)]) -> Option<Vec<Timestamp>> {
    let values: Vec<Timestamp> = grid
        .iter()
        .filter(|(at, duty)| *at >= row.first && *at <= row.last && *duty != Duty::No)
        .map(|(at, _)| *at)
        .collect();
    let fits = values.first() == Some(&row.first)
        && values.last() == Some(&row.last)
        && u64::try_from(values.len()) == Ok(row.count);
    fits.then_some(values)
}

impl Account {
    /// Values of one grid, each with whether it must be covered.
    fn values(&self, stretch: &Stretch) -> Vec<(Timestamp, Duty)> {
        let mut values = Vec::new();
        let end = match (stretch.until, self.next) {
            (Some(until), _) => until,
            (None, Some(next)) => next,
            (None, None) => stretch.since,
        };
        let own_rows = self.rows.iter().map(|row| row.last).max();
        let horizon = own_rows.unwrap_or(end).max(end) + self.tolerance;
        let mut due = stretch.schedule.first_due(stretch.since);
        while let Some(value) = due {
            if value.at > horizon {
                break;
            }
            values.push((value.at, self.duty(stretch, value.at)));
            due = stretch.schedule.next_due(&value);
        }
        values
    }

    fn duty(&self, stretch: &Stretch, at: Timestamp) -> Duty {
        let in_pause = self
            .pauses
            .iter()
            .find(|(since, ended)| *since < at && ended.is_none_or(|ended| at <= ended));
        if let Some((since, _)) = in_pause {
            return self.near(at, *since);
        }
        match (stretch.until, self.next) {
            (Some(until), _) if at <= until => Duty::Must,
            (Some(until), _) => self.near(at, until),
            (None, Some(next)) if at < next => Duty::Must,
            _ => Duty::May,
        }
    }

    fn near(&self, at: Timestamp, end: Timestamp) -> Duty {
        if at.duration_since(end) <= self.tolerance {
            Duty::May
        } else {
            Duty::No
        }
    }
}
