//! Counts for people, from rollups that are written with the rows they count.

use async_trait::async_trait;
use heartbeat_domain::execution::ExecutionType;
use heartbeat_domain::ids::{BotId, ProjectId};
use jiff::Timestamp;
use jiff::civil::Date;

use super::Result;

/// Counts of ended executions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// That succeeded.
    pub success: u64,
    /// That failed.
    pub error: u64,
    /// That were not carried out.
    pub skipped: u64,
    /// That were stopped.
    pub cancelled: u64,
    /// Tokens.
    pub tokens: u64,
    /// Whole credits.
    pub credits: u64,
    /// Milliseconds, of those that were carried out.
    pub duration_ms: u64,
}

impl Counts {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.success + self.error + self.skipped + self.cancelled
    }
}

/// Counts of the last days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatsSummary {
    /// All together.
    pub all: Counts,
    /// By kind, kinds without executions left out.
    pub by_kind: Vec<(ExecutionType, Counts)>,
    /// By UTC day, newest first, days without executions left out.
    pub by_day: Vec<(Date, Counts)>,
    /// Heartbeats that are active now.
    pub active_heartbeats: u64,
}

/// Counts.
#[async_trait]
pub trait Stats: Send + Sync {
    /// Counts of an agent's executions over the `days` UTC days that end with that of `now`.
    async fn stats(
        &self,
        project_id: ProjectId,
        bot_id: BotId,
        days: u32,
        now: Timestamp,
    ) -> Result<StatsSummary>;

    /// Has the database count its tables where it finds rows by such counts and a table has grown
    /// much since; answers which. Changes nothing that can be read.
    async fn take_stock(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}
