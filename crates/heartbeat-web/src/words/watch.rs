//! A watch in words: what it looks at and when it wakes.

use heartbeat_domain::watch::{Condition, Probe, Selector, Watch};

/// What is looked at and when somebody is woken.
pub(crate) fn watch(watch: &Watch) -> String {
    let subject = match watch.tool {
        Probe::HostStatus => "this machine's disk, memory and load".to_owned(),
        Probe::File => format!("file {}", watch.argument("path").unwrap_or("?")),
        Probe::HttpGet => watch.argument("url").unwrap_or("?").to_owned(),
    };
    let part = match &watch.selector {
        None => String::new(),
        Some(Selector::Jsonpath(path)) => format!(", value at {path}"),
        Some(Selector::Regex(pattern)) => format!(", what {pattern} finds"),
    };
    let wakes = match &watch.condition {
        Condition::Changed => "changes".to_owned(),
        Condition::Above(limit) => format!("is above {limit}"),
        Condition::Below(limit) => format!("is below {limit}"),
        Condition::Matches(pattern) => format!("matches {pattern}"),
    };
    let again = match watch.remind_minutes {
        Some(minutes) => format!("; reminds after {minutes} min"),
        None => String::new(),
    };
    format!("looks at {subject}{part}; wakes when it {wakes}{again}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_says_what_it_looks_at_and_when_it_wakes() {
        let threshold = Watch {
            tool: Probe::File,
            arguments: serde_json::json!({ "path": "queue.txt" }),
            selector: Some(Selector::Regex("depth=([0-9]+)".into())),
            condition: Condition::Above(100.0),
            remind_minutes: Some(60),
        };
        assert_eq!(
            watch(&threshold),
            "looks at file queue.txt, what depth=([0-9]+) finds; wakes when it is above 100; \
             reminds after 60 min"
        );
    }
}
