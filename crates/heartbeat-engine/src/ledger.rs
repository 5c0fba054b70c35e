//! The calls of one execution that are under way, from their intent to their end.
//!
//! Invariant: an execution does not end with a call whose fate nobody has said: what was sent and
//! not answered is unknown, what was certainly not sent was not made.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use heartbeat_agent::{Made, StepSeq};
use heartbeat_domain::claim::Hold;
use heartbeat_domain::conversation::ToolOutput;
use heartbeat_domain::step::{Step, StepKind, StepState, outcome_unknown};
use heartbeat_domain::tool::Repeat;
use heartbeat_store::StoreError;
use heartbeat_store::verbs::{CallIntent, CallRecord};
use jiff::Timestamp;
use serde_json::Value;

use crate::Parts;
use crate::keeper::Keeper;
use crate::patience::patiently;

/// The calls of one execution under one hold.
pub(crate) struct Ledger<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) keeper: &'a Keeper,
    pub(crate) hold: Hold,
    open: Mutex<BTreeMap<StepSeq, OpenCall>>,
}

/// A call that has begun and not ended.
#[derive(Clone, Debug)]
struct OpenCall {
    tool: String,
    effect_id: Option<String>,
    repeat: Repeat,
    begun_at: Timestamp,
    /// Whether any holder may have sent it.
    maybe_sent: bool,
}

impl<'a> Ledger<'a> {
    /// What former holders left under way, and nothing else yet.
    pub(crate) fn new(parts: &'a Parts, keeper: &'a Keeper, hold: Hold, recorded: &[Step]) -> Self {
        let left = recorded
            .iter()
            .filter(|step| step.kind == StepKind::Call && step.state == StepState::Begun)
            .map(|step| (step.seq, OpenCall::of_former(step)));
        Self {
            parts,
            keeper,
            hold,
            open: Mutex::new(left.collect()),
        }
    }

    /// Those intents are durable; what a former holder left stays as it was first begun.
    pub(crate) fn begun(&self, calls: &[CallIntent], now: Timestamp) {
        let mut open = self.lock();
        for call in calls {
            open.entry(call.seq).or_insert_with(|| OpenCall {
                tool: call.tool.clone(),
                effect_id: Some(call.effect_id.clone()),
                repeat: call.repeat,
                begun_at: now,
                maybe_sent: false,
            });
        }
    }

    /// The first byte of a call is about to be sent.
    pub(crate) fn sending(&self, seq: StepSeq, now: Timestamp) {
        if let Some(call) = self.lock().get_mut(&seq) {
            call.maybe_sent = true;
        }
        self.keeper.sends().begin(self.hold, seq, now);
    }

    /// What is to be told of a call that was, or may have been, sent; by what may be repeated.
    pub(crate) fn lost(&self, seq: StepSeq, why: &str) -> Made {
        match self.lock().get(&seq) {
            Some(call) => call.lost(why),
            None => Made::Answered(ToolOutput::error(why)),
        }
    }

    /// Writes down what became of a call.
    pub(crate) async fn record(&self, seq: StepSeq, made: &Made) -> Result<(), StoreError> {
        let Parts {
            store,
            waiter,
            settings,
            ..
        } = self.parts;
        let output = made.output();
        let record = CallRecord {
            seq,
            result: serde_json::to_value(output).unwrap_or(Value::Null),
            unknown: matches!(made, Made::Unknown(_)),
        };
        let outgoing = (output.notices.as_slice(), settings.channels.as_slice());
        let recorded = patiently(&**waiter, || {
            store.record_call(&self.hold, &record, outgoing, waiter.now())
        });
        recorded.await?;
        self.lock().remove(&seq);
        self.keeper.sends().end(self.hold, seq);
        Ok(())
    }

    /// Says of every call that is still open what is known of it. The execution is about to end.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        let open: Vec<(StepSeq, OpenCall)> = {
            let open = self.lock();
            open.iter()
                .map(|(seq, call)| (*seq, call.clone()))
                .collect()
        };
        for (seq, call) in open {
            let made = match call.maybe_sent {
                true => call.lost("the run ended before it was answered"),
                false => Made::Answered(ToolOutput::error(
                    "It was not made: the run ended before its turn came.",
                )),
            };
            self.record(seq, &made).await?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<StepSeq, OpenCall>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenCall {
    fn of_former(step: &Step) -> Self {
        Self {
            tool: step.name.clone(),
            effect_id: step.effect_id.clone(),
            repeat: step.repeat.unwrap_or(Repeat::Never),
            begun_at: step.begun_at,
            maybe_sent: true,
        }
    }

    fn lost(&self, why: &str) -> Made {
        if self.repeat == Repeat::Safe {
            return Made::Answered(ToolOutput::error(format!(
                "It may have been made: {why}. It is safe to call it again."
            )));
        }
        let asked = (self.tool.as_str(), self.effect_id.as_deref());
        Made::Unknown(outcome_unknown(asked, self.begun_at, why))
    }
}
