//! Credits: what every level of budget used, and the balance of a project.

use async_trait::async_trait;
use heartbeat_domain::budget::{Allowance, Scope};
use heartbeat_domain::ids::{BotId, CreditId, HeartbeatId, MemberId, ProjectId};
use heartbeat_domain::plan::Spending;
use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use super::{Listed, Page, Result};

/// Which usage is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageAsk {
    /// The calendar month, as [`heartbeat_domain::heartbeat::billing_period`] counts.
    pub month: i32,
    /// What is listed: agents, subscribers or heartbeats.
    pub by: UsageBy,
    /// What the project's plan lets it spend now.
    pub spending: Spending,
    /// Page of the list.
    pub page: Page,
}

/// What usage is listed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageBy {
    /// Agents; all, or one.
    Bot(Option<BotId>),
    /// Subscribers; all, or one.
    Member(Option<MemberId>),
    /// Heartbeats; all of the project, or those of an agent.
    Heartbeat(Option<BotId>),
    /// One heartbeat.
    One(HeartbeatId),
}

impl UsageBy {
    /// The level that is listed.
    #[must_use]
    pub fn scope(self) -> Scope {
        match self {
            Self::Bot(_) => Scope::Bot,
            Self::Member(_) => Scope::Member,
            Self::Heartbeat(_) | Self::One(_) => Scope::Heartbeat,
        }
    }
}

/// What one level used in one period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelUsage {
    /// Which level.
    pub scope: Scope,
    /// Of what: a project, agent, subscriber or heartbeat.
    pub id: Uuid,
    /// What people call it, where it has a name and still exists.
    pub name: Option<String>,
    /// Most credits; `None` is unlimited.
    pub limit: Option<u64>,
    /// Whole credits drawn by executions that ended.
    pub used: u64,
    /// Whole credits held by executions that are open.
    pub held: u64,
    /// Tokens of executions that ended.
    pub tokens: u64,
}

impl LevelUsage {
    /// What is left of its limit in a period that is not over; `None` is unlimited.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        let taken = self.used.saturating_add(self.held);
        self.limit.map(|limit| limit.saturating_sub(taken))
    }
}

/// Credits and tokens of a project in one month.
#[derive(Clone, Debug, PartialEq)]
pub struct UsageSummary {
    /// The project's day; only of the month that `now` is in.
    pub today: Option<LevelUsage>,
    /// The project's month. Its limit is what the plan has.
    pub month: LevelUsage,
    /// What the month's credits are made of, the balance included.
    pub allowance: Allowance,
    /// Credits and tokens of every day of the month on which there were any, oldest first.
    pub days: Vec<(Date, u64, u64)>,
    /// Levels below the project, those that used most first.
    pub levels: Listed<LevelUsage>,
}

impl UsageSummary {
    /// What a project has left in the month that `now` is in: of its plan, and on its balance.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        let whole = self.allowance.level();
        let taken = whole.used.saturating_add(whole.held);
        whole.limit.map(|limit| limit.saturating_sub(taken))
    }
}

/// What came onto the balance of a project, or went from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditEntry {
    /// Id.
    pub id: CreditId,
    /// Whole credits; less than nothing where they went.
    pub credits: i64,
    /// Why, in a person's words.
    pub note: String,
    /// Whether executions drew it; one entry a UTC day.
    pub drawn: bool,
    /// When; of what was drawn the first time of its day.
    pub created_at: Timestamp,
}

/// Credits.
#[async_trait]
pub trait Credits: Send + Sync {
    /// What a project and what is below it used in a month. The sums agree to the credit: of the
    /// days, of the agents and of the heartbeats with that of the month, and each with its rows of
    /// executions, which belong to the period in which they started.
    async fn usage(
        &self,
        project_id: ProjectId,
        ask: UsageAsk,
        now: Timestamp,
    ) -> Result<UsageSummary>;

    /// Puts an entry on a project's balance, and lets what was paused for want of credits go on.
    /// Answers what is on the balance then. Idempotent under the entry's id. `Violation` if more is
    /// taken than is there.
    async fn add_credit(
        &self,
        project_id: ProjectId,
        entry: &CreditEntry,
        now: Timestamp,
    ) -> Result<i64>;

    /// A page of the ledger, newest first. Its sum is the balance.
    async fn credit_entries(
        &self,
        project_id: ProjectId,
        page: Page,
    ) -> Result<Listed<CreditEntry>>;

    /// Sets the most credits that may be drawn for a subscriber in a calendar month. What was paused
    /// for it goes on if there is room again. Idempotent.
    async fn limit_member(
        &self,
        project_id: ProjectId,
        member_id: MemberId,
        limit: Option<u64>,
        now: Timestamp,
    ) -> Result<()>;
}
