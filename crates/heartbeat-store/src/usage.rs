//! What every level of budget used in a month: what is asked of a database and read from its rows,
//! whichever keeps them.

use heartbeat_domain::budget::{Allowance, Scope};
use heartbeat_domain::heartbeat::utc_day;
use heartbeat_domain::ids::ProjectId;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use uuid::Uuid;

use crate::StoreError;
use crate::rows::Cursor;
use crate::verbs::{LevelUsage, Result, UsageBy};

/// A level of the project itself. Takes project, scope, period.
pub(crate) const ONE: &str = "SELECT credit_limit, used, held, tokens FROM budgets \
    WHERE project_id = $1 AND scope = $2 AND scope_id = $1 AND period = $3";

/// Days with anything in them. Takes project, first day, day after the last.
pub(crate) const DAYS: &str = "SELECT period, used, tokens FROM budgets WHERE project_id = $1 \
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

/// A page of levels. Takes project, scope, period, one of them, agent, size, offset.
pub(crate) const PAGE: &str = concat!(
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

/// How many there are. Takes project, scope, period, one of them, agent.
pub(crate) const COUNT: &str = concat!("SELECT COUNT(*) ", levels!());

/// The row of a level of the project itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OwnRow {
    limit: Option<u64>,
    used: u64,
    held: u64,
    tokens: u64,
}

impl OwnRow {
    /// Reads a row of [`ONE`].
    pub(crate) fn read(c: &mut Cursor<'_>) -> Result<Self> {
        Ok(Self {
            limit: c.find_count()?,
            used: c.count()?,
            held: c.count()?,
            tokens: c.count()?,
        })
    }

    /// As usage of that scope.
    pub(crate) fn usage(self, project: ProjectId, scope: Scope) -> LevelUsage {
        LevelUsage {
            scope,
            id: project.0,
            name: None,
            limit: self.limit,
            used: self.used,
            held: self.held,
            tokens: self.tokens,
        }
    }
}

/// What a project may use in a month: of its plan, then of its balance.
pub(crate) fn allowance(month: &LevelUsage, balance: OwnRow, held_elsewhere: u64) -> Allowance {
    Allowance {
        plan: month.limit,
        used: month.used,
        held: month.held,
        added: balance.limit.unwrap_or(0),
        drawn: balance.used,
        held_elsewhere,
    }
}

/// Reads a row of [`DAYS`].
pub(crate) fn day(c: &mut Cursor<'_>) -> Result<(Date, u64, u64)> {
    let day: i64 = c.take()?;
    let date = Timestamp::from_second(day.saturating_mul(86_400))
        .map_err(|_| StoreError::Corrupt(format!("day {day} of a budget")))?
        .to_zoned(TimeZone::UTC)
        .date();
    Ok((date, c.count()?, c.count()?))
}

/// Reads a row of [`PAGE`].
pub(crate) fn level(c: &mut Cursor<'_>, scope: Scope) -> Result<LevelUsage> {
    Ok(LevelUsage {
        scope,
        id: c.take()?,
        name: c.take()?,
        limit: c.find_count()?,
        used: c.count()?,
        held: c.count()?,
        tokens: c.count()?,
    })
}

/// The one level, and the agent, that levels are narrowed to.
pub(crate) fn narrowed(by: UsageBy) -> (Option<Uuid>, Option<Uuid>) {
    match by {
        UsageBy::Bot(bot) => (bot.map(|id| id.0), None),
        UsageBy::Member(member) => (member.map(|id| id.0), None),
        UsageBy::Heartbeat(bot) => (None, bot.map(|id| id.0)),
        UsageBy::One(heartbeat) => (Some(heartbeat.0), None),
    }
}

/// The first UTC day of a month.
pub(crate) fn first_day(month: i32) -> Result<i64> {
    let odd = || StoreError::Conflict(format!("there is no month {month}"));
    let year = i16::try_from(month.div_euclid(12)).map_err(|_| odd())?;
    let number = i8::try_from(month.rem_euclid(12) + 1).map_err(|_| odd())?;
    let first = Date::new(year, number, 1).map_err(|_| odd())?;
    let first = first.to_zoned(TimeZone::UTC).map_err(|_| odd())?;
    Ok(i64::from(utc_day(first.timestamp())))
}
