//! Nodes of the installation.

use heartbeat_domain::claim::Node;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::instant;

/// One incarnation of a running process.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Node)]
pub struct NodeObject {
    /// Id of the incarnation; a process that was taken over goes on under a new one.
    pub uuid: String,
    /// Host and process.
    pub name: String,
    /// `live`, `draining` (it takes nothing new), `silent` (its lease has passed, nobody took over
    /// yet) or `ended`.
    pub status: &'static str,
    /// Version of the program; empty where it is older than this list.
    pub version: String,
    /// When it started.
    pub started_at: String,
    /// Since when it has been awake without a break longer than its lease.
    pub awake_since: String,
    /// When it last renewed its lease.
    pub renewed_at: String,
    /// When its lease ends.
    pub lease_until: String,
    /// When it stopped, or another node found it dead.
    pub ended_at: Option<String>,
    /// How many executions it carries out at once at most.
    pub slots: u32,
    /// How many of those were taken when it last renewed.
    pub slots_used: u32,
    /// How far its own clock was behind the database's, in milliseconds; null where the database is
    /// a file.
    pub clock_offset_ms: Option<i64>,
}

impl NodeObject {
    /// A node as it is now.
    #[must_use]
    pub fn of(node: &Node, now: Timestamp) -> Self {
        let offset = node.work.clock_offset;
        Self {
            uuid: node.id.to_string(),
            name: node.name.clone(),
            status: node.liveness(now).as_str(),
            version: node.version.clone(),
            started_at: instant(node.started_at),
            awake_since: instant(node.awake_since),
            renewed_at: instant(node.renewed_at()),
            lease_until: instant(node.lease_until),
            ended_at: node.ended_at.map(instant),
            slots: node.work.slots,
            slots_used: node.work.busy,
            clock_offset_ms: offset.and_then(|by| i64::try_from(by.as_millis()).ok()),
        }
    }
}

/// Nodes that are at work or ended within the last day, newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NodesResponse {
    /// How many there are.
    pub total: usize,
    /// The nodes.
    pub nodes: Vec<NodeObject>,
}
