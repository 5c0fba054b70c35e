//! What happens to fires: nodes, claims, triggers, ends.

use async_trait::async_trait;
use heartbeat_domain::claim::{Claim, Hold, Node, Renewal};
use heartbeat_domain::execution::{Ending, Execution};
use heartbeat_domain::ids::{ExecutionId, NodeId, ProjectId};
use heartbeat_domain::reason::Reason;
use heartbeat_domain::settlement::Settlement;
use jiff::Timestamp;

use super::{Channel, HeartbeatKey, Result};

/// How many fires a node wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimAsk {
    /// The node, which must be live.
    pub node_id: NodeId,
    /// At most so many.
    pub want: usize,
}

/// A person's wish to carry out a heartbeat now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TriggerAsk {
    /// The heartbeat.
    pub key: HeartbeatKey,
    /// Id of the execution; a repeat with the same id gives the first answer.
    pub execution_id: ExecutionId,
}

/// An execution that was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopRequest {
    /// Its project.
    pub project_id: ProjectId,
    /// The execution.
    pub execution_id: ExecutionId,
    /// Why: what its row is to say.
    pub reason: Reason,
}

/// Fires, and the nodes that carry them out.
#[async_trait]
pub trait Fires: Send + Sync {
    /// Writes down a new incarnation of a node with a lease of [`heartbeat_domain::claim::LEASE`].
    /// Where no other node is live, what fell due meanwhile is released over 60 s in order of due
    /// time. Idempotent under the node's id.
    async fn register_node(&self, node: &Node, now: Timestamp) -> Result<()>;

    /// Renews a node's lease, even late, as long as nobody took over. What it says of itself
    /// replaces what is stored. `Fenced` once another node found this one dead.
    async fn renew_node(&self, renewal: &Renewal, now: Timestamp) -> Result<()>;

    /// Ends a node's lease at once; what it still holds may be taken over. Idempotent.
    async fn end_node(&self, id: NodeId, now: Timestamp) -> Result<()>;

    /// What the database's own clock shows; none where the database is a file of this machine.
    async fn clock(&self) -> Result<Option<Timestamp>> {
        Ok(None)
    }

    /// All nodes that are live or ended within the last day, newest first.
    async fn nodes(&self, now: Timestamp) -> Result<Vec<Node>>;

    /// Takes up to `want` fires that are claimable at `now`: open executions of dead nodes and
    /// those without a holder first, then heartbeats, oldest first within a project and round robin
    /// between projects.
    ///
    /// A heartbeat with an open execution is never taken anew. A fresh fire gets its row, unique on
    /// (project, heartbeat, due time), for the latest due time not after `now`; `next` stays. Every
    /// claim raises the fence; the first one is when the execution started. A paused heartbeat whose pause has ended resumes and is not taken.
    ///
    /// Where the answer of the commit is lost, the store itself asks again under a key of this call
    /// and gives the first answer, as far as it still stands. Whoever is answered `Unavailable` all
    /// the same asks [`Fires::held_by`].
    /// `Fenced` if the node itself is no longer live.
    async fn claim_due(&self, ask: ClaimAsk, now: Timestamp) -> Result<Vec<Claim>>;

    /// When something will next be claimable: a heartbeat, an execution, or what a live node holds
    /// once its lease ends.
    async fn next_claimable_at(&self, now: Timestamp) -> Result<Option<Timestamp>>;

    /// Writes down a manual fire, due `now` and claimable at once, or its row as
    /// `skipped: previous_run_active` while another execution of the heartbeat is open. Moves no
    /// grid.
    async fn trigger(&self, ask: TriggerAsk, now: Timestamp) -> Result<Execution>;

    /// Ends an execution: [`heartbeat_domain::settlement::settle`] on the rows as this transaction
    /// locks them, and everything that it says is written: row, charge, breaker, next due time,
    /// skipped rows, pause, notices with a delivery for each of `channels`, rollups.
    ///
    /// `Fenced` unless `hold` is the current one. A repeat with the same hold after success gives
    /// the first answer.
    async fn finish(
        &self,
        hold: &Hold,
        ending: &Ending,
        channels: &[Channel],
        now: Timestamp,
    ) -> Result<Settlement>;

    /// Gives an open execution back: claimable at once, by any node. Fenced.
    async fn release(&self, hold: &Hold, now: Timestamp) -> Result<()>;

    /// What a node holds, oldest first: for a node that did not see the answer of a claim.
    async fn held_by(&self, node_id: NodeId) -> Result<Vec<Hold>>;

    /// Executions held by a node that were asked to stop and have not ended, each with why.
    async fn cancel_requests(&self, node_id: NodeId) -> Result<Vec<StopRequest>>;
}
