//! What the world outside saw: who claimed, who was asked, what was carried.

use std::collections::{BTreeMap, BTreeSet};

use heartbeat_domain::claim::Claim;
use heartbeat_domain::heartbeat::ScheduleFields;
use heartbeat_domain::ids::{DeliveryId, ExecutionId, HeartbeatId, NoticeId, ProjectId};
use jiff::Timestamp;

/// A moment at which an execution was admitted, and the schedule that it had then.
#[derive(Clone, Debug)]
pub(crate) struct Admitted {
    /// By the clock of the process.
    pub(crate) at: Timestamp,
    /// The schedule, as the ledger knew it.
    pub(crate) fields: Option<ScheduleFields>,
}

/// When an execution was asked to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AskedToStop {
    /// True time.
    pub(crate) at: i64,
    /// The fence of its holder.
    pub(crate) fence: i64,
}

/// What the world outside saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    /// Who claimed what under which fence.
    pub(crate) claims: BTreeMap<(ExecutionId, i64), usize>,
    /// What a process last claimed of a heartbeat.
    pub(crate) latest: BTreeMap<(usize, HeartbeatId), (ExecutionId, i64)>,
    /// When executions were admitted.
    pub(crate) admitted: BTreeMap<ExecutionId, Vec<Admitted>>,
    /// Under which fences a turn was asked.
    pub(crate) asked: BTreeMap<(ExecutionId, u32), Vec<i64>>,
    /// How often a call arrived for an effect.
    pub(crate) effects: BTreeMap<String, u32>,
    /// Processes that were frozen at least once.
    pub(crate) frozen: BTreeSet<usize>,
    /// Looks of the tool that looks at the machine that are under way.
    pub(crate) looking: BTreeMap<usize, i64>,
    /// Micro-credits billed above what was allowed.
    pub(crate) overbilled: BTreeMap<HeartbeatId, u64>,
    /// The same by project.
    pub(crate) overbilled_in: BTreeMap<ProjectId, u64>,
    /// Which message was carried under which id, and how often.
    pub(crate) carried: BTreeMap<DeliveryId, (NoticeId, u32)>,
    /// The latest claims, with their processes.
    pub(crate) recent: Vec<(usize, Claim)>,
    /// Executions that have ended.
    pub(crate) ended: BTreeSet<ExecutionId>,
    /// Executions that were asked to stop while somebody held them.
    pub(crate) asked_to_stop: BTreeMap<ExecutionId, AskedToStop>,
    /// When somebody loses patience with a slow model and pauses everything, in true time, and
    /// whose it is.
    pub(crate) impatient: Option<(i64, ProjectId)>,
    /// Model requests in all.
    pub(crate) requests: u64,
}
