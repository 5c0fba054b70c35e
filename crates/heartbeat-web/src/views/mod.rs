//! What the templates show: plain values, made from the domain's nouns and the present moment.
//! Nothing here asks the store.

mod beats;
mod execution;
mod heartbeat;
mod json;
mod link;
mod mark;
mod moment;
mod notice;
mod step;
mod tool;

pub(crate) use self::beats::Beats;
pub(crate) use self::execution::{ExecutionRow, Whose};
pub(crate) use self::heartbeat::{HeartbeatRow, StandingView, attention, is_demo, name, zone};
pub(crate) use self::mark::Mark;
pub(crate) use self::moment::Moment;
pub(crate) use self::notice::NoticeView;
pub(crate) use self::step::StepRow;
pub(crate) use self::tool::{Choice, ServerCard};

/// What the demo's own texts begin with, and the label that stands beside them here.
pub(crate) const DEMO_LABEL: &str = "demo, no model";

/// A text of the demo without its label, which the page shows as a tag.
pub(crate) fn without_label(text: &str) -> &str {
    let rest = text.strip_prefix(DEMO_LABEL).unwrap_or(text);
    rest.strip_prefix(": ").unwrap_or(rest)
}
