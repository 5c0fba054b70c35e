//! A watch at work: look, select, judge, and what people are told without a model.

use heartbeat_domain::heartbeat::Heartbeat;
use heartbeat_domain::notice::NoticeDraft;
use heartbeat_domain::watch::{Condition, Probe, Sighting, SightingKind, Watch, judge};
use heartbeat_tools::{Observe, ProbeError, UrlBounds, describe_host, select};
use jiff::Timestamp;
use serde_json::Value;

/// What a look came to.
pub(crate) struct Look {
    /// What was seen.
    pub(crate) observed: Value,
    /// What wakes somebody, if anything does.
    pub(crate) sighting: Option<Sighting>,
}

/// Looks once and judges what was seen against the heartbeat's baseline.
pub(crate) async fn look(
    (observe, bounds): (&dyn Observe, &UrlBounds),
    heartbeat: &Heartbeat,
    watch: &Watch,
    now: Timestamp,
) -> Result<Look, ProbeError> {
    let observed = observe.observe(watch, bounds).await?;
    let selection = select(watch, &observed)?;
    let seen = (selection.value, selection.holds);
    let sighting = judge(watch, heartbeat.baseline.as_ref(), seen, now);
    Ok(Look { observed, sighting })
}

/// The message of a watch without a prompt.
pub(crate) fn notice(
    heartbeat: &Heartbeat,
    watch: &Watch,
    look: &Look,
    sighting: &Sighting,
) -> NoticeDraft {
    let name = heartbeat
        .settings
        .label
        .clone()
        .unwrap_or_else(|| subject(watch));
    let after = shown(&sighting.after);
    let title = match sighting.kind {
        SightingKind::First => format!("{name}: first look"),
        SightingKind::Woke => format!("{name}: {}", woke(watch)),
        SightingKind::StillHolds => format!("{name}: still {}", woke(watch)),
        SightingKind::Ended => format!("{name}: no longer {}", woke(watch)),
    };
    let mut message = match &sighting.before {
        Some(before) => format!("Before: {}\nNow: {after}", shown(before)),
        None => format!("The baseline from now on: {after}"),
    };
    if watch.tool == Probe::HostStatus {
        message = format!("{message}\n{}", describe_host(&look.observed));
    }
    NoticeDraft {
        title,
        message,
        topic: Some(format!("watch:{}", heartbeat.id)),
        state: Some(format!("{:?}@{}", sighting.kind, sighting.baseline.told_at)),
        ..NoticeDraft::default()
    }
}

/// A value as the model's context and messages show it.
pub(crate) fn shown(value: &Value) -> String {
    let whole = match value {
        Value::String(text) => text.clone(),
        Value::Object(map) if map.contains_key("sha256") => map
            .get("head")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        other => other.to_string(),
    };
    match whole.char_indices().nth(1_000) {
        Some((end, _)) => format!("{}…", &whole[..end]),
        None => whole.trim_end().to_owned(),
    }
}

fn subject(watch: &Watch) -> String {
    let argument = watch.argument("path").or_else(|| watch.argument("url"));
    match argument {
        Some(argument) => format!("{} {argument}", watch.tool.as_str()),
        None => watch.tool.as_str().to_owned(),
    }
}

fn woke(watch: &Watch) -> String {
    match &watch.condition {
        Condition::Changed => "changed".to_owned(),
        Condition::Above(limit) => format!("above {limit}"),
        Condition::Below(limit) => format!("below {limit}"),
        Condition::Matches(pattern) => format!("matches `{pattern}`"),
    }
}
