//! Counts by day, added once in a transaction.

use super::batch::Batch;
use super::rows::int;
use super::tx::Tx;
use crate::counting::Rollups;
use crate::verbs::Result;

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

/// Adds them.
pub(super) async fn add(tx: &mut Tx, counted: Rollups) -> Result<()> {
    let rows = counted.into_rows();
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
