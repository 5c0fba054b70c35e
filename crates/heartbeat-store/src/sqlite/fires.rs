//! What happens to fires: nodes, claims, triggers, ends.

use async_trait::async_trait;
use heartbeat_domain::claim::{Claim, Hold, Node, Renewal};
use heartbeat_domain::execution::{Ending, Execution, Trigger};
use heartbeat_domain::heartbeat::OpenRun;
use heartbeat_domain::ids::{ExecutionId, NodeId, ProjectId};
use heartbeat_domain::reason::Reason;
use heartbeat_domain::settlement::Settlement;
use jiff::{SignedDuration, Timestamp};

use super::failure::failure;
use super::rows::{self, Cursor, execution_columns, ms};
use super::tx::{Tx, sql};
use super::{SqliteStore, claims, executions, heartbeats, nodes, records, rollups};
use crate::counting::Rollups;
use crate::desk::FinishAsk;
use crate::error::Thing;
use crate::progress::standing;
use crate::verbs::{Channel, ClaimAsk, Fires, Result, StopRequest, TriggerAsk};
use crate::{StoreError, entries};

const NEXT_CLAIMABLE: &str = "SELECT MIN(at) FROM (\
    SELECT MIN(claimable_at) AS at FROM heartbeats WHERE claimable_at IS NOT NULL \
    UNION ALL \
    SELECT MIN(claimable_at) FROM executions WHERE claimable_at IS NOT NULL \
    UNION ALL \
    SELECT MIN(n.lease_until) FROM nodes n WHERE n.ended_at IS NULL \
    AND EXISTS (SELECT 1 FROM executions e WHERE e.holder = n.id)) AS moments";

const RELEASE: &str = "UPDATE executions SET holder = NULL, claimable_at = $5 \
    WHERE project_id = $1 AND id = $2 AND holder = $3 AND fence = $4 AND phase = 'running'";

const TAKEN: &str = "SELECT 1 FROM executions \
    WHERE project_id = $1 AND heartbeat_id = $2 AND due_at = $3";

const HELD_BY: &str = "SELECT project_id, id, due_at, fence FROM executions \
    WHERE holder = $1 ORDER BY created_at, id";

const ASKED_TO_STOP: &str = "SELECT project_id, id, cancel_requested FROM executions \
    WHERE holder = $1 AND cancel_requested IS NOT NULL";

const HELD: &str = concat!(
    "SELECT ",
    execution_columns!(),
    " FROM executions e WHERE e.project_id = $1 AND e.id = $2"
);

#[async_trait]
impl Fires for SqliteStore {
    async fn register_node(&self, node: &Node, now: Timestamp) -> Result<()> {
        let node = node.clone();
        self.write(move |tx| Box::pin(nodes::register(tx, node, now)))
            .await
    }

    async fn renew_node(&self, renewal: &Renewal, now: Timestamp) -> Result<()> {
        let renewal = *renewal;
        self.write(move |tx| Box::pin(nodes::renew(tx, renewal, now)))
            .await
    }

    async fn end_node(&self, id: NodeId, now: Timestamp) -> Result<()> {
        self.write(move |tx| Box::pin(nodes::end_by_itself(tx, id, now)))
            .await
    }

    async fn nodes(&self, now: Timestamp) -> Result<Vec<Node>> {
        nodes::lately(&mut *self.read().await?, now).await
    }

    async fn claim_due(&self, ask: ClaimAsk, now: Timestamp) -> Result<Vec<Claim>> {
        let now = rows::whole_ms(now);
        self.write(move |tx| Box::pin(claims::claim_due(tx, ask, now)))
            .await
    }

    async fn next_claimable_at(&self, _now: Timestamp) -> Result<Option<Timestamp>> {
        let mut conn = self.read().await?;
        let row = sql(NEXT_CLAIMABLE).fetch_one(&mut *conn).await;
        Cursor::new(&row.map_err(|error| failure(&error))?).find_time()
    }

    async fn trigger(&self, ask: TriggerAsk, now: Timestamp) -> Result<Execution> {
        let now = rows::whole_ms(now);
        self.write(move |tx| Box::pin(trigger(tx, ask, now))).await
    }

    async fn finish(
        &self,
        hold: &Hold,
        ending: &Ending,
        channels: &[Channel],
        now: Timestamp,
    ) -> Result<Settlement> {
        let ask = FinishAsk {
            hold: *hold,
            ending: ending.clone(),
            channels: channels.to_vec(),
            now,
        };
        self.queue.finish(ask).await
    }

    async fn release(&self, hold: &Hold, now: Timestamp) -> Result<()> {
        let hold = *hold;
        self.write(move |tx| Box::pin(move_held(tx, RELEASE, hold, now)))
            .await
    }

    async fn held_by(&self, node_id: NodeId) -> Result<Vec<Hold>> {
        let mut conn = self.read().await?;
        let rows = sql(HELD_BY).bind(node_id.0).fetch_all(&mut *conn).await;
        let rows = rows.map_err(|error| failure(&error))?;
        rows.iter()
            .map(|row| {
                let mut c = Cursor::new(row);
                Ok(Hold {
                    project_id: ProjectId(c.take()?),
                    execution_id: ExecutionId(c.take()?),
                    due_at: c.time()?,
                    node_id,
                    fence: c.take()?,
                })
            })
            .collect()
    }

    async fn cancel_requests(&self, node_id: NodeId) -> Result<Vec<StopRequest>> {
        let mut conn = self.read().await?;
        let rows = sql(ASKED_TO_STOP)
            .bind(node_id.0)
            .fetch_all(&mut *conn)
            .await;
        let asked = rows.map_err(|error| failure(&error))?;
        asked
            .iter()
            .map(|row| {
                let mut c = Cursor::new(row);
                Ok(StopRequest {
                    project_id: ProjectId(c.take()?),
                    execution_id: ExecutionId(c.take()?),
                    reason: c.name(rows::reason)?,
                })
            })
            .collect()
    }
}

/// An execution that `hold` is the current hold of.
pub(super) async fn held(tx: &mut Tx, hold: &Hold) -> Result<Execution> {
    let statement = sql(HELD).bind(hold.project_id.0).bind(hold.execution_id.0);
    let row = tx
        .find(statement)
        .await?
        .ok_or(StoreError::NotFound(Thing::Execution))?;
    standing(rows::held_execution(&mut Cursor::new(&row))?, hold)
}

/// Runs a statement that writes one row if the hold stands.
async fn move_held(tx: &mut Tx, statement: &'static str, hold: Hold, now: Timestamp) -> Result<()> {
    let statement = sql(statement)
        .bind(hold.project_id.0)
        .bind(hold.execution_id.0)
        .bind(hold.node_id.0)
        .bind(hold.fence)
        .bind(ms(now));
    if tx.write(statement).await? > 0 {
        return Ok(());
    }
    held(tx, &hold).await.map(|_| ())
}

async fn trigger(tx: &mut Tx, ask: TriggerAsk, now: Timestamp) -> Result<Execution> {
    let heartbeat = heartbeats::find(tx, ask.key).await?;
    let known = executions::find(tx.conn(), ask.key.project_id, ask.execution_id).await;
    match known {
        Ok(first) if first.heartbeat_id == Some(ask.key.id) => return Ok(first),
        Ok(_) => {
            return Err(StoreError::Conflict(
                "this id is another execution's".into(),
            ));
        }
        Err(StoreError::NotFound(_)) => {}
        Err(error) => return Err(error),
    }
    let due_at = free_moment(tx, ask, now).await?;
    let mut row = entries::fresh(&heartbeat, ask.execution_id, (Trigger::Manual, due_at), now);
    if heartbeat.open.is_some() {
        let row = entries::skipped_row(row, Reason::PreviousRunActive, now);
        records::insert(tx, &[(&row, None)]).await?;
        let mut counted = Rollups::default();
        counted.count(&row);
        rollups::add(tx, counted).await?;
        return Ok(row);
    }
    row.claimable_at = Some(now);
    row.missed_reason = super::standing::missed_reason(tx, &heartbeat, now).await?;
    records::insert(tx, &[(&row, None)]).await?;
    let mut after = heartbeat;
    after.open = Some(OpenRun::new(row.id, due_at));
    after.claimable_at = None;
    records::save_states(tx, &[after]).await?;
    Ok(row)
}

/// The moment of the call, or the first one after it that is neither a possible value of the
/// schedule, which are whole seconds, nor another trigger's.
async fn free_moment(tx: &mut Tx, ask: TriggerAsk, now: Timestamp) -> Result<Timestamp> {
    let mut at = now;
    loop {
        let is_value = at.as_millisecond() % 1_000 == 0;
        let taken = sql(TAKEN)
            .bind(ask.key.project_id.0)
            .bind(ask.key.id.0)
            .bind(ms(at));
        if !is_value && tx.find(taken).await?.is_none() {
            return Ok(at);
        }
        at += SignedDuration::from_millis(1);
    }
}
