//! The balance of a project: what is asked of its ledger, and what may be put on it or taken back,
//! whichever database keeps it.

use heartbeat_domain::budget::CREDITS_MAX;
use heartbeat_domain::ids::CreditId;
use heartbeat_domain::violation::Violation;

use crate::StoreError;
use crate::rows::Cursor;
use crate::verbs::{CreditEntry, Result};

/// An addition; the same id again is none. Takes project, id, day, credits, note, moment.
pub(crate) const ADD: &str = "INSERT INTO credit_ledger \
    (project_id, id, kind, day, credits, note, created_at) VALUES ($1, $2, 'added', $3, $4, $5, $6) \
    ON CONFLICT (project_id, id) DO NOTHING";

/// What executions drew on a day. Takes project, id, day, credits, moment.
pub(crate) const DRAW: &str = "INSERT INTO credit_ledger \
    (project_id, id, kind, day, credits, note, created_at) VALUES ($1, $2, 'drawn', $3, $4, '', $5) \
    ON CONFLICT (project_id, day) WHERE kind = 'drawn' DO UPDATE SET \
    credits = credit_ledger.credits + excluded.credits";

/// What was added is the limit of the balance's row, what was drawn its use.
pub(crate) const MOVE: &str = "INSERT INTO budgets \
    (project_id, scope, scope_id, period, credit_limit, used, held, tokens) \
    VALUES ($1, 'balance', $1, 0, $2, 0, 0, 0) \
    ON CONFLICT (project_id, scope, scope_id, period) DO UPDATE SET \
    credit_limit = COALESCE(budgets.credit_limit, 0) + $2";

/// A page of the ledger. Takes project, size, offset.
pub(crate) const ENTRIES: &str = "SELECT id, credits, note, kind = 'drawn', created_at FROM credit_ledger \
    WHERE project_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3";

/// How many entries there are. Takes project.
pub(crate) const COUNT: &str = "SELECT COUNT(*) FROM credit_ledger WHERE project_id = $1";

/// The limit of a subscriber. Takes project, subscriber, limit.
pub(crate) const LIMIT_MEMBER: &str = "INSERT INTO members (project_id, id, credit_limit) VALUES ($1, $2, $3) \
    ON CONFLICT (project_id, id) DO UPDATE SET credit_limit = excluded.credit_limit";

/// Refuses what does not fit on a balance, or is not on it.
pub(crate) fn check(before: i64, credits: i64) -> Result<()> {
    let most = i64::try_from(CREDITS_MAX).unwrap_or(i64::MAX);
    let after = before.saturating_add(credits);
    let what = if credits == 0 {
        "must not be 0".to_owned()
    } else if after > most {
        format!("would make the balance {after}; at most {most} fit on it")
    } else if credits < 0 && after < 0 {
        format!(
            "takes {} from a balance of {before}",
            credits.unsigned_abs()
        )
    } else {
        return Ok(());
    };
    Err(StoreError::Violation(Violation::input("credits", what)))
}

/// Reads a row of [`ENTRIES`].
pub(crate) fn entry(c: &mut Cursor<'_>) -> Result<CreditEntry> {
    Ok(CreditEntry {
        id: CreditId(c.take()?),
        credits: c.take()?,
        note: c.take()?,
        drawn: c.take()?,
        created_at: c.time()?,
    })
}
