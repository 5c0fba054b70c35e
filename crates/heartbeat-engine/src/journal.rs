//! The journal of one execution under one hold: the session's side of the store.
//!
//! What is on record when a holder begins is read once; a session that asks for it gets the record
//! and no call is made. Everything else is written down under the hold before it is made.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures::future::{Either, select};
use heartbeat_agent::{
    Begun, BegunTurn, BudgetStop, Halt, Made, ModelError, ModelErrorKind, StepSeq,
};
use heartbeat_domain::budget::{Ask, Rates, Scope, input_bound};
use heartbeat_domain::claim::Hold;
use heartbeat_domain::conversation::{ToolCall, ToolOutput, Turn, TurnRequest};
use heartbeat_domain::ids::HeartbeatId;
use heartbeat_domain::plan::Spending;
use heartbeat_domain::step::{Step, StepKind, StepState};
use heartbeat_domain::tool::Repeat;
use heartbeat_store::verbs::{CallIntent, Intent, TurnIntent, TurnRecord};
use heartbeat_store::{StoreError, kill_point};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::Parts;
use crate::belt::Belt;
use crate::ending::Circumstance;
use crate::events::{Event, EventKind};
use crate::ledger::Ledger;
use crate::patience::patiently;
use crate::record::{Opening, Start, Written};
use crate::stopping::StopSign;

/// The journal of one execution.
pub(crate) struct FireJournal<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) hold: Hold,
    /// The calls under way.
    ledger: &'a Ledger<'a>,
    /// The tools, which say what may be repeated.
    belt: &'a Belt<'a>,
    pub(crate) heartbeat_id: Option<HeartbeatId>,
    pub(crate) rates: Rates,
    pub(crate) spending: Spending,
    /// What the session starts with.
    pub(crate) start: Start,
    /// Raised when the execution is to stop.
    pub(crate) sign: StopSign,
    /// Latest attempt of every step that former holders left.
    recorded: HashMap<StepSeq, &'a Step>,
    circumstance: Mutex<Circumstance>,
}

impl<'a> FireJournal<'a> {
    /// A journal that begins with what `recorded` says.
    pub(crate) fn new(
        (ledger, belt): (&'a Ledger<'a>, &'a Belt<'a>),
        start: Start,
        recorded: &'a [Step],
    ) -> Self {
        let spent = recorded
            .iter()
            .any(|step| step.kind == StepKind::Turn && (step.tokens > 0 || step.micro_charged > 0));
        let circumstance = Circumstance {
            spent,
            ..Circumstance::default()
        };
        Self {
            parts: ledger.parts,
            hold: ledger.hold,
            ledger,
            belt,
            heartbeat_id: None,
            rates: Rates::default(),
            spending: Spending::default(),
            start,
            sign: StopSign::default(),
            recorded: recorded.iter().map(|step| (step.seq, step)).collect(),
            circumstance: Mutex::new(circumstance),
        }
    }

    /// What the outcome depends on beside the session's end.
    pub(crate) fn circumstance(&self) -> Circumstance {
        let known = *self.lock();
        Circumstance {
            cancelled: known.cancelled.or(self.sign.reason()),
            ..known
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Circumstance> {
        self.circumstance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The result on record for a step, if it is done.
    fn result_of<T: serde::de::DeserializeOwned>(&self, seq: StepSeq) -> Option<T> {
        let step = self
            .recorded
            .get(&seq)
            .filter(|step| step.state == StepState::Done)?;
        serde_json::from_value(step.result.clone()?).ok()
    }

    /// The failure on record for a turn that a former holder gave up.
    fn failure_of(&self, seq: StepSeq) -> Option<ModelError> {
        let step = self
            .recorded
            .get(&seq)
            .filter(|step| step.kind == StepKind::Turn && step.state == StepState::Failed)?;
        let result = step.result.clone().unwrap_or_default();
        let message = result["error"].as_str().unwrap_or("it failed").to_owned();
        let kind = ModelErrorKind::named(result["kind"].as_str().unwrap_or_default());
        let status = result["status"].as_u64();
        Some(ModelError {
            status: status.and_then(|status| u16::try_from(status).ok()),
            ..ModelError::new(kind, message)
        })
    }

    fn announce(&self, kind: EventKind) {
        self.parts.live.announce(Event {
            project_id: self.hold.project_id,
            heartbeat_id: self.heartbeat_id,
            execution_id: Some(self.hold.execution_id),
            kind,
        });
    }

    async fn begin_once(&self, intent: &TurnIntent) -> Result<Intent, Halt> {
        let Parts { store, waiter, .. } = self.parts;
        let begun = patiently(&**waiter, || {
            store.begin_turn(&self.hold, intent, waiter.now())
        });
        begun.await.map_err(halt)
    }

    async fn record(&self, record: &TurnRecord) -> Result<(), Halt> {
        let Parts { store, waiter, .. } = self.parts;
        let recorded = patiently(&**waiter, || {
            store.record_turn(&self.hold, record, waiter.now())
        });
        recorded.await.map_err(halt)?;
        self.announce(EventKind::Step { seq: record.seq });
        Ok(())
    }

    fn refusal(&self, scope: Scope, reason: BudgetStop) -> Halt {
        self.lock().scope = Some(scope);
        let level = scope.in_words();
        let message = match reason {
            BudgetStop::Exhausted => {
                format!(
                    "the worst case of the next turn does not fit {level}; raise it or wait until it resets"
                )
            }
            BudgetStop::Busy => format!("other executions held the rest of {level}"),
        };
        Halt::Budget { reason, message }
    }

    fn cancelled(&self, reason: heartbeat_domain::reason::Reason) -> Halt {
        self.lock().cancelled = Some(reason);
        Halt::Cancelled
    }

    /// What is on record of a call.
    fn found(&self, seq: StepSeq) -> Found {
        let Some(step) = self.recorded.get(&seq) else {
            return Found::Nothing;
        };
        let settles_at = step.settles_at;
        let output = step.result.clone().map(serde_json::from_value);
        match (step.state, output) {
            (StepState::Done | StepState::Unknown, Some(Ok(output))) => {
                Found::Ended { output, settles_at }
            }
            // The other side recognises it, however late the former one comes.
            (_, _) if step.repeat == Some(Repeat::ByEffectId) => Found::Open { settles_at: None },
            _ => Found::Open { settles_at },
        }
    }

    /// Waits until no call of a former holder can be under way. A safe call that arrived after its
    /// own repeat could undo what came after both; and who verifies an unknown one too early finds
    /// that it did not happen, and then it does.
    async fn let_settle(&self, found: &[Found]) -> Result<(), Halt> {
        let waiter = &self.parts.waiter;
        let settles_at = found.iter().filter_map(Found::settles_at).max();
        let Some(at) = settles_at.filter(|at| *at > waiter.now()) else {
            return Ok(());
        };
        match select(pin!(self.sign.raised()), waiter.wait_until(at)).await {
            Either::Left(_) => Err(Halt::Cancelled),
            Either::Right(_) => Ok(()),
        }
    }

    /// Makes the intents of those calls durable.
    async fn write_down(&self, calls: &[(StepSeq, &ToolCall)]) -> Result<(), Halt> {
        let asked: Vec<&ToolCall> = calls.iter().map(|(_, call)| *call).collect();
        let handling = self.belt.handling(&asked).await?;
        let intents = calls
            .iter()
            .zip(handling)
            .map(|((seq, call), handling)| CallIntent {
                seq: *seq,
                tool: call.name.clone(),
                call: serde_json::to_value(call).unwrap_or(Value::Null),
                effect_id: effect_id(&self.hold, *seq),
                repeat: handling.repeat,
                within: handling.within,
            });
        let intents: Vec<CallIntent> = intents.collect();
        let Parts { store, waiter, .. } = self.parts;
        let begun = patiently(&**waiter, || {
            store.begin_calls(&self.hold, &intents, waiter.now())
        });
        if let Intent::Cancelled(reason) = begun.await.map_err(halt)? {
            return Err(self.cancelled(reason));
        }
        self.ledger.begun(&intents, waiter.now());
        kill_point("engine:calls_begun");
        Ok(())
    }
}

/// What is on record of a call.
enum Found {
    /// Nothing.
    Nothing,
    /// A former holder left it under way, and it may be repeated.
    Open {
        /// Until when it may be under way.
        settles_at: Option<Timestamp>,
    },
    /// It has ended.
    Ended {
        /// What the model is told.
        output: ToolOutput,
        /// Until when it may be under way, where its end is unknown.
        settles_at: Option<Timestamp>,
    },
}

impl Found {
    fn settles_at(&self) -> Option<Timestamp> {
        match self {
            Self::Nothing => None,
            Self::Open { settles_at } | Self::Ended { settles_at, .. } => *settles_at,
        }
    }

    fn into_begun(self) -> Begun<ToolOutput> {
        match self {
            Self::Nothing => Begun::Go,
            Self::Open { .. } => Begun::Again,
            Self::Ended { output, .. } => Begun::Recorded(output),
        }
    }
}

/// A mark that nobody can guess: 80 bits.
pub(crate) fn mark(parts: &Parts) -> String {
    let mut random = [0_u8; 10];
    parts.ids.fill(&mut random);
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The stable id of a call's effect.
pub(crate) fn effect_id(hold: &Hold, seq: StepSeq) -> String {
    format!("{}.{seq}", hold.execution_id)
}

/// What a session is told when the store refuses.
pub(crate) fn halt(error: StoreError) -> Halt {
    match error {
        StoreError::Fenced | StoreError::NotFound(_) => Halt::Fenced,
        other => Halt::Unavailable(other.to_string()),
    }
}

/// How often a turn looks again whether others have freed the budget.
const BUDGET_LOOK_EVERY: SignedDuration = SignedDuration::from_millis(500);

#[async_trait]
impl heartbeat_agent::Journal for FireJournal<'_> {
    async fn open(&self, request: TurnRequest) -> Result<TurnRequest, Halt> {
        if self.recorded.contains_key(&0) {
            return Ok(request);
        }
        let Parts { store, waiter, .. } = self.parts;
        let asked = serde_json::to_value(Written {
            request: &request,
            start: &self.start,
        });
        let asked = asked.unwrap_or(Value::Null);
        let opened = patiently(&**waiter, || {
            store.open_journal(&self.hold, &asked, waiter.now())
        });
        let kept = opened.await.map_err(halt)?;
        if kept == asked {
            return Ok(request);
        }
        let opening: Opening = serde_json::from_value(kept)
            .map_err(|error| Halt::Unavailable(format!("step 0 cannot be read: {error}")))?;
        Ok(opening.request)
    }

    async fn begin_turn(&self, seq: StepSeq, request: &TurnRequest) -> Result<BegunTurn, Halt> {
        if let Some(turn) = self.result_of(seq) {
            return Ok(BegunTurn::Recorded(turn));
        }
        if let Some(failure) = self.failure_of(seq) {
            return Ok(BegunTurn::Failed(failure));
        }
        let ask = Ask {
            input_tokens_max: input_bound(request),
            max_tokens: request.max_tokens,
        };
        let intent = TurnIntent {
            seq,
            model: request.model.clone(),
            request: json!({ "messages": request.messages.len(), "max_tokens": request.max_tokens }),
            ask,
            rates: self.rates,
            spending: self.spending,
        };
        let waiter = &self.parts.waiter;
        let patience_ends = waiter.now() + self.parts.settings.budget_patience;
        loop {
            match self.begin_once(&intent).await? {
                Intent::Go { max_tokens } => {
                    kill_point("engine:turn_begun");
                    return Ok(BegunTurn::Go { max_tokens });
                }
                Intent::Cancelled(reason) => return Err(self.cancelled(reason)),
                Intent::Exhausted(scope) => {
                    return Err(self.refusal(scope, BudgetStop::Exhausted));
                }
                Intent::Busy(scope) if waiter.now() >= patience_ends => {
                    return Err(self.refusal(scope, BudgetStop::Busy));
                }
                Intent::Busy(_) => waiter.wait_until(waiter.now() + BUDGET_LOOK_EVERY).await,
            }
        }
    }

    async fn record_turn(&self, seq: StepSeq, turn: &Turn) -> Result<(), Halt> {
        kill_point("engine:turn_answered");
        let result = serde_json::to_value(turn).unwrap_or(Value::Null);
        let (tokens, micro) = (turn.usage.total(), self.rates.cost(&turn.usage));
        self.record(&TurnRecord {
            seq,
            result,
            failed: false,
            tokens,
            micro,
            channels: self.parts.settings.channels.clone(),
        })
        .await?;
        kill_point("engine:turn_recorded");
        self.lock().spent = true;
        Ok(())
    }

    async fn record_failure(&self, seq: StepSeq, failure: &ModelError) -> Result<(), Halt> {
        let result = json!({
            "error": failure.message,
            "status": failure.status,
            "kind": failure.kind.as_str(),
        });
        let spent = failure.spent.unwrap_or_default();
        self.record(&TurnRecord {
            seq,
            result,
            failed: true,
            tokens: spent.total(),
            micro: self.rates.cost(&spent),
            channels: self.parts.settings.channels.clone(),
        })
        .await
    }

    async fn lose_turn(&self, seq: StepSeq) -> Result<(), Halt> {
        let Parts { store, waiter, .. } = self.parts;
        let lost = patiently(&**waiter, || store.lose_turn(&self.hold, seq, waiter.now()));
        lost.await.map_err(halt)?;
        self.announce(EventKind::Step { seq });
        Ok(())
    }

    async fn begin_calls(
        &self,
        first: StepSeq,
        calls: &[ToolCall],
    ) -> Result<Vec<Begun<ToolOutput>>, Halt> {
        let numbered: Vec<(StepSeq, &ToolCall)> = (first..).zip(calls).collect();
        let found: Vec<Found> = numbered.iter().map(|&(seq, _)| self.found(seq)).collect();
        self.let_settle(&found).await?;
        let to_make: Vec<(StepSeq, &ToolCall)> = numbered
            .iter()
            .zip(&found)
            .filter(|(_, found)| !matches!(found, Found::Ended { .. }))
            .map(|(numbered, _)| *numbered)
            .collect();
        if !to_make.is_empty() {
            self.write_down(&to_make).await?;
        }
        Ok(found.into_iter().map(Found::into_begun).collect())
    }

    async fn record_call(&self, seq: StepSeq, made: &Made) -> Result<(), Halt> {
        kill_point("engine:call_made");
        self.ledger.record(seq, made).await.map_err(halt)?;
        kill_point("engine:call_recorded");
        self.announce(EventKind::Step { seq });
        if !made.output().notices.is_empty() {
            self.announce(EventKind::Notice);
        }
        Ok(())
    }

    async fn stopped(&self) {
        self.sign.raised().await;
    }

    async fn note(&self, seq: StepSeq, note: &str) {
        if let Err(error) = self.parts.store.note_step(&self.hold, seq, note).await {
            tracing::debug!(seq, %error, "A step's note was not kept");
        }
    }

    fn delta(&self, seq: StepSeq, text: &str) {
        self.announce(EventKind::Delta {
            seq,
            text: text.to_owned(),
        });
    }
}
