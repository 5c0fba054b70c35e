//! Earlier executions of a heartbeat, as a session is told of them: one statement for both
//! databases, because every session asks.

use heartbeat_domain::execution::Status;

use crate::rows::Cursor;
use crate::verbs::{PastRun, PastRuns, Result};

/// The thread, newest first, and the last run. Takes project, heartbeat, from, before, most.
pub(crate) const PAST_RUNS: &str = "SELECT * FROM (SELECT false AS is_last, e.due_at, e.status, \
    e.prompt, e.response, e.error_message FROM executions e WHERE e.project_id = $1 \
    AND e.heartbeat_id = $2 AND e.due_at >= $3 AND e.due_at < $4 AND e.status = 'success' \
    AND e.response <> '' ORDER BY e.due_at DESC LIMIT $5) thread \
    UNION ALL SELECT * FROM (SELECT true AS is_last, e.due_at, e.status, e.prompt, e.response, \
    e.error_message FROM executions e WHERE e.project_id = $1 AND e.heartbeat_id = $2 \
    AND e.phase = 'ended' AND e.status <> 'skipped' ORDER BY e.due_at DESC LIMIT 1) last";

/// Puts a row of [`PAST_RUNS`] where it belongs; [`in_order`] comes after the last.
pub(crate) fn put(past: &mut PastRuns, c: &mut Cursor<'_>) -> Result<()> {
    let is_last = c.take()?;
    let run = PastRun {
        due_at: c.time()?,
        status: c.name(Status::find)?,
        prompt: c.take()?,
        response: c.take()?,
        error_message: c.take()?,
    };
    match is_last {
        true => past.last = Some(run),
        false => past.thread.push(run),
    }
    Ok(())
}

/// The thread oldest first.
pub(crate) fn in_order(mut past: PastRuns) -> PastRuns {
    past.thread.sort_by_key(|run| run.due_at);
    past
}
