//! What every level of budget used in a month, read in one snapshot so that the sums agree.

use heartbeat_domain::budget::{Allowance, Scope};
use heartbeat_domain::heartbeat::{billing_period, utc_day};
use heartbeat_domain::ids::ProjectId;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::access;
use super::failure::failure;
use super::rows::Cursor;
use super::tx::{Statement, sql};
use crate::StoreError;
use crate::purses::Shelf;
use crate::verbs::{LevelUsage, Listed, Result, UsageAsk, UsageBy, UsageSummary};

const ONE: &str = "SELECT credit_limit, used, held, tokens FROM budgets \
    WHERE project_id = $1 AND scope = $2 AND scope_id = $1 AND period = $3";

const ELSEWHERE: &str = "SELECT COALESCE(SUM(CASE WHEN credit_limit IS NULL THEN 0 \
    ELSE GREATEST(0, held - GREATEST(0, credit_limit - used)) END), 0)::BIGINT FROM budgets \
    WHERE project_id = $1 AND scope = 'project_month' AND scope_id = $1 AND period <> $2";

const DAYS: &str = "SELECT period, used, tokens FROM budgets WHERE project_id = $1 \
    AND scope = 'project_day' AND scope_id = $1 AND period >= $2 AND period < $3 \
    AND (used > 0 OR tokens > 0) ORDER BY period";

/// Levels of a scope in a month: all, one of them, or heartbeats of an agent.
macro_rules! levels {
    () => {
        "FROM budgets u WHERE u.project_id = $1 AND u.scope = $2 AND u.period = $3 \
         AND ($4 IS NULL OR u.scope_id = $4) AND ($5 IS NULL OR $5 = COALESCE(\
         (SELECT h.bot_id FROM heartbeats h WHERE h.project_id = $1 AND h.id = u.scope_id), \
         (SELECT e.bot_id FROM executions e WHERE e.project_id = $1 \
         AND e.heartbeat_id = u.scope_id LIMIT 1)))"
    };
}

const PAGE: &str = concat!(
    "SELECT u.scope_id, CASE $2 \
     WHEN 'heartbeat' THEN (SELECT COALESCE(h.label, substr(h.prompt, 1, 60)) FROM heartbeats h \
     WHERE h.project_id = $1 AND h.id = u.scope_id) \
     WHEN 'bot' THEN (SELECT b.name FROM bots b WHERE b.project_id = $1 AND b.id = u.scope_id) \
     END, CASE $2 \
     WHEN 'heartbeat' THEN (SELECT h.credit_budget FROM heartbeats h \
     WHERE h.project_id = $1 AND h.id = u.scope_id) \
     WHEN 'bot' THEN (SELECT b.credit_limit FROM bots b \
     WHERE b.project_id = $1 AND b.id = u.scope_id) \
     WHEN 'member' THEN (SELECT m.credit_limit FROM members m \
     WHERE m.project_id = $1 AND m.id = u.scope_id) \
     END, u.used, u.held, u.tokens ",
    levels!(),
    " ORDER BY u.used DESC, u.scope_id LIMIT $6 OFFSET $7"
);

const COUNT: &str = concat!("SELECT COUNT(*) ", levels!());

/// Reads a project's usage.
pub(super) async fn read(
    conn: &mut PgConnection,
    project: ProjectId,
    ask: UsageAsk,
    now: Timestamp,
) -> Result<UsageSummary> {
    // One snapshot for all that follows, so that the sums agree.
    let begun = conn
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await;
    let mut snapshot = begun.map_err(|error| failure(&error))?;
    access::find(&mut snapshot, project).await?;
    let is_now = ask.month == billing_period(now);
    let told = is_now.then_some(ask.spending);
    let mut month = own(&mut snapshot, project, Scope::ProjectMonth, ask.month).await?;
    if let Some(told) = told {
        month.limit = told.monthly;
    }
    let today = match told {
        Some(told) => {
            let today = own(&mut snapshot, project, Scope::ProjectDay, utc_day(now)).await?;
            Some(LevelUsage {
                limit: told.daily,
                ..today
            })
        }
        None => None,
    };
    Ok(UsageSummary {
        today,
        allowance: allowance(&mut snapshot, project, (&month, ask.month)).await?,
        month,
        days: days(&mut snapshot, project, ask.month).await?,
        levels: levels(&mut snapshot, project, &ask).await?,
    })
}

/// A level of the project itself.
async fn own(
    conn: &mut PgConnection,
    project: ProjectId,
    scope: Scope,
    period: i32,
) -> Result<LevelUsage> {
    let mut usage = LevelUsage {
        scope,
        id: project.0,
        name: None,
        limit: None,
        used: 0,
        held: 0,
        tokens: 0,
    };
    if let Some((limit, used, held, tokens)) = row(conn, project, scope.as_str(), period).await? {
        (usage.limit, usage.used, usage.held, usage.tokens) = (limit, used, held, tokens);
    }
    Ok(usage)
}

type Row = (Option<u64>, u64, u64, u64);

async fn row(
    conn: &mut PgConnection,
    project: ProjectId,
    scope: &'static str,
    period: i32,
) -> Result<Option<Row>> {
    let statement = sql(ONE).bind(project.0).bind(scope).bind(i64::from(period));
    let row = statement.fetch_optional(conn).await;
    let row = row.map_err(|error| failure(&error))?;
    row.map(|row| {
        let mut c = Cursor::new(&row);
        Ok((c.find_count()?, c.count()?, c.count()?, c.count()?))
    })
    .transpose()
}

async fn allowance(
    conn: &mut PgConnection,
    project: ProjectId,
    (month, period): (&LevelUsage, i32),
) -> Result<Allowance> {
    let balance = row(conn, project, Shelf::Balance.as_str(), 0).await?;
    let elsewhere = sql(ELSEWHERE).bind(project.0).bind(i64::from(period));
    Ok(Allowance {
        plan: month.limit,
        used: month.used,
        held: month.held,
        added: balance.and_then(|(added, ..)| added).unwrap_or(0),
        drawn: balance.map_or(0, |(_, drawn, ..)| drawn),
        held_elsewhere: number(conn, elsewhere).await?,
    })
}

async fn number(conn: &mut PgConnection, statement: Statement<'_>) -> Result<u64> {
    let row = statement.fetch_one(conn).await;
    Cursor::new(&row.map_err(|error| failure(&error))?).count()
}

async fn days(
    conn: &mut PgConnection,
    project: ProjectId,
    month: i32,
) -> Result<Vec<(Date, u64, u64)>> {
    let statement = sql(DAYS)
        .bind(project.0)
        .bind(first_day(month)?)
        .bind(first_day(month + 1)?);
    let found = statement.fetch_all(conn).await;
    let found = found.map_err(|error| failure(&error))?;
    let days = found.iter().map(|row| {
        let mut c = Cursor::new(row);
        let day: i64 = c.take()?;
        let date = Timestamp::from_second(day.saturating_mul(86_400))
            .map_err(|_| StoreError::Corrupt(format!("day {day} of a budget")))?
            .to_zoned(TimeZone::UTC)
            .date();
        Ok((date, c.count()?, c.count()?))
    });
    days.collect()
}

/// The first UTC day of a month.
fn first_day(month: i32) -> Result<i64> {
    let odd = || StoreError::Conflict(format!("there is no month {month}"));
    let year = i16::try_from(month.div_euclid(12)).map_err(|_| odd())?;
    let number = i8::try_from(month.rem_euclid(12) + 1).map_err(|_| odd())?;
    let first = Date::new(year, number, 1).map_err(|_| odd())?;
    let first = first.to_zoned(TimeZone::UTC).map_err(|_| odd())?;
    Ok(i64::from(utc_day(first.timestamp())))
}

async fn levels(
    conn: &mut PgConnection,
    project: ProjectId,
    ask: &UsageAsk,
) -> Result<Listed<LevelUsage>> {
    let scope = ask.by.scope();
    let (one, of_bot): (Option<Uuid>, Option<Uuid>) = match ask.by {
        UsageBy::Bot(bot) => (bot.map(|id| id.0), None),
        UsageBy::Member(member) => (member.map(|id| id.0), None),
        UsageBy::Heartbeat(bot) => (None, bot.map(|id| id.0)),
        UsageBy::One(heartbeat) => (Some(heartbeat.0), None),
    };
    let narrowed = |text| {
        sql(text)
            .bind(project.0)
            .bind(scope.as_str())
            .bind(i64::from(ask.month))
            .bind(one)
            .bind(of_bot)
    };
    let page = narrowed(PAGE)
        .bind(i64::from(ask.page.size))
        .bind(ask.page.offset());
    let found = page.fetch_all(&mut *conn).await;
    let found = found.map_err(|error| failure(&error))?;
    let levels = found.iter().map(|row| {
        let mut c = Cursor::new(row);
        Ok(LevelUsage {
            scope,
            id: c.take()?,
            name: c.take()?,
            limit: c.find_count()?,
            used: c.count()?,
            held: c.count()?,
            tokens: c.count()?,
        })
    });
    Ok(Listed {
        rows: levels.collect::<Result<_>>()?,
        total: number(conn, narrowed(COUNT)).await?,
    })
}
