//! What is on record of an execution when somebody takes it up: step 0 with which its session
//! starts, and whether the rest can be read.

use heartbeat_agent::StepSeq;
use heartbeat_domain::conversation::{ToolOutput, Turn, TurnRequest};
use heartbeat_domain::step::{Step, StepKind, StepState};
use heartbeat_domain::watch::Sighting;
use serde::{Deserialize, Serialize};

use crate::offer::Offered;

/// Step 0 as it is journaled.
#[derive(Debug, Deserialize)]
pub(crate) struct Opening {
    /// The first request.
    pub(crate) request: TurnRequest,
    /// What else the session starts with.
    #[serde(flatten)]
    pub(crate) start: Start,
}

/// Step 0 as it is written.
#[derive(Serialize)]
pub(crate) struct Written<'a> {
    /// The first request.
    pub(crate) request: &'a TurnRequest,
    /// What else the session starts with.
    #[serde(flatten)]
    pub(crate) start: &'a Start,
}

/// What a session starts with beside its first request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    /// What woke the model, if a watch did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sighting: Option<Sighting>,
    /// The mark around what outside tools return; nobody outside knows it.
    #[serde(default)]
    pub(crate) mark: String,
    /// The tools of servers that the model was offered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) offered: Vec<Offered>,
}

impl Opening {
    /// What a former holder wrote down.
    pub(crate) fn recorded(steps: &[Step]) -> Option<Self> {
        let step = steps.iter().find(|step| step.seq == 0)?;
        serde_json::from_value(step.intent.clone()).ok()
    }
}

impl Start {
    /// Whether a server's tool was offered under that name.
    pub(crate) fn offers(&self, name: &str) -> bool {
        self.offered.iter().any(|offered| offered.name == name)
    }
}

/// The first step on record whose text this version cannot read. Nothing of such an execution is
/// made again: what is there may be what it did.
pub(crate) fn unreadable(recorded: &[Step]) -> Option<StepSeq> {
    let is_readable = |step: &&Step| match (step.kind, step.state, step.result.clone()) {
        _ if step.seq == 0 => serde_json::from_value::<Opening>(step.intent.clone()).is_ok(),
        (StepKind::Turn, StepState::Done, Some(result)) => {
            serde_json::from_value::<Turn>(result).is_ok()
        }
        (StepKind::Call, StepState::Done | StepState::Unknown, Some(result)) => {
            serde_json::from_value::<ToolOutput>(result).is_ok()
        }
        (_, StepState::Done, None) => false,
        _ => true,
    };
    let mut unreadable = recorded.iter().filter(|step| !is_readable(step));
    unreadable.next().map(|step| step.seq)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;

    fn step(seq: StepSeq, kind: StepKind, state: StepState, result: Option<Value>) -> Step {
        Step {
            seq,
            attempt: 0,
            kind,
            state,
            name: String::new(),
            intent: Value::Null,
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
            begun_at: Timestamp::UNIX_EPOCH,
            ended_at: None,
        }
    }

    fn opening(intent: Value) -> Step {
        Step {
            intent,
            ..step(0, StepKind::Request, StepState::Done, None)
        }
    }

    fn told() -> Value {
        let request = json!({ "model": "m", "messages": [], "tools": [], "max_tokens": 1 });
        json!({ "request": request, "mark": "k7" })
    }

    #[test]
    fn what_this_version_wrote_can_be_read() {
        let Opening { request, start } = Opening::recorded(&[opening(told())]).unwrap();
        let written = serde_json::to_value(Written {
            request: &request,
            start: &start,
        });
        assert_eq!(written.unwrap(), told());
        let turn = serde_json::to_value(Turn::default()).unwrap();
        let output = serde_json::to_value(ToolOutput::default()).unwrap();
        let recorded = [
            opening(told()),
            step(1, StepKind::Turn, StepState::Done, Some(turn)),
            step(2, StepKind::Call, StepState::Done, Some(output.clone())),
            step(3, StepKind::Call, StepState::Unknown, Some(output)),
            step(4, StepKind::Turn, StepState::Lost, None),
            step(5, StepKind::Turn, StepState::Begun, None),
        ];
        assert_eq!(unreadable(&recorded), None);
    }

    #[test]
    fn the_first_step_that_cannot_be_read_is_named() {
        let odd = || Some(json!("of another version"));
        for (kind, state, result) in [
            (StepKind::Turn, StepState::Done, odd()),
            (StepKind::Turn, StepState::Done, None),
            (StepKind::Call, StepState::Done, odd()),
            (StepKind::Call, StepState::Unknown, odd()),
        ] {
            let recorded = [opening(told()), step(1, kind, state, result)];
            assert_eq!(unreadable(&recorded), Some(1), "{kind:?} {state:?}");
        }
        assert_eq!(unreadable(&[opening(json!({ "mark": "k7" }))]), Some(0));
    }
}
