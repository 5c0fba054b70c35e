//! `heartbeat stats`.

use heartbeat_engine::control::Control;
use heartbeat_store::verbs::Counts;
use serde_json::json;

use super::{find, show};
use crate::args::StatsArgs;
use crate::output::{BadArgument, Out};

/// Prints counts of an agent's executions.
pub(crate) async fn run(ask: &StatsArgs, control: &Control, out: &mut Out) -> anyhow::Result<()> {
    if !(1..=366).contains(&ask.days) {
        return Err(BadArgument("--days must be between 1 and 366".into()).into());
    }
    let bot = find::one_bot(control, &ask.bot).await?;
    let stats = control
        .store()
        .stats(bot.project_id, bot.id, ask.days, control.now())
        .await?;
    if out.is_json() {
        out.value(&json!({ "stats": show::stats(&stats) }));
        return Ok(());
    }
    let row = |name: String, counts: &Counts| {
        vec![
            name,
            counts.total().to_string(),
            counts.success.to_string(),
            counts.error.to_string(),
            counts.skipped.to_string(),
            counts.cancelled.to_string(),
            counts.tokens.to_string(),
            counts.credits.to_string(),
        ]
    };
    let mut rows = vec![row("all".into(), &stats.all)];
    rows.extend(
        stats
            .by_day
            .iter()
            .map(|(day, counts)| row(day.to_string(), counts)),
    );
    let heading = [
        "day",
        "total",
        "success",
        "error",
        "skipped",
        "cancelled",
        "tokens",
        "credits",
    ];
    out.table(&heading, rows, "");
    Ok(())
}
