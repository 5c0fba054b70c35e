//! Levels of budget: what each period has drawn and holds.
//!
//! The period of an execution is that of its start, so it does not change while it runs.

use heartbeat_domain::budget::{Held, Level, Scope};
use heartbeat_domain::execution::Execution;
use heartbeat_domain::heartbeat::{Heartbeat, billing_period, utc_day};
use heartbeat_domain::ids::{HeartbeatId, ProjectId};
use jiff::Timestamp;
use uuid::Uuid;

use super::rows::{Cursor, int};
use super::tx::{Statement, Tx, sql};
use crate::verbs::Result;

const LEVELS: &str = "SELECT scope, credit_limit, used, held FROM budgets WHERE project_id = $1 \
    AND ((scope = 'heartbeat' AND scope_id = $2 AND period = $3) \
    OR (scope = 'project_day' AND scope_id = $1 AND period = $4))";

const DRAW: &str = "INSERT INTO budgets \
    (project_id, scope, scope_id, period, credit_limit, used, held) \
    VALUES ($1, 'heartbeat', $2, $3, NULL, $5, MAX($6, 0)), \
    ($1, 'project_day', $1, $4, $7, $5, MAX($6, 0)) \
    ON CONFLICT (project_id, scope, scope_id, period) DO UPDATE SET \
    used = budgets.used + $5, held = MAX(budgets.held + $6, 0), \
    credit_limit = CASE WHEN $8 THEN excluded.credit_limit ELSE budgets.credit_limit END";

/// The budgets that an execution draws on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purse {
    project_id: ProjectId,
    heartbeat: Uuid,
    month: i64,
    day: i64,
}

impl Purse {
    /// Of a heartbeat's execution that started then.
    pub(super) fn new(
        project_id: ProjectId,
        heartbeat: Option<HeartbeatId>,
        started_at: Timestamp,
    ) -> Self {
        Self {
            project_id,
            heartbeat: heartbeat.map_or(Uuid::nil(), |id| id.0),
            month: i64::from(billing_period(started_at)),
            day: i64::from(utc_day(started_at)),
        }
    }

    /// Of an execution.
    pub(super) fn of(execution: &Execution) -> Self {
        let started_at = execution.started_at.unwrap_or(execution.created_at);
        Self::new(execution.project_id, execution.heartbeat_id, started_at)
    }

    /// What both levels have drawn and hold, with the limits given; the limit of the day as it was
    /// last seen where none is.
    pub(super) async fn levels(
        &self,
        tx: &mut Tx,
        heartbeat_limit: Option<u64>,
        day_limit: Option<Option<u64>>,
    ) -> Result<[Level; 2]> {
        let statement = sql(LEVELS)
            .bind(self.project_id.0)
            .bind(self.heartbeat)
            .bind(self.month)
            .bind(self.day);
        let level = |scope, limit| Level {
            scope,
            limit,
            used: 0,
            held: 0,
        };
        let mut levels = [
            level(Scope::Heartbeat, heartbeat_limit),
            level(Scope::ProjectDay, day_limit.flatten()),
        ];
        for row in tx.rows(statement).await? {
            let mut c = Cursor::new(&row);
            let scope: &str = c.take()?;
            let level = &mut levels[usize::from(scope == "project_day")];
            let limit = c.find_count()?;
            if level.scope == Scope::ProjectDay && day_limit.is_none() {
                level.limit = limit;
            }
            (level.used, level.held) = (c.count()?, c.count()?);
        }
        Ok(levels)
    }

    /// Binds heartbeat, month, day, what is held more, and the day's limit if one is told.
    pub(super) fn bind<'q>(
        &self,
        statement: Statement<'q>,
        held: i64,
        day_limit: Option<Option<u64>>,
    ) -> Statement<'q> {
        statement
            .bind(self.heartbeat)
            .bind(self.month)
            .bind(self.day)
            .bind(held)
            .bind(day_limit.flatten().map(int))
            .bind(day_limit.is_some())
    }

    /// Adds to what both levels have drawn and hold; keeps the day's limit if one is told.
    pub(super) async fn draw(
        &self,
        tx: &mut Tx,
        (used, held): (u64, i64),
        day_limit: Option<Option<u64>>,
    ) -> Result<()> {
        if used == 0 && held == 0 {
            return Ok(());
        }
        let statement = sql(DRAW)
            .bind(self.project_id.0)
            .bind(self.heartbeat)
            .bind(self.month)
            .bind(self.day)
            .bind(int(used))
            .bind(held)
            .bind(day_limit.flatten().map(int))
            .bind(day_limit.is_some());
        tx.write(statement).await?;
        Ok(())
    }
}

/// How many whole credits more an execution holds after a change of what it spent and reserved.
pub(super) fn further(before: Held, after: Held) -> i64 {
    int(after.credits()) - int(before.credits())
}

/// The levels that an ending is settled against; none where it drew nothing.
pub(super) async fn levels_of_ending(
    tx: &mut Tx,
    execution: &Execution,
    heartbeat: Option<&Heartbeat>,
) -> Result<Vec<Level>> {
    if execution.held.spent == 0 {
        return Ok(Vec::new());
    }
    let limit = heartbeat.and_then(|heartbeat| heartbeat.settings.credit_budget);
    Ok(Purse::of(execution).levels(tx, limit, None).await?.to_vec())
}

/// Turns what an execution held into what it drew.
pub(super) async fn charge(tx: &mut Tx, execution: &Execution, credits: u64) -> Result<()> {
    let held = -int(execution.held.credits());
    Purse::of(execution).draw(tx, (credits, held), None).await
}
