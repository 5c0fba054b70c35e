//! Reading the record, and pruning it.

use async_trait::async_trait;
use heartbeat_domain::execution::Execution;
use heartbeat_domain::heartbeat::Pause;
use heartbeat_domain::ids::{ExecutionId, HeartbeatId, ProjectId};
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::failure::failure;
use super::rows::{self, Cursor, execution_columns, ms};
use super::tx::{Tx, sql};
use super::{PostgresStore, history};
use crate::StoreError;
use crate::error::Thing;
use crate::past::{self, PAST_RUNS};
use crate::verbs::{
    Executions, HistoryKept, Listed, LogFilter, LogState, Page, PastRuns, PauseRecord, Result,
    Tended,
};

const ONE: &str = concat!(
    "SELECT ",
    execution_columns!(),
    " FROM executions e WHERE e.project_id = $1 AND e.id = $2"
);

const PAUSES: &str = "SELECT reason, since, resumes_at, ended_at FROM pauses \
    WHERE project_id = $1 AND heartbeat_id = $2 AND since <= $4 \
    AND (ended_at IS NULL OR ended_at >= $3) ORDER BY since, number";

const PRUNE_STEPS: &str = "DELETE FROM steps \
    WHERE project_id = $1 AND (execution_id, seq, attempt) IN \
    (SELECT s.execution_id, s.seq, s.attempt FROM steps s \
    JOIN executions e ON e.project_id = s.project_id AND e.id = s.execution_id \
    WHERE s.project_id = $1 AND s.execution_id < $2 AND e.finished_at < $3 \
    AND NOT e.needs_review ORDER BY s.execution_id, s.seq, s.attempt LIMIT $4)";

const PRUNE_STEPS_OF_ROWS: &str = "DELETE FROM steps WHERE project_id = $1 \
    AND execution_id IN (SELECT id FROM executions WHERE project_id = $1 AND id < $2 \
    AND finished_at < $3 ORDER BY id LIMIT $4)";

const PRUNE_ROWS: &str = "DELETE FROM executions WHERE project_id = $1 AND id IN \
    (SELECT id FROM executions WHERE project_id = $1 AND id < $2 AND finished_at < $3 \
    ORDER BY id LIMIT $4)";

#[async_trait]
impl Executions for PostgresStore {
    async fn execution(&self, project_id: ProjectId, id: ExecutionId) -> Result<Execution> {
        find(&mut *self.read().await?, project_id, id).await
    }

    async fn logs(
        &self,
        project_id: ProjectId,
        filter: &LogFilter,
        page: Page,
    ) -> Result<Listed<Execution>> {
        let mut conn = self.read().await?;
        let mut count = QueryBuilder::new("SELECT COUNT(*) FROM executions e");
        narrow(&mut count, project_id, filter);
        let row = count
            .build()
            .fetch_one(&mut *conn)
            .await
            .map_err(|error| failure(&error))?;
        let total = Cursor::new(&row).count()?;
        let mut list = QueryBuilder::new(concat!(
            "SELECT ",
            execution_columns!(),
            " FROM executions e"
        ));
        narrow(&mut list, project_id, filter);
        list.push(" ORDER BY e.created_at DESC, e.id DESC LIMIT ");
        list.push_bind(i64::from(page.size))
            .push(" OFFSET ")
            .push_bind(page.offset());
        let rows = list
            .build()
            .fetch_all(&mut *conn)
            .await
            .map_err(|error| failure(&error))?;
        Ok(Listed {
            rows: rows.iter().map(read).collect::<Result<_>>()?,
            total,
        })
    }

    async fn past_runs(
        &self,
        project_id: ProjectId,
        heartbeat_id: HeartbeatId,
        (from, before): (Timestamp, Timestamp),
        most: u32,
    ) -> Result<PastRuns> {
        let statement = sql(PAST_RUNS)
            .bind(project_id.0)
            .bind(heartbeat_id.0)
            .bind(ms(from))
            .bind(ms(before))
            .bind(i64::from(most));
        let rows = statement.fetch_all(&mut *self.read().await?).await;
        let mut past_runs = PastRuns::default();
        for row in &rows.map_err(|error| failure(&error))? {
            past::put(&mut past_runs, &mut Cursor::new(row))?;
        }
        Ok(past::in_order(past_runs))
    }

    async fn pauses(
        &self,
        project_id: ProjectId,
        heartbeat_id: HeartbeatId,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Vec<PauseRecord>> {
        let mut conn = self.read().await?;
        let statement = sql(PAUSES)
            .bind(project_id.0)
            .bind(heartbeat_id.0)
            .bind(ms(from))
            .bind(ms(to));
        let rows = statement
            .fetch_all(&mut *conn)
            .await
            .map_err(|error| failure(&error))?;
        rows.iter().map(pause).collect()
    }

    async fn prune(
        &self,
        project_id: ProjectId,
        (steps_before, rows_before): (Option<Timestamp>, Option<Timestamp>),
        most: u32,
    ) -> Result<u64> {
        let limits = (steps_before, rows_before);
        self.write_once(move |tx| Box::pin(prune(tx, project_id, limits, most)))
            .await
    }

    async fn tend_history(&self, kept: HistoryKept, now: Timestamp) -> Result<Tended> {
        history::tend(self, kept, now).await
    }
}

/// An execution of a project.
pub(super) async fn find(
    conn: &mut PgConnection,
    project_id: ProjectId,
    id: ExecutionId,
) -> Result<Execution> {
    let statement = sql(ONE).bind(project_id.0).bind(id.0);
    let row = statement
        .fetch_optional(conn)
        .await
        .map_err(|error| failure(&error))?;
    read(&row.ok_or(StoreError::NotFound(Thing::Execution))?)
}

fn read(row: &PgRow) -> Result<Execution> {
    rows::execution(&mut Cursor::new(row))
}

fn pause(row: &PgRow) -> Result<PauseRecord> {
    let mut c = Cursor::new(row);
    let (reason, since) = (c.name(rows::reason)?, c.time()?);
    let pause = Pause {
        reason,
        since,
        resumes_at: c.find_time()?,
    };
    Ok(PauseRecord {
        pause,
        ended_at: c.find_time()?,
    })
}

/// The conditions of a filter. Only texts of this file reach the statement; values are bound.
fn narrow(query: &mut QueryBuilder<Postgres>, project_id: ProjectId, filter: &LogFilter) {
    query.push(" WHERE e.project_id = ").push_bind(project_id.0);
    if let Some(bot) = filter.bot_id {
        query.push(" AND e.bot_id = ").push_bind(bot.0);
    }
    if let Some(heartbeat) = filter.heartbeat_id {
        query.push(" AND e.heartbeat_id = ").push_bind(heartbeat.0);
    }
    if let Some(member) = filter.member_id {
        query.push(" AND e.member_id = ").push_bind(member.0);
    }
    match filter.state {
        Some(LogState::Ended(status)) => {
            query.push(" AND e.status = ").push_bind(status.as_str());
        }
        Some(LogState::Open(phase)) => {
            query.push(" AND e.phase = ").push_bind(phase.as_str());
        }
        None => {
            query.push(" AND e.phase = 'ended'");
        }
    }
    if let Some(kind) = filter.kind {
        query.push(" AND e.kind = ").push_bind(kind.as_str());
    }
    if let Some(from) = filter.from {
        query.push(" AND e.due_at >= ").push_bind(ms(from));
    }
    if let Some(to) = filter.to {
        query.push(" AND e.due_at < ").push_bind(ms(to));
    }
    match filter.needs_review {
        // As the index on what waits for a person has it.
        Some(true) => drop(query.push(" AND e.needs_review")),
        Some(false) => drop(query.push(" AND NOT e.needs_review")),
        None => {}
    }
}

/// Ids begin with the time at which they were made, so what is old is a range of the primary key.
async fn prune(
    tx: &mut Tx,
    project: ProjectId,
    (steps_before, rows_before): (Option<Timestamp>, Option<Timestamp>),
    most: u32,
) -> Result<u64> {
    let mut gone = 0;
    let old = |text, before| {
        sql(text)
            .bind(project.0)
            .bind(first_id(before))
            .bind(ms(before))
            .bind(i64::from(most))
    };
    if let Some(before) = steps_before {
        gone += tx.write(old(PRUNE_STEPS, before)).await?;
    }
    if let Some(before) = rows_before {
        tx.write(old(PRUNE_STEPS_OF_ROWS, before)).await?;
        gone += tx.write(old(PRUNE_ROWS, before)).await?;
    }
    Ok(gone)
}

/// The smallest id that could have been made at a time.
pub(super) fn first_id(at: Timestamp) -> Uuid {
    let millis = u128::try_from(ms(at)).unwrap_or(0);
    Uuid::from_u128(millis << 80)
}

/// When an id was made.
pub(super) fn time_of(id: ExecutionId) -> Option<Timestamp> {
    let millis = i64::try_from(id.0.as_u128() >> 80).ok()?;
    Timestamp::from_millisecond(millis).ok()
}
