//! The balance of a project with its ledger, and limits that let what they paused go on.

use async_trait::async_trait;
use heartbeat_domain::budget::Scope;
use heartbeat_domain::heartbeat::utc_day;
use heartbeat_domain::ids::{CreditId, MemberId, ProjectId};
use jiff::Timestamp;
use uuid::Uuid;

use super::budgets;
use super::failure::failure;
use super::rows::{self, Cursor, int, ms};
use super::standing;
use super::tx::{Tx, sql};
use super::{SqliteStore, access, usage};
use crate::credits::{ADD, COUNT, DRAW, ENTRIES, LIMIT_MEMBER, MOVE, check, entry};
use crate::marking::Within;
use crate::verbs::{CreditEntry, Credits, Listed, Page, Result, UsageAsk, UsageSummary};

const BALANCE_OF: &str =
    "SELECT COALESCE(SUM(credits), 0) FROM credit_ledger WHERE project_id = $1";

#[async_trait]
impl Credits for SqliteStore {
    async fn usage(
        &self,
        project_id: ProjectId,
        ask: UsageAsk,
        now: Timestamp,
    ) -> Result<UsageSummary> {
        let mut conn = self.read().await?;
        usage::read(&mut conn, project_id, ask, now).await
    }

    async fn add_credit(
        &self,
        project_id: ProjectId,
        entry: &CreditEntry,
        now: Timestamp,
    ) -> Result<i64> {
        let (entry, now) = (entry.clone(), rows::whole_ms(now));
        self.write(move |tx| Box::pin(add(tx, project_id, entry, now)))
            .await
    }

    async fn credit_entries(
        &self,
        project_id: ProjectId,
        page: Page,
    ) -> Result<Listed<CreditEntry>> {
        let mut conn = self.read().await?;
        access::find(&mut conn, project_id).await?;
        let statement = sql(ENTRIES)
            .bind(project_id.0)
            .bind(i64::from(page.size))
            .bind(page.offset());
        let found = statement.fetch_all(&mut *conn).await;
        let found = found.map_err(|error| failure(&error))?;
        let entries = found.iter().map(|row| entry(&mut Cursor::new(row)));
        let count = sql(COUNT).bind(project_id.0).fetch_one(&mut *conn).await;
        let total = Cursor::new(&count.map_err(|error| failure(&error))?).count()?;
        Ok(Listed {
            rows: entries.collect::<Result<_>>()?,
            total,
        })
    }

    async fn limit_member(
        &self,
        project_id: ProjectId,
        member_id: MemberId,
        limit: Option<u64>,
        now: Timestamp,
    ) -> Result<()> {
        let now = rows::whole_ms(now);
        self.write(move |tx| Box::pin(limit_member(tx, (project_id, member_id), limit, now)))
            .await
    }
}

async fn add(tx: &mut Tx, project: ProjectId, entry: CreditEntry, now: Timestamp) -> Result<i64> {
    access::find(tx.conn(), project).await?;
    let before = balance(tx, project).await?;
    let statement = sql(ADD)
        .bind(project.0)
        .bind(entry.id.0)
        .bind(i64::from(utc_day(entry.created_at)))
        .bind(entry.credits)
        .bind(entry.note)
        .bind(ms(entry.created_at));
    if tx.write(statement).await? == 0 {
        return Ok(before);
    }
    let after = before.saturating_add(entry.credits);
    check(before, entry.credits)?;
    tx.write(sql(MOVE).bind(project.0).bind(entry.credits))
        .await?;
    if after > 0 {
        standing::relieve(tx, Within::project(project), Scope::ProjectMonth, now).await?;
    }
    Ok(after)
}

/// What is on a project's balance, by its ledger.
async fn balance(tx: &mut Tx, project: ProjectId) -> Result<i64> {
    let row = tx.find(sql(BALANCE_OF).bind(project.0)).await?;
    row.map_or(Ok(0), |row| Cursor::new(&row).take())
}

/// Writes into the ledger what executions drew from a project's balance.
pub(super) async fn record_drawn(
    tx: &mut Tx,
    project: ProjectId,
    credits: u64,
    now: Timestamp,
) -> Result<()> {
    let id = CreditId::new(&tx.ids, now);
    let entry = sql(DRAW)
        .bind(project.0)
        .bind(id.0)
        .bind(i64::from(utc_day(now)))
        .bind(-int(credits))
        .bind(ms(now));
    tx.write(entry).await?;
    Ok(())
}

async fn limit_member(
    tx: &mut Tx,
    (project, member): (ProjectId, MemberId),
    limit: Option<u64>,
    now: Timestamp,
) -> Result<()> {
    access::find(tx.conn(), project).await?;
    if let Some(limit) = limit {
        heartbeat_domain::budget::check_credits("credit_limit", limit)?;
    }
    let statement = sql(LIMIT_MEMBER)
        .bind(project.0)
        .bind(member.0)
        .bind(limit.map(int));
    tx.write(statement).await?;
    let level = (Scope::Member, member.0, limit);
    if has_room(tx, project, level, now).await? {
        let within = Within {
            member: Some(member),
            ..Within::project(project)
        };
        standing::relieve(tx, within, Scope::Member, now).await?;
    }
    Ok(())
}

/// Whether a level with that limit has anything left in the billing period of `now`.
pub(super) async fn has_room(
    tx: &mut Tx,
    project: ProjectId,
    (scope, id, limit): (Scope, Uuid, Option<u64>),
    now: Timestamp,
) -> Result<bool> {
    let Some(limit) = limit else { return Ok(true) };
    Ok(budgets::used(tx, (project, scope, id), now).await? < limit)
}
