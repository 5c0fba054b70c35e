//! The scripted model of a world: what it says is thrown, and every request is written down.

use std::sync::Arc;

use async_trait::async_trait;
use heartbeat_agent::model::OnText;
use heartbeat_agent::model::scripted::{calls, say};
use heartbeat_agent::{ModelError, ModelErrorKind, Provider};
use heartbeat_domain::budget::{Rates, input_bound};
use heartbeat_domain::conversation::{Message, Turn, TurnRequest, Usage};
use heartbeat_domain::ids::ExecutionId;
use heartbeat_engine::Providers;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::checks::{asked, stopped};
use super::db::Db;
use super::gate::{Door, What};

/// The models of one process.
#[derive(Clone)]
pub(crate) struct Mind {
    /// Its door.
    pub(crate) door: Door,
    /// For looking at what is durable when a request arrives.
    pub(crate) db: Db,
}

/// What the model is about to answer.
struct Thought {
    answer: Result<Turn, ModelError>,
    takes: i64,
}

#[async_trait]
impl Providers for Mind {
    fn provider(&self, _model: &str) -> Result<Arc<dyn Provider>, String> {
        Ok(Arc::new(self.clone()))
    }

    fn rates(&self, _model: &str) -> Rates {
        Rates::default()
    }

    fn mark_down(&self, _model: &str, _reason: &str, _now: Timestamp) {}

    fn probes_due(&self, _now: Timestamp) -> Vec<String> {
        Vec::new()
    }

    async fn probe(&self, _model: &str) -> Result<(), ModelError> {
        Ok(())
    }
}

#[async_trait]
impl Provider for Mind {
    fn label(&self) -> String {
        "sim/model".to_owned()
    }

    async fn turn(&self, request: &TurnRequest, on_text: OnText<'_>) -> Result<Turn, ModelError> {
        let mut pass = self.door.wait(What::Outside("ask", i64::MIN)).await;
        let asker = asked::by(&self.door, request);
        asked::check(&self.door, &self.db, &asker, request).await;
        let thought = self.think(request, asker.execution());
        self.door.stage.say(&format!(
            "p{} asks {asker}: {:?} in {} ms",
            self.door.process,
            thought.answer.as_ref().map(|turn| turn.calls.len()),
            thought.takes
        ));
        pass.happened().await;
        pass.seen();
        let ready = self.door.stage.time.real() + thought.takes;
        self.door.pass(What::Outside("answer", ready)).await;
        if let Some(claimed) = asker.claimed() {
            stopped::answered(&self.door, claimed, "hears the model for");
        }
        if thought.answer.is_ok() {
            on_text("…");
        }
        thought.answer
    }
}

impl Mind {
    fn think(&self, request: &TurnRequest, execution: Option<ExecutionId>) -> Thought {
        let mut state = self.door.stage.lock();
        state.memory.requests += 1;
        let (troubled, faults) = (state.faults.model, state.faults.clone());
        let dice = &mut state.dice;
        let takes = match dice.between(0, 29) {
            0 => dice.between(8_000, 45_000),
            1..=4 => dice.between(1_000, 8_000),
            _ => dice.between(20, 1_000),
        };
        let is_tiring = takes > 8_000 && dice.in_thousand(600);
        let after = dice.between(50, 4_000);
        let asker = asked::prompt(request).and_then(|text| state.ledger.prompts.get(text));
        let asker = asker.and_then(|id| state.ledger.entries.get(id));
        if let (true, Some(asker)) = (is_tiring, asker) {
            let at = self.door.stage.time.real() + after;
            state.memory.impatient = Some((at, asker.key.project_id));
        }
        let dice = &mut state.dice;
        if dice.in_thousand(troubled) {
            return Thought {
                answer: Err(failure(dice.between(0, 9))),
                takes,
            };
        }
        let deep = depth(request);
        let name = execution.map_or_else(String::new, |id| id.to_string());
        let mut turn = speech(dice.between(0, 19), deep, &name);
        let most = u64::from(request.max_tokens);
        let output = u64::try_from(dice.between(1, 4_096)).unwrap_or(1).min(most);
        turn.usage = Usage {
            input_tokens: input_bound(request) / 4 + 1,
            output_tokens: output,
            ..Usage::default()
        };
        if faults.model > 0 && dice.in_thousand(20) {
            turn.usage.output_tokens = most + 1_500;
            turn.usage.input_tokens = input_bound(request);
            overbills(&mut state, request, &turn.usage);
        }
        Thought {
            answer: Ok(turn),
            takes,
        }
    }
}

/// A provider that bills more than it was allowed.
fn overbills(state: &mut super::stage::State, request: &TurnRequest, usage: &Usage) {
    let rates = Rates::default();
    let allowed = rates.worst_case(input_bound(request), request.max_tokens);
    let excess = rates.cost(usage).saturating_sub(allowed);
    let Some(id) = asked::prompt(request).and_then(|text| state.ledger.prompts.get(text)) else {
        return;
    };
    let id = *id;
    *state.memory.overbilled.entry(id).or_default() += excess;
    if let Some(entry) = state.ledger.entries.get(&id) {
        let project = entry.key.project_id;
        *state.memory.overbilled_in.entry(project).or_default() += excess;
    }
}

/// How many messages follow the prompt.
pub(crate) fn depth(request: &TurnRequest) -> usize {
    let messages = request.messages.iter().rev();
    messages
        .take_while(|message| !matches!(message, Message::User { .. }))
        .count()
}

fn failure(throw: i64) -> ModelError {
    match throw {
        0..=3 => ModelError::new(ModelErrorKind::Unreachable, "connection refused"),
        4..=6 => ModelError {
            status: Some(429),
            retry_after: Some(SignedDuration::from_secs(throw - 2)),
            ..ModelError::new(ModelErrorKind::Overloaded, "too many requests")
        },
        7 | 8 => ModelError::broken("the stream was cut").having_spent(Some(Usage {
            input_tokens: 40,
            output_tokens: 10,
            ..Usage::default()
        })),
        _ => ModelError::new(ModelErrorKind::Denied, "the key is not accepted"),
    }
}

fn speech(throw: i64, deep: usize, name: &str) -> Turn {
    let title = |number: usize| format!("n {name} {} {number}", deep + 2 + number);
    let notify = |number: usize| {
        let message = json!({ "title": title(number), "message": "something matters" });
        ("notify_user", message)
    };
    match (throw, deep) {
        (0..=2, _) => say("HEARTBEAT_OK"),
        (3..=6, 0) | (3, _) => calls([notify(0)]),
        (7, 0) => calls([notify(0), notify(1)]),
        (8, 0) => calls([("host_status", json!({})), notify(1)]),
        (9, 0) | (4, _) => calls([("host_status", json!({}))]),
        (10, 0) => calls([("nothing_to_report", json!({ "reason": "all quiet" }))]),
        (11, 0) => calls([("no_such_tool", json!({}))]),
        (12, 0) => calls([("hand__append", json!({}))]),
        (13, 0) => calls([
            ("hand__put", json!({})),
            ("hand__append", json!({})),
            ("hand__read", json!({})),
        ]),
        (14, 0) => calls([("hand__append", json!({})), ("hand__append", json!({}))]),
        _ => say("done"),
    }
}
