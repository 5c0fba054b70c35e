//! What switch and plan allow, and refusals that say what to do.

use heartbeat_domain::bot::Bot;
use heartbeat_domain::heartbeat::Settings;
use heartbeat_domain::plan::Plan;

use crate::StoreError;
use crate::error::Limit;
use crate::verbs::Result;

/// Switch, plan and local access.
pub(crate) fn check_rights(bot: &Bot, plan: &Plan, settings: &Settings) -> Result<()> {
    if !bot.is_switched_on() {
        return Err(limit(
            "HEARTBEAT_OFF",
            format!(
                "Heartbeats are switched off for agent {}; switch them on first.",
                bot.name
            ),
        ));
    }
    if !plan.has_heartbeats() {
        let message = format!(
            "The plan {} has no heartbeats; upgrade to use them.",
            plan.name
        );
        return Err(StoreError::Limit(Limit {
            limit: Some(0),
            used: Some(0),
            ..shape("PLAN_WITHOUT_HEARTBEATS", message)
        }));
    }
    let is_local = settings
        .watch
        .as_ref()
        .is_some_and(|watch| watch.tool.is_local());
    if is_local && !plan.local_access {
        return Err(limit(
            "LOCAL_ACCESS_OFF",
            format!(
                "The plan {} does not let watches look at this machine or its files.",
                plan.name
            ),
        ));
    }
    Ok(())
}

/// How many heartbeats an agent may have, where `before` stand before this one.
pub(crate) fn check_cap(plan: &Plan, before: u64) -> Result<()> {
    let Some(cap) = plan.heartbeats_per_agent.map(u64::from) else {
        return Ok(());
    };
    if before < cap {
        return Ok(());
    }
    let message = format!(
        "The plan {} allows {cap} heartbeats per agent, and there are {before} already; delete \
         one or upgrade.",
        plan.name
    );
    Err(StoreError::Limit(Limit {
        limit: Some(cap),
        used: Some(before),
        ..shape("PLAN_LIMIT_REACHED", message)
    }))
}

/// How many tool servers a project may have, where `before` are there already.
pub(crate) fn check_tool_servers(plan: &str, cap: u64, before: u64) -> Result<()> {
    if before < cap {
        return Ok(());
    }
    let message = format!(
        "The plan {plan} allows {cap} tool servers in a project, and there are {before} already; \
         remove one or upgrade."
    );
    Err(StoreError::Limit(Limit {
        limit: Some(cap),
        used: Some(before),
        ..shape("PLAN_LIMIT_REACHED", message)
    }))
}

fn limit(code: &'static str, message: String) -> StoreError {
    StoreError::Limit(shape(code, message))
}

fn shape(code: &'static str, message: String) -> Limit {
    Limit {
        code,
        message,
        limit: None,
        used: None,
        resets_at: None,
    }
}
