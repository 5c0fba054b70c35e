//! Watches: a probe, a selector and a condition, judged without a model.
//!
//! The first observation is the baseline and is told once. `changed` wakes when the selected value
//! differs from the baseline; `above`, `below` and `matches` wake when they become true, again
//! after `remind_minutes`, and tell their end. The new baseline is written only in the transaction
//! of a run that ended in success, so a failed run sees the change again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schedule::INTERVAL_MINUTES_MAX;
use crate::violation::Violation;

/// A standing look at something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// What looks: `host_status`, `file` or `http_get`.
    pub tool: Probe,
    /// Its arguments: none, `{"path": …}` or `{"url": …}`.
    #[serde(default)]
    pub arguments: Value,
    /// What to take of the answer; all of it where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
    /// When to wake.
    #[serde(default)]
    pub condition: Condition,
    /// Wake again after this many minutes while the condition holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind_minutes: Option<u32>,
}

/// What a watch looks with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// Disk, memory and load of the machine that runs the node.
    HostStatus,
    /// A file below the configured `local_roots`.
    File,
    /// An HTTP GET of a host that the operator allows.
    HttpGet,
}

impl Probe {
    /// The wire name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HostStatus => "host_status",
            Self::File => "file",
            Self::HttpGet => "http_get",
        }
    }

    /// Whether it looks at the machine that runs the node, which a plan must allow.
    #[must_use]
    pub fn is_local(self) -> bool {
        matches!(self, Self::HostStatus | Self::File)
    }
}

/// Takes a value out of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Selector {
    /// A JSONPath (RFC 9535); one match is that value, several are a list.
    Jsonpath(String),
    /// A regular expression with exactly one group.
    Regex(String),
}

/// When a watch wakes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// The selected value differs from the baseline.
    #[default]
    Changed,
    /// The selected number is greater than this.
    Above(f64),
    /// The selected number is less than this.
    Below(f64),
    /// The selected text matches this regular expression.
    Matches(String),
}

/// What a watch last told about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// The selected value.
    pub value: Value,
    /// Whether the condition held.
    #[serde(default)]
    pub holds: bool,
    /// When people were last told.
    pub told_at: Timestamp,
}

/// An observation that wakes somebody, with the values that led to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sighting {
    /// What it means.
    pub kind: SightingKind,
    /// The value of the former baseline.
    pub before: Option<Value>,
    /// The value seen now.
    pub after: Value,
    /// The baseline from a successful end of the run on.
    pub baseline: Baseline,
}

/// Why an observation wakes somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SightingKind {
    /// The first look.
    First,
    /// The value changed, or the condition became true.
    Woke,
    /// The condition still holds.
    StillHolds,
    /// The condition no longer holds.
    Ended,
}

/// Judges an observation. `holds` is what [`Watch::condition`] says of `value`; ignored for
/// `changed`.
#[must_use]
pub fn judge(
    watch: &Watch,
    baseline: Option<&Baseline>,
    (value, holds): (Value, bool),
    now: Timestamp,
) -> Option<Sighting> {
    let kind = match baseline {
        None => SightingKind::First,
        Some(baseline) => kind_after(watch, baseline, (&value, holds), now)?,
    };
    Some(Sighting {
        kind,
        before: baseline.map(|baseline| baseline.value.clone()),
        after: value.clone(),
        baseline: Baseline {
            value,
            holds,
            told_at: now,
        },
    })
}

fn kind_after(
    watch: &Watch,
    baseline: &Baseline,
    (value, holds): (&Value, bool),
    now: Timestamp,
) -> Option<SightingKind> {
    if watch.condition == Condition::Changed {
        return (baseline.value != *value).then_some(SightingKind::Woke);
    }
    match (baseline.holds, holds) {
        (false, true) => Some(SightingKind::Woke),
        (true, false) => Some(SightingKind::Ended),
        (false, false) => None,
        (true, true) => {
            let minutes = watch.remind_minutes?;
            let wait = jiff::SignedDuration::from_mins(i64::from(minutes));
            (now.duration_since(baseline.told_at) >= wait).then_some(SightingKind::StillHolds)
        }
    }
}

impl Watch {
    /// Checks what can be checked without looking.
    ///
    /// # Errors
    /// An argument is missing or unknown, or `remind_minutes` is out of range.
    pub fn check(&self) -> Result<(), Violation> {
        let wanted = match self.tool {
            Probe::HostStatus => None,
            Probe::File => Some("path"),
            Probe::HttpGet => Some("url"),
        };
        self.check_arguments(wanted)?;
        match self.remind_minutes {
            None | Some(1..=INTERVAL_MINUTES_MAX) => Ok(()),
            Some(minutes) => Err(Violation::input(
                "watch.remind_minutes",
                format!(
                    "must be between 1 and {INTERVAL_MINUTES_MAX}, not {minutes}; leave it out \
                     to be told once"
                ),
            )),
        }
    }

    /// An argument of the probe that is a text.
    #[must_use]
    pub fn argument(&self, name: &str) -> Option<&str> {
        self.arguments.get(name).and_then(Value::as_str)
    }

    fn check_arguments(&self, wanted: Option<&str>) -> Result<(), Violation> {
        let tool = self.tool.as_str();
        let empty = serde_json::Map::new();
        let given = match &self.arguments {
            Value::Null => &empty,
            Value::Object(map) => map,
            _ => return Err(Violation::input("watch.arguments", "must be an object")),
        };
        if let Some(extra) = given.keys().find(|key| Some(key.as_str()) != wanted) {
            let message = format!("`{tool}` takes no argument `{extra}`");
            return Err(Violation::input("watch.arguments", message));
        }
        match wanted {
            Some(name) if self.argument(name).is_none_or(str::is_empty) => {
                let message = format!("`{tool}` needs `{name}`, a text");
                Err(Violation::input("watch.arguments", message))
            }
            _ => Ok(()),
        }
    }
}
