//! `docs/reference/limits.md`: what each plan allows, and the engine's own numbers.

use heartbeat_domain::budget::{MAX_TOKENS_FLOOR, MICRO};
use heartbeat_domain::claim::{LEASE, RENEW_EVERY};
use heartbeat_domain::heartbeat::Settings;
use heartbeat_domain::plan::Plan;
use heartbeat_domain::schedule::INTERVAL_MINUTES_MAX;

use super::row;

const OPENING: &str = "\
# Limits

How much each plan allows, and which numbers are fixed for everybody.

## Plans

All of these can be changed in the configuration. A dash is no limit, or nothing to limit; 0
heartbeats means that the plan has none.

| plan | heartbeats per agent | minimum, minutes | tool servers | requests per minute | requests per day | \
credits per day | steps kept, days | rows kept, days | watches and tool servers on this machine | networks beyond public \
ones |
|---|---|---|---|---|---|---|---|---|---|---|
";

const CLOSING: &str = "
`self_hosted` is what the command line gives a new project. Days are UTC days. The minimum applies
to the smallest distance between two consecutive fires in local civil time, over the next 366 days.
A request for a schedule below it is a 400; a heartbeat too many is a 403
([errors](errors.md)).

This page is made from the code by `cargo xtask docs`.
";

/// The page as it should be.
pub(super) fn page() -> String {
    let plans: String = Plan::shipped().iter().map(plan_row).collect();
    let numbers: String = numbers()
        .iter()
        .map(|(what, much)| row_of(what, much))
        .collect();
    format!(
        "{OPENING}{plans}\n## Fixed numbers\n\n| what | how much |\n|---|---|\n{numbers}{CLOSING}"
    )
}

fn plan_row(plan: &Plan) -> String {
    row(&[
        format!("`{}`", plan.name),
        or_dash(plan.heartbeats_per_agent),
        or_dash(plan.has_heartbeats().then_some(plan.minimum_minutes)),
        or_dash(plan.connectors),
        or_dash(plan.requests_per_minute),
        or_dash(plan.requests_per_day),
        or_dash(plan.daily_credit_limit),
        or_dash(plan.steps_kept_days),
        or_dash(plan.rows_kept_days),
        if plan.local_access { "yes" } else { "no" }.to_owned(),
        match plan.allow_networks.is_empty() {
            true => "–".to_owned(),
            false => plan.allow_networks.join(", "),
        },
    ])
}

fn numbers() -> Vec<(&'static str, String)> {
    let settings = Settings::default();
    let every = or_dash(settings.schedule.interval_minutes);
    vec![
        (
            "`interval_minutes`",
            format!("1 to {}", grouped(INTERVAL_MINUTES_MAX)),
        ),
        (
            "schedule of a heartbeat that names none",
            format!("every {every} minutes"),
        ),
        (
            "`max_consecutive_errors` where it is not given",
            settings.max_consecutive_errors.to_string(),
        ),
        ("micro-credits in a credit", grouped(MICRO)),
        (
            "lowest `max_tokens` a turn is lowered to",
            grouped(MAX_TOKENS_FLOOR),
        ),
        ("lease of a node", format!("{} s", LEASE.as_secs())),
        (
            "renewal of the lease",
            format!("every {} s", RENEW_EVERY.as_secs()),
        ),
    ]
}

fn row_of(what: &str, much: &str) -> String {
    row(&[what.to_owned(), much.to_owned()])
}

fn or_dash(limit: Option<impl Into<u64>>) -> String {
    limit.map_or_else(|| "–".to_owned(), grouped)
}

/// With a comma every three digits.
fn grouped(number: impl Into<u64>) -> String {
    let digits = number.into().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_plan_has_a_row() {
        let page = page();
        for plan in Plan::shipped() {
            assert!(
                page.contains(&format!("| `{}` |", plan.name)),
                "{}",
                plan.name
            );
        }
    }

    #[test]
    fn unlimited_is_a_dash_and_nothing_is_zero() {
        assert_eq!(or_dash(None::<u32>), "–");
        assert_eq!(or_dash(Some(0_u32)), "0");
        assert_eq!(or_dash(Some(527_040_u32)), "527,040");
        assert_eq!(grouped(999_u32), "999");
    }
}
