//! Counts for people, from rollups.

use async_trait::async_trait;
use heartbeat_domain::heartbeat::utc_day;
use heartbeat_domain::ids::{BotId, ProjectId};
use jiff::Timestamp;

use super::failure::failure;
use super::rows::Cursor;
use super::tx::sql;
use super::{PostgresStore, bots, statistics};
use crate::sums::Sums;
use crate::verbs::{BotRef, Result, Stats, StatsSummary};

const BY_DAY: &str = "SELECT day, kind, SUM(success)::BIGINT, SUM(error)::BIGINT, \
    SUM(skipped)::BIGINT, SUM(cancelled)::BIGINT, SUM(tokens)::BIGINT, SUM(credits)::BIGINT, \
    SUM(duration_ms)::BIGINT FROM rollups \
    WHERE project_id = $1 AND bot_id = $2 AND day > $3 AND day <= $4 \
    GROUP BY day, kind ORDER BY day DESC, kind";

const ACTIVE: &str = "SELECT COUNT(*) FROM heartbeats WHERE project_id = $1 AND bot_id = $2 \
    AND enabled AND paused_reason IS NULL";

#[async_trait]
impl Stats for PostgresStore {
    async fn stats(
        &self,
        project_id: ProjectId,
        bot_id: BotId,
        days: u32,
        now: Timestamp,
    ) -> Result<StatsSummary> {
        let mut conn = self.read().await?;
        bots::find(&mut conn, project_id, BotRef::Id(bot_id)).await?;
        let today = i64::from(utc_day(now));
        let statement = sql(BY_DAY)
            .bind(project_id.0)
            .bind(bot_id.0)
            .bind(today - i64::from(days))
            .bind(today);
        let rows = statement
            .fetch_all(&mut *conn)
            .await
            .map_err(|error| failure(&error))?;
        let mut sums = Sums::default();
        for row in &rows {
            sums.add(&mut Cursor::new(row))?;
        }
        let active = sql(ACTIVE)
            .bind(project_id.0)
            .bind(bot_id.0)
            .fetch_one(&mut *conn)
            .await;
        let active = active.map_err(|error| failure(&error))?;
        sums.summary(Cursor::new(&active).count()?)
    }

    async fn take_stock(&self) -> Result<Vec<String>> {
        statistics::take_stock(self).await
    }
}
