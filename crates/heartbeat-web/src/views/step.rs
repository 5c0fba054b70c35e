//! A step of an execution: what went in, what came out, and where it lies in the whole.

use heartbeat_domain::conversation::{Message, ToolCall, ToolOutput, Turn, TurnRequest};
use heartbeat_domain::step::{Decision, Review, Step, StepKind, StepState};
use jiff::Timestamp;
use serde_json::Value;

use super::{json, without_label};
use crate::words;

/// The width of the waterfall, in its own units.
const WIDTH: i64 = 1_000;
/// A bar is never so narrow that it cannot be seen.
const BAR_MIN: i64 = 6;

/// One piece of a step's input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) title: String,
    pub(crate) text: String,
}

impl Part {
    /// Whether it is for machines: JSON keeps its columns, prose does not need them.
    pub(crate) fn is_code(&self) -> bool {
        self.text.starts_with(['{', '['])
    }
}

/// A step as the waterfall shows it.
#[derive(Clone, Debug)]
pub(crate) struct StepRow {
    pub(crate) seq: u32,
    pub(crate) attempt: u32,
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) gist: String,
    pub(crate) input: Vec<Part>,
    pub(crate) output: Vec<Part>,
    pub(crate) notes: Vec<String>,
    pub(crate) tokens: Option<String>,
    pub(crate) credits: Option<String>,
    pub(crate) duration: Option<String>,
    /// Left end and width of its bar.
    pub(crate) bar: (i64, i64),
    pub(crate) demo: bool,
    /// Whether it is a call whose outcome is unknown.
    pub(crate) unknown: bool,
    /// A person's word on it.
    pub(crate) said: Option<String>,
    /// That it was sent late.
    pub(crate) late: Option<String>,
}

impl StepRow {
    /// Within an execution that spans the time from `from` to `to`.
    pub(crate) fn new(step: &Step, (from, to): (Timestamp, Timestamp)) -> Self {
        let (input, output) = match step.kind {
            StepKind::Request => (request(&step.intent), Vec::new()),
            StepKind::Turn => (Vec::new(), turn(step.result.as_ref())),
            StepKind::Call => (arguments(&step.intent), called(step.result.as_ref())),
        };
        let took = step
            .ended_at
            .map(|at| at.as_millisecond() - step.begun_at.as_millisecond());
        Self {
            seq: step.seq,
            attempt: step.attempt,
            kind: step.kind.as_str(),
            name: step.name.clone(),
            state: state(step.state),
            gist: gist(step, &input, &output),
            input,
            output,
            notes: step.notes.clone(),
            tokens: (step.tokens > 0).then(|| words::count(step.tokens)),
            credits: (step.micro_charged > 0).then(|| words::credits_of_micro(step.micro_charged)),
            duration: took
                .filter(|_| step.kind != StepKind::Request)
                .map(words::duration),
            bar: bar(step, (from, to)),
            demo: step.kind == StepKind::Turn && step.name == "demo",
            unknown: step.state == StepState::Unknown,
            said: step.review.as_ref().map(word),
            late: step
                .late_sent_at
                .map(|at| format!("Sent at {at:.0} by a node that had lost its hold by then.")),
        }
    }
}

fn word(review: &Review) -> String {
    let happened = match review.decision {
        Decision::Done => "It happened",
        Decision::NotDone => "It did not happen",
    };
    format!(
        "{happened}: said at {:.0} through {}.",
        review.at, review.by
    )
}

/// The stable names; a step that is done needs no word.
fn state(state: StepState) -> &'static str {
    match state {
        StepState::Done => "",
        StepState::Begun => "running",
        StepState::Failed => "failed",
        StepState::Lost => "lost_turn",
        StepState::Unknown => "outcome_unknown",
    }
}

fn gist(step: &Step, input: &[Part], output: &[Part]) -> String {
    let text = match step.kind {
        StepKind::Request => format!("{} to the model", words::plural(length(input), "message")),
        _ => output.first().map_or_else(String::new, said),
    };
    words::excerpt(&text, 100)
}

/// A part in a line; calls name what they call.
fn said(part: &Part) -> String {
    match part.title.as_str() {
        "says" | "gives back" => part.text.clone(),
        title => title.to_owned(),
    }
}

fn length(parts: &[Part]) -> u64 {
    let messages = parts.iter().filter(|part| part.title != "tools");
    u64::try_from(messages.count()).unwrap_or(u64::MAX)
}

fn part(title: impl Into<String>, text: impl Into<String>) -> Part {
    Part {
        title: title.into(),
        text: text.into(),
    }
}

/// Whatever does not read as what it should be is shown as it is.
fn raw(title: &str, value: &Value) -> Vec<Part> {
    match json::shown(value) {
        text if text.is_empty() => Vec::new(),
        text => vec![part(title, text)],
    }
}

fn request(intent: &Value) -> Vec<Part> {
    let request = intent.get("request").unwrap_or(intent);
    let Ok(request) = serde_json::from_value::<TurnRequest>(request.clone()) else {
        return raw("request", intent);
    };
    let mut parts: Vec<Part> = request.messages.iter().map(message).collect();
    let tools: Vec<&str> = request
        .tools
        .iter()
        .map(|tool| tool.name.as_str())
        .collect();
    if !tools.is_empty() {
        parts.push(part("tools", tools.join(", ")));
    }
    parts
}

fn message(message: &Message) -> Part {
    match message {
        Message::System { text } => part("system", text),
        Message::User { text } => part("prompt", text),
        Message::Assistant { text, calls, .. } if text.is_empty() => {
            let names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
            part("agent, earlier", format!("calls {}", names.join(", ")))
        }
        Message::Assistant { text, .. } => part("agent, earlier", text),
        Message::ToolResult { name, text, .. } => part(name, json::shown_text(text)),
    }
}

fn turn(result: Option<&Value>) -> Vec<Part> {
    let Some(result) = result else {
        return Vec::new();
    };
    if let Some(error) = result.get("error").and_then(Value::as_str) {
        return vec![part("fails", error)];
    }
    let Ok(turn) = serde_json::from_value::<Turn>(result.clone()) else {
        return raw("answers", result);
    };
    let text = without_label(&turn.text);
    let says = (!text.is_empty()).then(|| part("says", text));
    let calls = turn.calls.iter().map(|call| {
        let title = format!("calls {}", call.name);
        part(title, json::shown(&call.arguments))
    });
    let cut = turn.cut.then(|| part("cut", "at its token limit"));
    says.into_iter().chain(calls).chain(cut).collect()
}

fn arguments(intent: &Value) -> Vec<Part> {
    match serde_json::from_value::<ToolCall>(intent.clone()) {
        Ok(call) => raw("arguments", &call.arguments),
        Err(_) => raw("call", intent),
    }
}

fn called(result: Option<&Value>) -> Vec<Part> {
    let Some(result) = result else {
        return Vec::new();
    };
    let Ok(output) = serde_json::from_value::<ToolOutput>(result.clone()) else {
        return raw("answers", result);
    };
    let title = if output.is_error {
        "fails"
    } else {
        "gives back"
    };
    let told = output
        .notices
        .iter()
        .map(|notice| part(format!("tells: {}", notice.title), &notice.message));
    let quiet = output
        .quiet
        .iter()
        .map(|why| part("nothing to report", why));
    std::iter::once(part(title, json::shown_text(&output.text)))
        .chain(told)
        .chain(quiet)
        .collect()
}

fn bar(step: &Step, (from, to): (Timestamp, Timestamp)) -> (i64, i64) {
    let whole = (to.as_millisecond() - from.as_millisecond()).max(1);
    let place = |at: Timestamp| {
        let since = (at.as_millisecond() - from.as_millisecond()).clamp(0, whole);
        since.saturating_mul(WIDTH) / whole
    };
    let left = place(step.begun_at).min(WIDTH - BAR_MIN);
    let right = place(step.ended_at.unwrap_or(to));
    (left, (right - left).max(BAR_MIN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn step(kind: StepKind, intent: Value, result: Option<Value>) -> Step {
        Step {
            seq: 1,
            attempt: 0,
            kind,
            state: StepState::Done,
            name: "host_status".into(),
            intent,
            result,
            notes: Vec::new(),
            effect_id: None,
            repeat: None,
            within: None,
            settles_at: None,
            late_sent_at: None,
            review: None,
            tokens: 0,
            micro_reserved: 0,
            micro_charged: 0,
            fence: 1,
            begun_at: Timestamp::from_second(10).unwrap(),
            ended_at: Some(Timestamp::from_second(15).unwrap()),
        }
    }

    fn span() -> (Timestamp, Timestamp) {
        (
            Timestamp::from_second(0).unwrap(),
            Timestamp::from_second(20).unwrap(),
        )
    }

    #[test]
    fn a_call_shows_its_arguments_and_what_it_gave_back() {
        let call = json!({ "id": "a", "name": "host_status", "arguments": { "of": "disk" } });
        let result = json!({ "text": "disk 93 % used" });
        let row = StepRow::new(&step(StepKind::Call, call, Some(result)), span());
        assert_eq!(row.input, [part("arguments", r#"{"of":"disk"}"#)]);
        assert_eq!(row.output, [part("gives back", "disk 93 % used")]);
        assert_eq!(row.bar, (500, 250));
        assert_eq!(row.duration.as_deref(), Some("5.0 s"));
    }

    #[test]
    fn a_turn_names_its_calls_and_a_failed_one_its_error() {
        let answer = json!({
            "text": "", "usage": { "input_tokens": 1, "output_tokens": 1 },
            "calls": [{ "id": "a", "name": "notify_user", "arguments": { "title": "t" } }],
        });
        let row = StepRow::new(&step(StepKind::Turn, Value::Null, Some(answer)), span());
        assert_eq!(row.gist, "calls notify_user");
        let failed = json!({ "error": "503 from the endpoint", "status": 503 });
        let row = StepRow::new(&step(StepKind::Turn, Value::Null, Some(failed)), span());
        assert_eq!(row.output, [part("fails", "503 from the endpoint")]);
    }

    #[test]
    fn what_does_not_read_as_expected_is_shown_as_it_is() {
        let row = StepRow::new(&step(StepKind::Call, json!([1]), Some(json!([2]))), span());
        assert_eq!(row.input, [part("call", "[1]")]);
        assert_eq!(row.output, [part("answers", "[2]")]);
    }
}
