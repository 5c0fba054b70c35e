//! `heartbeat usage`.

use heartbeat_api::wire::usage::{LevelObject, UsageObject};
use heartbeat_domain::heartbeat::billing_period;
use heartbeat_engine::control::Control;
use heartbeat_store::verbs::{Page, UsageBy};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::json;

use super::find;
use crate::args::UsageArgs;
use crate::output::{BadArgument, Out};

/// How many levels are listed.
const PAGE: Page = Page {
    number: 1,
    size: 100,
};

/// Prints credits and tokens of a month.
pub(crate) async fn run(ask: &UsageArgs, control: &Control, out: &mut Out) -> anyhow::Result<()> {
    let project = control.pick_project(ask.within.project.as_deref()).await?;
    let bot = match &ask.bot {
        Some(named) => Some(find::bot(control, project.id, named).await?.id),
        None => None,
    };
    let by = match ask.by.as_str() {
        "bot" => UsageBy::Bot(bot),
        "member" => UsageBy::Member(None),
        "heartbeat" => UsageBy::Heartbeat(bot),
        other => {
            let message = format!("--by: `{other}` must be bot, member or heartbeat");
            return Err(BadArgument(message).into());
        }
    };
    let now = control.now();
    let month = match &ask.month {
        Some(text) => month(text)?,
        None => billing_period(now),
    };
    let summary = control.usage(project.id, (month, by), PAGE).await?;
    let usage = UsageObject::of(summary, month, now);
    if out.is_json() {
        out.value(&json!({ "usage": usage }));
        return Ok(());
    }
    out.line(&format!(
        "{} in {}: {} credits, {} tokens; balance {}",
        project.name, usage.month, usage.project.used, usage.project.tokens, usage.balance.left
    ));
    let own = usage.day.iter().chain([&usage.project]);
    let rows = own.chain(&usage.levels).map(row).collect();
    let heading = [
        "level", "of", "used", "held", "limit", "left", "tokens", "resets",
    ];
    out.table(&heading, rows, "");
    Ok(())
}

fn row(level: &LevelObject) -> Vec<String> {
    let amount = |credits: Option<u64>| credits.map_or_else(|| "-".to_owned(), |n| n.to_string());
    vec![
        level.level.to_owned(),
        level.name.clone().unwrap_or_else(|| level.id.clone()),
        level.used.to_string(),
        level.held.to_string(),
        amount(level.limit),
        amount(level.left),
        level.tokens.to_string(),
        level.resets_at.clone().unwrap_or_default(),
    ]
}

/// `YYYY-MM` as a billing period.
fn month(text: &str) -> anyhow::Result<i32> {
    let wrong = || BadArgument(format!("--month: `{text}` must be a month such as 2026-11"));
    let first: Date = format!("{text}-01").parse().map_err(|_| wrong())?;
    let first = first.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
    Ok(billing_period(first.timestamp()))
}
