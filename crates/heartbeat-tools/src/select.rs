//! What a watch takes of an answer, and whether its condition holds for that.

use heartbeat_domain::violation::Violation;
use heartbeat_domain::watch::{Condition, Selector, Watch};
use regex::Regex;
use serde_json::{Value, json};
use serde_json_path::JsonPath;
use sha2::{Digest, Sha256};

use crate::probe::ProbeError;

/// Largest value that is kept as it is; a larger one is kept as its digest and beginning.
const VALUE_BYTES_MAX: usize = 4096;

/// The selected value, and whether the condition holds for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// The value.
    pub value: Value,
    /// Whether the condition holds; false for `changed`.
    pub holds: bool,
}

/// Checks selector and condition without looking.
///
/// # Errors
/// A JSONPath or regular expression is malformed, or a selector has not exactly one group.
pub fn check_selector(watch: &Watch) -> Result<(), Violation> {
    match &watch.selector {
        Some(Selector::Jsonpath(path)) => {
            JsonPath::parse(path).map(drop).map_err(|error| {
                Violation::input("watch.selector", format!("is not a JSONPath: {error}"))
            })?;
        }
        Some(Selector::Regex(pattern)) => {
            let regex = parse_regex("watch.selector", pattern)?;
            if regex.captures_len() != 2 {
                return Err(Violation::input(
                    "watch.selector",
                    "the regular expression must have exactly one group, such as `load: ([0-9.]+)`",
                ));
            }
        }
        None => {}
    }
    if let Condition::Matches(pattern) = &watch.condition {
        parse_regex("watch.condition", pattern)?;
    }
    Ok(())
}

/// Selects from an observation and judges the condition.
///
/// # Errors
/// The selector finds nothing, or a number is wanted and there is none. A look that cannot be
/// judged is a failure, never "unchanged".
pub fn select(watch: &Watch, observed: &Value) -> Result<Selection, ProbeError> {
    let value = match &watch.selector {
        None => observed.clone(),
        Some(Selector::Jsonpath(path)) => by_path(path, observed)?,
        Some(Selector::Regex(pattern)) => by_regex(pattern, observed)?,
    };
    let holds = match &watch.condition {
        Condition::Changed => false,
        Condition::Above(limit) => number(&value)? > *limit,
        Condition::Below(limit) => number(&value)? < *limit,
        Condition::Matches(pattern) => compile(pattern)?.is_match(&text(&value)),
    };
    Ok(Selection {
        value: compact(value),
        holds,
    })
}

fn by_path(path: &str, observed: &Value) -> Result<Value, ProbeError> {
    let path = JsonPath::parse(path).map_err(|error| ProbeError::new(error.to_string()))?;
    let parsed;
    let document = match observed {
        Value::String(text) => {
            parsed = serde_json::from_str(text)
                .map_err(|error| ProbeError::new(format!("what was seen is not JSON: {error}")))?;
            &parsed
        }
        other => other,
    };
    let found: Vec<&Value> = path.query(document).all();
    match found.as_slice() {
        [] => Err(ProbeError::new("the selector found nothing")),
        [one] => Ok((*one).clone()),
        many => Ok(Value::Array(
            many.iter().map(|&value| value.clone()).collect(),
        )),
    }
}

fn by_regex(pattern: &str, observed: &Value) -> Result<Value, ProbeError> {
    let seen = text(observed);
    let found = compile(pattern)?
        .captures(&seen)
        .and_then(|captures| captures.get(1))
        .map(|group| Value::String(group.as_str().to_owned()));
    found.ok_or_else(|| ProbeError::new("the selector found nothing"))
}

fn number(value: &Value) -> Result<f64, ProbeError> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number
        .filter(|number: &f64| number.is_finite())
        .ok_or_else(|| {
            ProbeError::new("the condition wants a number, and the selected value is none")
        })
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn compact(value: Value) -> Value {
    let whole = text(&value);
    if whole.len() <= VALUE_BYTES_MAX {
        return value;
    }
    let digest: String = Sha256::digest(&whole)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let head: String = whole.chars().take(1_000).collect();
    json!({ "sha256": digest, "bytes": whole.len(), "head": head })
}

fn parse_regex(field: &'static str, pattern: &str) -> Result<Regex, Violation> {
    Regex::new(pattern)
        .map_err(|error| Violation::input(field, format!("is not a regular expression: {error}")))
}

fn compile(pattern: &str) -> Result<Regex, ProbeError> {
    Regex::new(pattern).map_err(|error| ProbeError::new(error.to_string()))
}

#[cfg(test)]
mod tests {
    use heartbeat_domain::watch::Probe;

    use super::*;

    fn watch(selector: Option<Selector>, condition: Condition) -> Watch {
        Watch {
            tool: Probe::HostStatus,
            arguments: Value::Null,
            selector,
            condition,
            remind_minutes: None,
        }
    }

    #[test]
    fn a_path_selects_a_number_that_is_compared() {
        let watch = watch(
            Some(Selector::Jsonpath("$.disk.free_percent".into())),
            Condition::Below(10.0),
        );
        let seen = json!({ "disk": { "free_percent": 4.5 } });
        assert_eq!(
            select(&watch, &seen).unwrap(),
            Selection {
                value: json!(4.5),
                holds: true
            }
        );
    }

    #[test]
    fn a_regular_expression_takes_its_group() {
        let watch = watch(
            Some(Selector::Regex("load: ([0-9.]+)".into())),
            Condition::Above(2.0),
        );
        let seen = json!("up 3 days\nload: 2.5\n");
        assert_eq!(
            select(&watch, &seen).unwrap(),
            Selection {
                value: json!("2.5"),
                holds: true
            }
        );
    }

    #[test]
    fn what_cannot_be_judged_is_a_failure_and_not_unchanged() {
        let path = Some(Selector::Jsonpath("$.missing".into()));
        assert!(select(&watch(path, Condition::Changed), &json!({})).is_err());
        assert!(select(&watch(None, Condition::Above(1.0)), &json!("many")).is_err());
        assert!(select(&watch(None, Condition::Above(1.0)), &json!("NaN")).is_err());
    }

    #[test]
    fn a_selector_is_refused_with_the_field_that_is_wrong() {
        let two = watch(Some(Selector::Regex("(a)(b)".into())), Condition::Changed);
        assert_eq!(check_selector(&two).unwrap_err().field, "watch.selector");
        let bad = watch(None, Condition::Matches("(".into()));
        assert_eq!(check_selector(&bad).unwrap_err().field, "watch.condition");
        let path = watch(Some(Selector::Jsonpath("disk".into())), Condition::Changed);
        assert_eq!(check_selector(&path).unwrap_err().field, "watch.selector");
    }

    #[test]
    fn a_large_value_is_kept_as_its_digest_and_still_differs() {
        let watch = watch(None, Condition::Changed);
        let one = select(&watch, &json!("a".repeat(10_000))).unwrap().value;
        let other = select(&watch, &json!("a".repeat(10_001))).unwrap().value;
        assert_eq!(one["bytes"], 10_000);
        assert_ne!(one["sha256"], other["sha256"]);
    }
}
