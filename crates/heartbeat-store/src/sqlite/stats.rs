//! Counts for people, from rollups.

use std::collections::BTreeMap;

use async_trait::async_trait;
use heartbeat_domain::execution::ExecutionType;
use heartbeat_domain::heartbeat::utc_day;
use heartbeat_domain::ids::{BotId, ProjectId};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use super::failure::failure;
use super::rows::Cursor;
use super::tx::sql;
use super::{SqliteStore, bots};
use crate::StoreError;
use crate::verbs::{BotRef, Counts, Result, Stats, StatsSummary};

const BY_DAY: &str = "SELECT day, kind, SUM(success), SUM(error), SUM(skipped), SUM(cancelled), \
    SUM(tokens), SUM(credits), SUM(duration_ms) FROM rollups \
    WHERE project_id = $1 AND bot_id = $2 AND day > $3 AND day <= $4 \
    GROUP BY day, kind ORDER BY day DESC, kind";

const ACTIVE: &str = "SELECT COUNT(*) FROM heartbeats WHERE project_id = $1 AND bot_id = $2 \
    AND enabled AND paused_reason IS NULL";

#[async_trait]
impl Stats for SqliteStore {
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
}

#[derive(Default)]
struct Sums {
    all: Counts,
    by_kind: BTreeMap<&'static str, Counts>,
    by_day: BTreeMap<i64, Counts>,
}

impl Sums {
    fn add(&mut self, c: &mut Cursor<'_>) -> Result<()> {
        let day: i64 = c.take()?;
        let kind = c.name(ExecutionType::find)?;
        let counts = Counts {
            success: c.count()?,
            error: c.count()?,
            skipped: c.count()?,
            cancelled: c.count()?,
            tokens: c.count()?,
            credits: c.count()?,
            duration_ms: c.count()?,
        };
        plus(&mut self.all, &counts);
        plus(self.by_kind.entry(kind.as_str()).or_default(), &counts);
        plus(self.by_day.entry(day).or_default(), &counts);
        Ok(())
    }

    fn summary(self, active_heartbeats: u64) -> Result<StatsSummary> {
        let kinds = ExecutionType::ALL.iter().filter_map(|kind| {
            self.by_kind
                .get(kind.as_str())
                .map(|counts| (*kind, *counts))
        });
        let days = self
            .by_day
            .iter()
            .rev()
            .map(|(day, counts)| Ok((date(*day)?, *counts)));
        Ok(StatsSummary {
            all: self.all,
            by_kind: kinds.collect(),
            by_day: days.collect::<Result<_>>()?,
            active_heartbeats,
        })
    }
}

fn plus(sum: &mut Counts, more: &Counts) {
    sum.success += more.success;
    sum.error += more.error;
    sum.skipped += more.skipped;
    sum.cancelled += more.cancelled;
    sum.tokens += more.tokens;
    sum.credits += more.credits;
    sum.duration_ms += more.duration_ms;
}

fn date(day: i64) -> Result<Date> {
    Date::new(1970, 1, 1)
        .and_then(|epoch| epoch.checked_add(day.days()))
        .map_err(|_| StoreError::Corrupt(format!("{day} is not a day")))
}
