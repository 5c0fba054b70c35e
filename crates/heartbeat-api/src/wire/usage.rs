//! Credits and tokens by level and period, and the balance of a project.

use heartbeat_domain::budget::Scope;
use heartbeat_store::verbs::{CreditEntry, LevelUsage, UsageSummary};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::instant;
use crate::page::Pagination;

/// Which usage.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UsageRequest {
    /// The project.
    pub project_id: String,
    /// A calendar month in UTC, such as 2026-11; this one where left out.
    pub month: Option<String>,
    /// What `levels` lists: `bot`, `member` or `heartbeat`; `bot` where left out.
    pub by: Option<String>,
    /// One agent, or with `by=heartbeat` its heartbeats.
    pub bot_id: Option<String>,
    /// One subscriber.
    pub member_id: Option<String>,
    /// One heartbeat.
    pub heartbeat_id: Option<String>,
    /// 1 and up.
    pub page: Option<u32>,
    /// 1 to 100; 20 where left out.
    pub per_page: Option<u32>,
}

/// The usage of a month.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UsageResponse {
    /// The usage.
    pub usage: UsageObject,
    /// Where this page of `levels` stands.
    pub pagination: Pagination,
}

/// Credits and tokens of a project in a month.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Usage)]
pub struct UsageObject {
    /// The month, in UTC.
    pub month: String,
    /// The project's day; null unless the month is this one.
    pub day: Option<LevelObject>,
    /// The project's month. Its limit is what the plan has; beyond that the balance pays.
    pub project: LevelObject,
    /// The project's balance.
    pub balance: BalanceObject,
    /// Days of the month on which anything was used, oldest first.
    pub days: Vec<DayObject>,
    /// Agents, subscribers or heartbeats, those that used most first.
    pub levels: Vec<LevelObject>,
}

/// One level of budget in one period.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = BudgetLevel)]
pub struct LevelObject {
    /// `heartbeat`, `member`, `bot`, `project_day` or `project_month`.
    pub level: &'static str,
    /// UUID of what it belongs to.
    pub id: String,
    /// Its name, where it has one and still exists.
    pub name: Option<String>,
    /// Most credits; null is unlimited.
    pub limit: Option<u64>,
    /// Drawn by executions that ended.
    pub used: u64,
    /// Held by executions that are under way.
    pub held: u64,
    /// What is left; null is unlimited.
    pub left: Option<u64>,
    /// Tokens of executions that ended.
    pub tokens: u64,
    /// When its next period begins.
    pub resets_at: Option<String>,
}

/// The balance of a project.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Balance)]
pub struct BalanceObject {
    /// Put on it so far.
    pub added: u64,
    /// Drawn from it so far.
    pub drawn: u64,
    /// What is on it; less than nothing where a provider billed more than it was allowed.
    pub left: i64,
}

/// A day.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = UsageDay)]
pub struct DayObject {
    /// The day, in UTC.
    pub date: String,
    /// Credits.
    pub credits: u64,
    /// Tokens.
    pub tokens: u64,
}

impl UsageObject {
    /// Of a month, counted as [`heartbeat_domain::heartbeat::billing_period`] does.
    #[must_use]
    pub fn of(summary: UsageSummary, month: i32, now: Timestamp) -> Self {
        let is_now = summary.today.is_some();
        let level = |usage| LevelObject::of(usage, is_now.then_some(now));
        let (allowance, left) = (summary.allowance, summary.left());
        let mut project = level(summary.month);
        if is_now {
            project.left = left;
        }
        Self {
            month: format!(
                "{:04}-{:02}",
                month.div_euclid(12),
                month.rem_euclid(12) + 1
            ),
            day: summary.today.map(level),
            project,
            balance: BalanceObject {
                added: allowance.added,
                drawn: allowance.drawn,
                left: allowance.balance(),
            },
            days: summary
                .days
                .into_iter()
                .map(|(date, credits, tokens)| DayObject {
                    date: date.to_string(),
                    credits,
                    tokens,
                })
                .collect(),
            levels: summary.levels.rows.into_iter().map(level).collect(),
        }
    }
}

impl LevelObject {
    /// A period that is over has nothing left that could be used, and does not reset.
    fn of(usage: LevelUsage, now: Option<Timestamp>) -> Self {
        let left = match now {
            Some(_) => usage.left(),
            None => usage.limit.map(|_| 0),
        };
        let scope: Scope = usage.scope;
        Self {
            level: scope.as_str(),
            id: usage.id.to_string(),
            name: usage.name,
            limit: usage.limit,
            used: usage.used,
            held: usage.held,
            left,
            tokens: usage.tokens,
            resets_at: now.and_then(|now| scope.resets_at(now)).map(instant),
        }
    }
}

/// Puts credit on a balance.
#[derive(Clone, Debug, ToSchema)]
pub struct AddCreditRequest {
    /// The project.
    pub project_id: String,
    /// Whole credits; less than nothing takes back, at most what is there.
    pub credits: i64,
    /// Why, at most 500 characters.
    pub note: Option<String>,
    /// Id of the entry; the same id again adds nothing more.
    pub entry_id: Option<String>,
}

/// What is on a balance.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CreditAddedResponse {
    /// Id of the entry.
    pub entry_id: String,
    /// What is on the balance now.
    pub balance: i64,
}

/// Which ledger.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LedgerRequest {
    /// The project.
    pub project_id: String,
    /// 1 and up.
    pub page: Option<u32>,
    /// 1 to 100; 20 where left out.
    pub per_page: Option<u32>,
}

/// A page of a ledger, newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LedgerResponse {
    /// The entries of this page.
    pub entries: Vec<CreditObject>,
    /// Where this page stands.
    pub pagination: Pagination,
}

/// An entry of a ledger.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = CreditEntry)]
pub struct CreditObject {
    /// Id.
    pub entry_id: String,
    /// `added`, or `drawn` by executions, one entry a UTC day.
    pub kind: &'static str,
    /// Whole credits; less than nothing where they went.
    pub credits: i64,
    /// Why.
    pub note: String,
    /// When.
    pub created_at: String,
}

impl From<CreditEntry> for CreditObject {
    fn from(entry: CreditEntry) -> Self {
        Self {
            entry_id: entry.id.to_string(),
            kind: if entry.drawn { "drawn" } else { "added" },
            credits: entry.credits,
            note: entry.note,
            created_at: instant(entry.created_at),
        }
    }
}
