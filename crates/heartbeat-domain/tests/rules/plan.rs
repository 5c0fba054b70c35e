//! The plans that ship with the product, and how a configuration changes them.

use heartbeat_domain::plan::{Plan, Plans};

/// Name, heartbeats per agent, minimum, requests per minute and day, days that steps and rows are
/// kept. A plan without heartbeats has no minimum to speak of.
const TABLE: &str = "\
    free 0 - 20 1000 7 7
    hobby 0 - 30 2000 7 30
    starter 3 15 60 10000 30 90
    pro 10 5 200 50000 90 365
    prime 20 5 500 200000 365 730
    self_hosted - 1 - - 90 -";

#[test]
fn the_shipped_plans_are_those_of_the_table() {
    let plans = Plans::default();
    let mut names = Vec::new();
    for line in TABLE.lines() {
        let (name, numbers) = line.trim().split_once(' ').unwrap();
        let numbers: Vec<Option<u32>> = numbers.split(' ').map(|n| n.parse().ok()).collect();
        let [heartbeats, minimum, per_minute, per_day, steps, rows] = numbers[..] else {
            panic!("{line}")
        };
        let plan = plans.find(name).unwrap();
        assert_eq!(plan.heartbeats_per_agent, heartbeats, "{name}");
        assert_eq!(plan.has_heartbeats(), heartbeats != Some(0), "{name}");
        assert_eq!(
            minimum.unwrap_or(plan.minimum_minutes),
            plan.minimum_minutes,
            "{name}"
        );
        assert_eq!(
            (plan.requests_per_minute, plan.requests_per_day),
            (per_minute, per_day)
        );
        assert_eq!(
            (plan.steps_kept_days, plan.rows_kept_days),
            (steps, rows),
            "{name}"
        );
        let own_machine = name == "self_hosted";
        assert_eq!(plan.local_access, own_machine, "{name}");
        assert_eq!(
            plan.daily_credit_limit,
            own_machine.then_some(1_000),
            "{name}"
        );
        names.push(name);
    }
    assert_eq!(plans.names(), names);
}

#[test]
fn a_plan_is_found_in_any_case() {
    let plans = Plans::default();
    assert_eq!(plans.find("PRO"), plans.find("pro"));
    assert_eq!(plans.find("gold"), None);
}

#[test]
fn a_configured_plan_takes_the_place_of_the_shipped_one_in_any_case() {
    for name in ["pro", "Pro"] {
        let own = Plan {
            name: name.into(),
            minimum_minutes: 2,
            ..Plan::default()
        };
        let plans = Plans::with(vec![own.clone()]);
        assert_eq!(plans.find("pro"), Some(&own));
        assert_eq!(plans.names().len(), 6);
    }
    let gold = Plan {
        name: "gold".into(),
        ..Plan::default()
    };
    assert_eq!(Plans::with(vec![gold]).names().len(), 7);
}

#[test]
fn a_configured_plan_with_an_unknown_limit_is_refused() {
    let plan = serde_json::json!({"name": "pro", "minimum_minuts": 2});
    assert!(serde_json::from_value::<Plan>(plan).is_err());
}
