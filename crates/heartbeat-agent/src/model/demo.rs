//! The demo: no model, but a few rules over the declared tools and what they gave back.
//!
//! It looks at `host_status`, tells people what is nearly full and is silent otherwise. Every text
//! of its own carries the label, and every fact in it comes from a tool's result.

use async_trait::async_trait;
use heartbeat_domain::conversation::{Message, ToolCall, Turn, TurnRequest};
use serde_json::{Map, Value, json};

use super::{ModelError, OnText, Provider};
use crate::usage::estimate;

/// The name of its model, and the provider's.
pub const NAME: &str = "demo";
/// What every text of it begins with.
pub const LABEL: &str = "demo, no model";

const LOOK: &str = "host_status";
const TELL: &str = "notify_user";
const QUIET: &str = "nothing_to_report";
const NOTABLE_PERCENT: f64 = 90.0;
const EXCERPT_CHARS: usize = 200;

/// The demo provider.
pub struct Demo;

#[async_trait]
impl Provider for Demo {
    fn label(&self) -> String {
        NAME.to_owned()
    }

    async fn turn(&self, request: &TurnRequest, on_text: OnText<'_>) -> Result<Turn, ModelError> {
        let mut turn = next_turn(request);
        on_text(&turn.text);
        let calls = turn
            .calls
            .iter()
            .map(|call| call.arguments.to_string().len());
        turn.usage = estimate(request, turn.text.len() + calls.sum::<usize>());
        Ok(turn)
    }
}

fn next_turn(request: &TurnRequest) -> Turn {
    let declared = |name: &str| request.tools.iter().any(|tool| tool.name == name);
    let Some((seen, failed)) = result_of(request, LOOK) else {
        return match declared(LOOK) {
            true => call(LOOK, json!({})),
            false => quiet(
                declared(QUIET),
                "no tool that the rules can read is declared",
            ),
        };
    };
    if result_of(request, TELL).is_some() {
        return say(format!("{LABEL}: told people what {LOOK} showed."));
    }
    let findings = findings(seen);
    let notable: Vec<_> = findings
        .iter()
        .filter(|finding| finding.is_notable())
        .collect();
    if (failed || !notable.is_empty()) && declared(TELL) {
        return call(TELL, notice(&notable, seen));
    }
    quiet(
        declared(QUIET),
        &summary(&findings.iter().collect::<Vec<_>>(), seen),
    )
}

/// The latest result of a tool since the last prompt, and whether it is an error.
fn result_of<'r>(request: &'r TurnRequest, tool: &str) -> Option<(&'r str, bool)> {
    let since_prompt = request
        .messages
        .iter()
        .rev()
        .take_while(|message| !matches!(message, Message::User { .. }));
    since_prompt.into_iter().find_map(|message| match message {
        Message::ToolResult {
            name,
            text,
            is_error,
            ..
        } if name == tool => Some((text.as_str(), *is_error)),
        _ => None,
    })
}

fn notice(notable: &[&Finding], seen: &str) -> Value {
    let state: Vec<_> = notable
        .iter()
        .map(|finding| finding.what.as_str())
        .collect();
    let title = match state.as_slice() {
        [] => format!("{LABEL}: {LOOK} failed"),
        names => format!("{LABEL}: {} nearly full", names.join(", ")),
    };
    json!({
        "title": title,
        "message": format!("{LABEL}: {}", summary(notable, seen)),
        "topic": LOOK,
        "state": if state.is_empty() { "failed".to_owned() } else { state.join(", ") },
    })
}

fn summary(findings: &[&Finding], seen: &str) -> String {
    if findings.is_empty() {
        let start: String = seen.chars().take(EXCERPT_CHARS).collect();
        return format!("{LOOK} says: {start}");
    }
    let shares = findings
        .iter()
        .map(|finding| format!("{} {:.0} % used", finding.what, finding.percent));
    shares.collect::<Vec<_>>().join(", ")
}

fn quiet(can_say_so: bool, reason: &str) -> Turn {
    let reason = format!("{LABEL}: {reason}");
    if can_say_so {
        call(QUIET, json!({ "reason": reason }))
    } else {
        say(reason)
    }
}

fn say(text: String) -> Turn {
    Turn {
        text,
        ..Turn::default()
    }
}

fn call(name: &str, arguments: Value) -> Turn {
    let id = format!("demo_{name}");
    Turn {
        calls: vec![ToolCall {
            id,
            name: name.to_owned(),
            arguments,
        }],
        ..Turn::default()
    }
}

/// How full something is.
struct Finding {
    what: String,
    percent: f64,
}

impl Finding {
    fn is_notable(&self) -> bool {
        self.percent >= NOTABLE_PERCENT
    }
}

/// Everything in a JSON result that tells a share: a percentage, or a total beside what is used or
/// left of it.
fn findings(text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Ok(value) = serde_json::from_str(text) {
        collect("", &value, &mut findings);
    }
    findings
}

fn collect(path: &str, value: &Value, findings: &mut Vec<Finding>) {
    match value {
        Value::Object(object) => {
            let named = ["mount_point", "mount", "path", "name"];
            let name = named
                .iter()
                .find_map(|key| object.get(*key)?.as_str())
                .unwrap_or_default();
            let here = join(path, name);
            findings.extend(
                object
                    .iter()
                    .filter_map(|(key, value)| share(&here, key, value, object)),
            );
            object
                .iter()
                .for_each(|(key, value)| collect(&join(&here, &words(key)), value, findings));
        }
        Value::Array(list) => list.iter().for_each(|value| collect(path, value, findings)),
        _ => {}
    }
}

fn share(path: &str, key: &str, value: &Value, object: &Map<String, Value>) -> Option<Finding> {
    let number = value.as_f64()?;
    let is_rest = ["available", "free", "idle"]
        .iter()
        .any(|rest| key.contains(rest));
    if key.contains("percent") {
        let percent = if is_rest { 100.0 - number } else { number };
        return Some(Finding {
            what: join(path, &words(key)),
            percent,
        });
    }
    let (before, after) = key.split_once("total")?;
    let part = |name: &str| object.get(&format!("{before}{name}{after}"))?.as_f64();
    let used =
        part("used").or_else(|| Some(number - part("available").or_else(|| part("free"))?))?;
    // A percentage of the same thing is a finding of its own.
    let counted_already = object
        .keys()
        .any(|key| key.starts_with(before) && key.contains("percent"));
    let counts = number > 0.0 && !counted_already;
    counts.then(|| Finding {
        what: join(path, &words(before)),
        percent: used / number * 100.0,
    })
}

/// A key without its units and shares, as words.
fn words(key: &str) -> String {
    let noise = [
        "percent",
        "used",
        "available",
        "free",
        "idle",
        "bytes",
        "usage",
    ];
    let words = key
        .split('_')
        .filter(|word| !word.is_empty() && !noise.contains(word));
    words.collect::<Vec<_>>().join(" ")
}

fn join(path: &str, name: &str) -> String {
    let parts = [path, name].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(value: &Value) -> Vec<(String, i64)> {
        let findings = findings(&value.to_string());
        let rounded = |finding: Finding| (finding.what, finding.percent.round() as i64);
        findings.into_iter().map(rounded).collect()
    }

    #[test]
    fn shares_are_found_in_any_shape_of_status() {
        let nested = json!({
            "memory": { "total_bytes": 200, "available_bytes": 50 },
            "disks": [{ "mount_point": "/", "total_bytes": 100, "used_bytes": 93 }],
        });
        let expected = vec![("memory".to_owned(), 75), ("disks /".to_owned(), 93)];
        assert_eq!(shares(&nested), expected);
        let flat = json!({ "disk_used_percent": 41.5, "memory_total": 8, "memory_free": 2 });
        assert_eq!(
            shares(&flat),
            [("disk".to_owned(), 42), ("memory".to_owned(), 75)]
        );
    }
}
