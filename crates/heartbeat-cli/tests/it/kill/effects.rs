//! What became of the calls of tool servers, held against what arrived there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::hands::{BLUNT, Hands, KNOWS};
use super::ledger::{Ledger, Row};
use super::mind::uses_tools;
use crate::support::api::Api;

/// What was done by tool servers, for people.
#[derive(Debug, Default)]
pub(super) struct Effects {
    calls: usize,
    /// Of the server that recognises ids.
    known_arrived: usize,
    known_arrived_again: usize,
    /// Of the server that does not.
    blunt_arrived: usize,
    blunt_repeated: usize,
    late_sends: usize,
    /// Calls that were certainly not made, and say so.
    not_made: usize,
    /// Calls whose outcome nobody knows; each was decided by a person.
    unknown: usize,
    /// How many of those had arrived.
    unknown_that_arrived: usize,
}

impl Ledger {
    /// No effect was repeated: where the server knows ids, each call has one; where it does not, each
    /// call arrived once, but for what is on record as sent late.
    pub(super) fn check_effects(&self, hands: &Hands, decided: usize) -> Effects {
        let (mut effects, mut faults) = (Effects::default(), Vec::new());
        let calls = self.calls();
        effects.calls = calls.len();
        for tool in [KNOWS, BLUNT] {
            let mut arrived = BTreeMap::<String, Vec<String>>::new();
            for (who, effect) in hands.arrived(tool) {
                arrived.entry(who).or_default().push(effect);
            }
            for (who, ids) in &arrived {
                let step = calls.get(&(who.clone(), tool.to_owned()));
                check_arrivals((tool, who), (ids, step.copied()), &mut effects, &mut faults);
            }
            for ((who, _), step) in calls.iter().filter(|((_, name), _)| name == tool) {
                check_end(
                    who,
                    (step, arrived.contains_key(who)),
                    &mut effects,
                    &mut faults,
                );
            }
        }
        self.check_runs(&calls, &mut faults);
        if effects.unknown != decided {
            faults.push(format!(
                "{} unknown, {decided} were to be decided",
                effects.unknown
            ));
        }
        if effects.known_arrived == 0 || effects.blunt_arrived == 0 {
            faults.push("nothing arrived at a tool server".to_owned());
        }
        assert!(faults.is_empty(), "{}\n{effects:#?}", faults.join("\n"));
        effects
    }

    /// The calls of tool servers, by execution and tool.
    fn calls(&self) -> BTreeMap<(String, String), &Row> {
        let names = self.names();
        let calls = self.steps.iter().filter(|row| row["kind"] == "call");
        let calls = calls.filter(|row| row["name"] == KNOWS || row["name"] == BLUNT);
        calls
            .map(|row| {
                let who = names[row["execution_id"].as_str().unwrap()].clone();
                ((who, row["name"].as_str().unwrap().to_owned()), row)
            })
            .collect()
    }

    /// Whoever works with tools and succeeded has called both.
    fn check_runs(&self, calls: &BTreeMap<(String, String), &Row>, faults: &mut Vec<String>) {
        for (who, row) in self.by_name() {
            if row["status"] != "success" || !uses_tools(&who) {
                continue;
            }
            for tool in [KNOWS, BLUNT] {
                if !calls.contains_key(&(who.clone(), tool.to_owned())) {
                    faults.push(format!("{who} succeeded without {tool}"));
                }
            }
        }
    }
}

fn check_arrivals(
    (tool, who): (&str, &str),
    (ids, step): (&[String], Option<&Row>),
    effects: &mut Effects,
    faults: &mut Vec<String>,
) {
    let distinct: BTreeSet<&String> = ids.iter().collect();
    let Some(step) = step else {
        faults.push(format!("{tool} of {who} arrived without an intent"));
        return;
    };
    if distinct.len() != 1 || !distinct.contains(&step["effect_id"].as_str().unwrap().to_owned()) {
        faults.push(format!(
            "{tool} of {who} has the ids {ids:?}, on record {}",
            step["effect_id"]
        ));
    }
    if tool == KNOWS {
        effects.known_arrived += 1;
        effects.known_arrived_again += ids.len() - 1;
        return;
    }
    let late = usize::from(!step["late_sent_at"].is_null());
    effects.blunt_arrived += 1;
    effects.late_sends += late;
    effects.blunt_repeated += ids.len() - 1;
    if ids.len() > 1 + late {
        faults.push(format!("{tool} of {who} arrived {} times", ids.len()));
    }
}

/// What is on record as done has arrived; what nobody knows was put before a person.
fn check_end(
    who: &str,
    (step, has_arrived): (&Row, bool),
    effects: &mut Effects,
    faults: &mut Vec<String>,
) {
    let result = step["result"].as_str().unwrap_or("{}");
    let is_error = serde_json::from_str::<Value>(result).unwrap()["is_error"] == true;
    match step["state"].as_str().unwrap() {
        "done" if has_arrived && !is_error => {}
        "done" if !has_arrived && is_error => effects.not_made += 1,
        "outcome_unknown" if step["decided_by"].is_string() => {
            effects.unknown += 1;
            effects.unknown_that_arrived += usize::from(has_arrived);
        }
        _ => faults.push(format!(
            "arrived: {has_arrived}, and on record {step:?} of {who}"
        )),
    }
}

/// A person looks at every call whose outcome is unknown and decides; how many there were.
pub(super) async fn decide_all(api: &Api, bot: &str) -> usize {
    let mut decided = 0;
    loop {
        let rows = api.logs(bot, "needs_review=true&per_page=100").await;
        if rows.is_empty() {
            return decided;
        }
        for row in rows {
            let execution = row["uuid"].as_str().unwrap();
            let log = api.log(bot, execution).await;
            let steps = log["steps"].as_array().unwrap().iter();
            for step in steps.filter(|step| step["state"] == "outcome_unknown") {
                let word = json!({
                    "bot_id": bot, "execution_id": execution, "step": step["seq"], "outcome": "done",
                });
                api.post("/v1/bot/heartbeat/review", word).await.ok();
                decided += 1;
            }
        }
    }
}
