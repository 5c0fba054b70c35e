//! Which hosts an agent may ask once it reads private data.
//!
//! Invariant: as long as a tool of the agent's servers may be called, the addresses of its pages and
//! watches lead to hosts that a person has listed, and nowhere else.

use heartbeat_domain::bot::Bot;
use heartbeat_domain::plan::Plan;
use heartbeat_domain::tool::Permission;
use heartbeat_domain::watch::{Probe, Watch};
use heartbeat_store::Store;
use heartbeat_store::verbs::{Reachable, Result};
use heartbeat_tools::UrlBounds;

/// Where the URLs of an agent may lead.
pub(crate) fn bounds(bot: &Bot, plan: &Plan, reads_private: bool) -> UrlBounds {
    UrlBounds {
        allow_networks: plan.allow_networks.clone(),
        hosts: bot.web_bounds(reads_private),
    }
}

/// Where a watch of an agent may look.
pub(crate) async fn watch_bounds(
    store: &dyn Store,
    (bot, plan): (&Bot, &Plan),
    watch: &Watch,
) -> Result<UrlBounds> {
    let asks_hosts = watch.tool == Probe::HttpGet && bot.web_hosts.is_none();
    let reads_private = match asks_hosts {
        true => reads_private(&store.reach(bot.project_id, bot.id).await?),
        false => false,
    };
    Ok(bounds(bot, plan, reads_private))
}

/// Whether any tool of those servers may be called. What it answers counts as private, whatever it is.
fn reads_private(servers: &[Reachable]) -> bool {
    let mut tools = servers.iter().flat_map(|found| &found.server.tools);
    tools.any(|tool| tool.permission == Permission::Allowed)
}
