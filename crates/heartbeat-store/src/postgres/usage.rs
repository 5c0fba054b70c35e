//! What every level of budget used in a month, read in one snapshot so that the sums agree.

use heartbeat_domain::budget::Scope;
use heartbeat_domain::heartbeat::{billing_period, utc_day};
use heartbeat_domain::ids::ProjectId;
use jiff::Timestamp;
use jiff::civil::Date;
use sqlx::{Connection, PgConnection};

use super::access;
use super::failure::failure;
use super::rows::Cursor;
use super::tx::{Statement, sql};
use crate::purses::Shelf;
use crate::usage::{COUNT, DAYS, ONE, OwnRow, PAGE, allowance, day, first_day, level, narrowed};
use crate::verbs::{LevelUsage, Listed, Result, UsageAsk, UsageSummary};

const ELSEWHERE: &str = "SELECT COALESCE(SUM(CASE WHEN credit_limit IS NULL THEN 0 \
    ELSE GREATEST(0, held - GREATEST(0, credit_limit - used)) END), 0)::BIGINT FROM budgets \
    WHERE project_id = $1 AND scope = 'project_month' AND scope_id = $1 AND period <> $2";

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
    let month = own(
        &mut snapshot,
        project,
        (Scope::ProjectMonth.as_str(), ask.month),
    )
    .await?;
    let mut month = month.usage(project, Scope::ProjectMonth);
    if let Some(told) = told {
        month.limit = told.monthly;
    }
    let today = match told {
        Some(told) => {
            let level = (Scope::ProjectDay.as_str(), utc_day(now));
            let today = own(&mut snapshot, project, level).await?;
            Some(LevelUsage {
                limit: told.daily,
                ..today.usage(project, Scope::ProjectDay)
            })
        }
        None => None,
    };
    let balance = own(&mut snapshot, project, (Shelf::Balance.as_str(), 0)).await?;
    let elsewhere = sql(ELSEWHERE).bind(project.0).bind(i64::from(ask.month));
    Ok(UsageSummary {
        today,
        allowance: allowance(&month, balance, number(&mut snapshot, elsewhere).await?),
        month,
        days: days(&mut snapshot, project, ask.month).await?,
        levels: levels(&mut snapshot, project, &ask).await?,
    })
}

/// A level of the project itself; one without a row is empty.
async fn own(
    conn: &mut PgConnection,
    project: ProjectId,
    (scope, period): (&'static str, i32),
) -> Result<OwnRow> {
    let statement = sql(ONE).bind(project.0).bind(scope).bind(i64::from(period));
    let row = statement.fetch_optional(conn).await;
    let row = row.map_err(|error| failure(&error))?;
    row.map_or_else(
        || Ok(OwnRow::default()),
        |row| OwnRow::read(&mut Cursor::new(&row)),
    )
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
    found.iter().map(|row| day(&mut Cursor::new(row))).collect()
}

async fn levels(
    conn: &mut PgConnection,
    project: ProjectId,
    ask: &UsageAsk,
) -> Result<Listed<LevelUsage>> {
    let scope = ask.by.scope();
    let (one, of_bot) = narrowed(ask.by);
    let asked = |text| {
        let statement = sql(text).bind(project.0).bind(scope.as_str());
        statement.bind(i64::from(ask.month)).bind(one).bind(of_bot)
    };
    let page = asked(PAGE)
        .bind(i64::from(ask.page.size))
        .bind(ask.page.offset());
    let found = page.fetch_all(&mut *conn).await;
    let found = found.map_err(|error| failure(&error))?;
    let levels = found.iter().map(|row| level(&mut Cursor::new(row), scope));
    Ok(Listed {
        rows: levels.collect::<Result<_>>()?,
        total: number(conn, asked(COUNT)).await?,
    })
}
