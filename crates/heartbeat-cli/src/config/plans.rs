//! Plans: what the operator changes of the shipped ones, and plans of their own.

use anyhow::{Context, bail};
use heartbeat_domain::plan::{Plan, Plans};
use heartbeat_tools::Networks;
use serde::Deserialize;

/// `[[plan]]`. What is left out is as in the shipped plan of that name; in a plan of the operator's
/// own it is unlimited, and local access is off.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanConfig {
    name: String,
    heartbeats_per_agent: Option<u32>,
    minimum_minutes: Option<u32>,
    requests_per_minute: Option<u32>,
    requests_per_day: Option<u32>,
    daily_credit_limit: Option<u64>,
    monthly_credits: Option<u64>,
    steps_kept_days: Option<u32>,
    rows_kept_days: Option<u32>,
    local_access: Option<bool>,
    allow_networks: Option<Vec<String>>,
    connectors: Option<u32>,
}

/// The plans of this installation.
pub(crate) fn plans(configured: &[PlanConfig]) -> anyhow::Result<Plans> {
    let shipped = Plans::default();
    let mut changed = Vec::with_capacity(configured.len());
    for config in configured {
        if config.name.trim().is_empty() {
            bail!("a [[plan]] needs a name");
        }
        if config.minimum_minutes == Some(0) {
            bail!("plan `{}`: minimum_minutes must be at least 1", config.name);
        }
        if let Some(networks) = &config.allow_networks {
            Networks::parse(networks)
                .with_context(|| format!("plan `{}`: allow_networks", config.name))?;
        }
        changed.push(config.over(shipped.find(&config.name)));
    }
    Ok(Plans::with(changed))
}

impl PlanConfig {
    fn over(&self, shipped: Option<&Plan>) -> Plan {
        let base = shipped.cloned().unwrap_or_else(|| Plan {
            name: self.name.clone(),
            minimum_minutes: 1,
            heartbeats_per_agent: None,
            requests_per_minute: None,
            requests_per_day: None,
            daily_credit_limit: None,
            monthly_credits: None,
            steps_kept_days: None,
            rows_kept_days: None,
            local_access: false,
            allow_networks: Vec::new(),
            connectors: None,
        });
        Plan {
            heartbeats_per_agent: self.heartbeats_per_agent.or(base.heartbeats_per_agent),
            minimum_minutes: self.minimum_minutes.unwrap_or(base.minimum_minutes),
            requests_per_minute: self.requests_per_minute.or(base.requests_per_minute),
            requests_per_day: self.requests_per_day.or(base.requests_per_day),
            daily_credit_limit: self.daily_credit_limit.or(base.daily_credit_limit),
            monthly_credits: self.monthly_credits.or(base.monthly_credits),
            steps_kept_days: self.steps_kept_days.or(base.steps_kept_days),
            rows_kept_days: self.rows_kept_days.or(base.rows_kept_days),
            local_access: self.local_access.unwrap_or(base.local_access),
            allow_networks: self.allow_networks.clone().unwrap_or(base.allow_networks),
            connectors: self.connectors.or(base.connectors),
            ..base
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Plans {
        #[derive(Deserialize)]
        struct File {
            plan: Vec<PlanConfig>,
        }
        plans(&toml::from_str::<File>(text).unwrap().plan).unwrap()
    }

    #[test]
    fn a_plan_of_ones_own_has_no_local_access_unless_it_says_so() {
        let plans = read("[[plan]]\nname = \"team\"\nheartbeats_per_agent = 50\n");
        let team = plans.find("team").unwrap();
        assert_eq!(team.heartbeats_per_agent, Some(50));
        assert!(!team.local_access);
    }

    #[test]
    fn a_shipped_plan_keeps_what_is_left_out() {
        let plans = read("[[plan]]\nname = \"Starter\"\nminimum_minutes = 10\n");
        let starter = plans.find("starter").unwrap();
        assert_eq!(
            (starter.minimum_minutes, starter.heartbeats_per_agent),
            (10, Some(3))
        );
    }
}
