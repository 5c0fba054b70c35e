//! What a customer may do: limits by plan. The published numbers and ours are in the table of
//! `docs/reference/limits.md`; all of them can be changed in the configuration.

use serde::{Deserialize, Serialize};

/// Limits of one plan. `None` is unlimited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// Name, as written on the project.
    pub name: String,
    /// Heartbeats per agent; 0 means the plan has none.
    pub heartbeats_per_agent: Option<u32>,
    /// Smallest distance between two fires, in minutes.
    pub minimum_minutes: u32,
    /// API requests per minute and key.
    pub requests_per_minute: Option<u32>,
    /// API requests per UTC day and key.
    pub requests_per_day: Option<u32>,
    /// Credits that the project may spend per UTC day.
    pub daily_credit_limit: Option<u64>,
    /// Credits that the plan has for each calendar month in UTC; what is used beyond them is drawn
    /// from the project's balance.
    pub monthly_credits: Option<u64>,
    /// Days that steps are kept.
    pub steps_kept_days: Option<u32>,
    /// Days that execution rows are kept.
    pub rows_kept_days: Option<u32>,
    /// Whether watches may look at this machine and its files, and declared tool servers be used.
    pub local_access: bool,
    /// Networks beyond the public ones that URLs of a project may lead to: `loopback`, `private`, or
    /// a network such as `10.1.0.0/16`.
    pub allow_networks: Vec<String>,
    /// Tool servers of the project.
    pub connectors: Option<u32>,
}

/// What a plan lets a project spend. `None` is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spending {
    /// Credits of a UTC day.
    pub daily: Option<u64>,
    /// Credits of a calendar month, before the balance.
    pub monthly: Option<u64>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            name: "self_hosted".into(),
            heartbeats_per_agent: None,
            minimum_minutes: 1,
            requests_per_minute: None,
            requests_per_day: None,
            daily_credit_limit: Some(1_000),
            monthly_credits: None,
            steps_kept_days: Some(90),
            rows_kept_days: None,
            local_access: true,
            allow_networks: vec!["loopback".into(), "private".into()],
            connectors: None,
        }
    }
}

/// A row of the table of plans: name, heartbeats, minimum, tool servers, requests per minute and day,
/// days that steps and rows are kept.
type PlanRow = (&'static str, u32, u32, u32, u32, u32, u32, u32);

const PUBLISHED: [PlanRow; 5] = [
    ("free", 0, 15, 1, 20, 1_000, 7, 7),
    ("hobby", 0, 15, 2, 30, 2_000, 7, 30),
    ("starter", 3, 15, 5, 60, 10_000, 30, 90),
    ("pro", 10, 5, 20, 200, 50_000, 90, 365),
    ("prime", 20, 5, 50, 500, 200_000, 365, 730),
];

impl Plan {
    /// The plans that ship with the product, the self-hosted one last.
    #[must_use]
    pub fn shipped() -> Vec<Self> {
        let mut plans: Vec<Self> = PUBLISHED.iter().map(Self::from_row).collect();
        plans.push(Self::default());
        plans
    }

    /// What the project may spend under this plan.
    #[must_use]
    pub fn spending(&self) -> Spending {
        Spending {
            daily: self.daily_credit_limit,
            monthly: self.monthly_credits,
        }
    }

    /// Whether this plan has heartbeats at all.
    #[must_use]
    pub fn has_heartbeats(&self) -> bool {
        self.heartbeats_per_agent != Some(0)
    }

    fn from_row(row: &PlanRow) -> Self {
        let &(name, heartbeats, minimum, connectors, per_minute, per_day, steps, rows) = row;
        Self {
            name: name.into(),
            heartbeats_per_agent: Some(heartbeats),
            minimum_minutes: minimum,
            requests_per_minute: Some(per_minute),
            requests_per_day: Some(per_day),
            daily_credit_limit: None,
            monthly_credits: None,
            steps_kept_days: Some(steps),
            rows_kept_days: Some(rows),
            local_access: false,
            allow_networks: Vec::new(),
            connectors: Some(connectors),
        }
    }
}

/// The plans of an installation: the shipped ones with what the configuration changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plans(Vec<Plan>);

impl Default for Plans {
    fn default() -> Self {
        Self(Plan::shipped())
    }
}

impl Plans {
    /// The shipped plans with `changed` in the place of those of the same name, in any
    /// case.
    #[must_use]
    pub fn with(changed: Vec<Plan>) -> Self {
        let mut plans = Plan::shipped();
        plans.retain(|plan| {
            !changed
                .iter()
                .any(|new| new.name.eq_ignore_ascii_case(&plan.name))
        });
        plans.extend(changed);
        Self(plans)
    }

    /// The plan of that name, written in any case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Plan> {
        self.0
            .iter()
            .find(|plan| plan.name.eq_ignore_ascii_case(name))
    }

    /// All names, for messages.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|plan| plan.name.as_str()).collect()
    }
}
