//! Counts by day, gathered in a transaction and added once.

use std::collections::BTreeMap;

use heartbeat_domain::execution::{Execution, ExecutionType, Status};
use heartbeat_domain::heartbeat::utc_day;
use uuid::Uuid;

use super::batch::Batch;
use super::rows::int;
use super::tx::Tx;
use crate::verbs::{Counts, Result};

static ADD: Batch = Batch::new(
    "INSERT INTO rollups (project_id, bot_id, day, heartbeat_id, kind, success, error, skipped, \
     cancelled, tokens, credits, duration_ms) VALUES",
    12,
    "ON CONFLICT (project_id, bot_id, day, heartbeat_id, kind) DO UPDATE SET \
     success = rollups.success + excluded.success, error = rollups.error + excluded.error, \
     skipped = rollups.skipped + excluded.skipped, \
     cancelled = rollups.cancelled + excluded.cancelled, \
     tokens = rollups.tokens + excluded.tokens, credits = rollups.credits + excluded.credits, \
     duration_ms = rollups.duration_ms + excluded.duration_ms",
);

/// Project, agent, day, heartbeat or nil, kind.
type Key = (Uuid, Uuid, i64, Uuid, &'static str);

/// What a transaction adds to the counts.
#[derive(Debug, Default)]
pub(super) struct Rollups(BTreeMap<Key, Counts>);

impl Rollups {
    /// Counts an ended row.
    pub(super) fn count(&mut self, row: &Execution) {
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

    /// Adds them.
    pub(super) async fn write(self, tx: &mut Tx) -> Result<()> {
        let rows: Vec<(Key, Counts)> = self.0.into_iter().collect();
        ADD.write(
            tx,
            &rows,
            |statement, ((project, bot, day, heartbeat, kind), counts)| {
                statement
                    .bind(*project)
                    .bind(*bot)
                    .bind(*day)
                    .bind(*heartbeat)
                    .bind(*kind)
                    .bind(int(counts.success))
                    .bind(int(counts.error))
                    .bind(int(counts.skipped))
                    .bind(int(counts.cancelled))
                    .bind(int(counts.tokens))
                    .bind(int(counts.credits))
                    .bind(int(counts.duration_ms))
            },
        )
        .await?;
        Ok(())
    }
}
