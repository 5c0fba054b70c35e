//! Counts by day, gathered in a transaction and added once, whichever database keeps them.

use std::collections::BTreeMap;

use heartbeat_domain::execution::{Execution, ExecutionType, Status};
use heartbeat_domain::heartbeat::utc_day;
use uuid::Uuid;

use crate::verbs::Counts;

/// Project, agent, day, heartbeat or nil, kind.
pub(crate) type Key = (Uuid, Uuid, i64, Uuid, &'static str);

/// What a transaction adds to the counts.
#[derive(Debug, Default)]
pub(crate) struct Rollups(BTreeMap<Key, Counts>);

impl Rollups {
    /// Counts an ended row.
    pub(crate) fn count(&mut self, row: &Execution) {
        let (Some(status), Some(finished_at)) = (row.status, row.finished_at) else {
            return;
        };
        let heartbeat = row.heartbeat_id.map_or(Uuid::nil(), |id| id.0);
        let kind: ExecutionType = row.kind;
        let day = i64::from(utc_day(finished_at));
        let key = (
            row.project_id.0,
            row.bot_id.0,
            day,
            heartbeat,
            kind.as_str(),
        );
        let counts = self.0.entry(key).or_default();
        match status {
            Status::Success => counts.success += 1,
            Status::Error => counts.error += 1,
            Status::Skipped => counts.skipped += 1,
            Status::Cancelled => counts.cancelled += 1,
        }
        counts.tokens += row.tokens_used;
        counts.credits += row.credits_charged;
        if status != Status::Skipped {
            counts.duration_ms += u64::try_from(row.duration_ms()).unwrap_or(0);
        }
    }

    /// What there is to add, in the order of its keys: transactions that add to the same counts
    /// meet in the same order.
    pub(crate) fn into_rows(self) -> Vec<(Key, Counts)> {
        self.0.into_iter().collect()
    }
}
