//! What a session needs, in memory: a journal, a clock, a toolbox.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use heartbeat_agent::journal::{Begun, BegunTurn, Halt, Journal, StepSeq};
use heartbeat_agent::model::{ModelError, Provider};
use heartbeat_agent::session::{Ended, Session};
use heartbeat_agent::{Attempt, Limits, Made, Toolbox, Waiter};
use heartbeat_domain::conversation::{Message, ToolCall, ToolOutput, ToolSpec, Turn, TurnRequest};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::sync::watch;

#[derive(Default)]
pub(crate) struct Record {
    pub(crate) request: Option<TurnRequest>,
    pub(crate) turns: BTreeMap<StepSeq, Option<Turn>>,
    pub(crate) calls: BTreeMap<StepSeq, Option<ToolOutput>>,
    pub(crate) failures: Vec<(StepSeq, ModelError)>,
    pub(crate) notes: Vec<(StepSeq, String)>,
    pub(crate) deltas: String,
    /// Every verb in its order, as `begin 1`, `record 1`, …
    pub(crate) log: Vec<String>,
    /// Steps that the session was told to go ahead with.
    pub(crate) gone: Vec<StepSeq>,
    verbs_left: Option<usize>,
}

/// A journal in memory that can die after so many verbs.
#[derive(Default)]
pub(crate) struct MemoryJournal {
    pub(crate) record: Mutex<Record>,
    pub(crate) granted: Option<u32>,
    /// Whether somebody asked it to stop.
    pub(crate) stop: watch::Sender<bool>,
}

impl MemoryJournal {
    pub(crate) fn dies_after(&self, verbs: Option<usize>) {
        self.record.lock().unwrap().verbs_left = verbs;
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Record) -> T) -> T {
        look(&mut self.record.lock().unwrap())
    }

    fn verb<T>(&self, name: String, act: impl FnOnce(&mut Record) -> T) -> Result<T, Halt> {
        let mut record = self.record.lock().unwrap();
        match record.verbs_left.as_mut() {
            Some(0) => return Err(Halt::Fenced),
            Some(left) => *left -= 1,
            None => {}
        }
        record.log.push(name);
        Ok(act(&mut record))
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn open(&self, request: TurnRequest) -> Result<TurnRequest, Halt> {
        self.verb("open".to_owned(), |r| {
            r.request.get_or_insert(request).clone()
        })
    }

    async fn begin_turn(&self, seq: StepSeq, request: &TurnRequest) -> Result<BegunTurn, Halt> {
        let max_tokens = self.granted.unwrap_or(request.max_tokens);
        self.verb(format!("begin {seq}"), |r| {
            match r.turns.get(&seq).cloned().flatten() {
                Some(turn) => BegunTurn::Recorded(turn),
                None => {
                    r.turns.insert(seq, None);
                    r.gone.push(seq);
                    BegunTurn::Go { max_tokens }
                }
            }
        })
    }

    async fn record_turn(&self, seq: StepSeq, turn: &Turn) -> Result<(), Halt> {
        self.verb(format!("record {seq}"), |r| {
            drop(r.turns.insert(seq, Some(turn.clone())))
        })
    }

    async fn record_failure(&self, seq: StepSeq, failure: &ModelError) -> Result<(), Halt> {
        self.verb(format!("fail {seq}"), |r| {
            r.failures.push((seq, failure.clone()))
        })
    }

    async fn lose_turn(&self, seq: StepSeq) -> Result<(), Halt> {
        self.verb(format!("lose {seq}"), |_| {})
    }

    async fn begin_calls(
        &self,
        first: StepSeq,
        calls: &[ToolCall],
    ) -> Result<Vec<Begun<ToolOutput>>, Halt> {
        self.verb(format!("begin {first}+{}", calls.len()), |r| {
            let steps = (first..).take(calls.len());
            let begun = steps.map(|seq| match r.calls.entry(seq).or_default() {
                Some(output) => Begun::Recorded(output.clone()),
                None => {
                    r.gone.push(seq);
                    Begun::Go
                }
            });
            begun.collect()
        })
    }

    async fn record_call(&self, seq: StepSeq, made: &Made) -> Result<(), Halt> {
        self.verb(format!("record {seq}"), |r| {
            drop(r.calls.insert(seq, Some(made.output().clone())))
        })
    }

    async fn stopped(&self) {
        let mut stop = self.stop.subscribe();
        stop.wait_for(|stop| *stop).await.unwrap();
    }

    async fn note(&self, seq: StepSeq, note: &str) {
        self.with(|r| r.notes.push((seq, note.to_owned())));
    }

    fn delta(&self, _seq: StepSeq, text: &str) {
        self.with(|r| r.deltas.push_str(text));
    }
}

/// A clock that jumps over short waits and stands still for long ones until it is moved.
pub(crate) struct FakeWaiter {
    now: watch::Sender<Timestamp>,
    jumps: SignedDuration,
    pub(crate) waits: Mutex<Vec<SignedDuration>>,
}

impl FakeWaiter {
    /// Jumps over waits up to `jumps`.
    pub(crate) fn jumping(jumps: SignedDuration) -> Self {
        let start: Timestamp = "2026-11-22T09:00:00Z".parse().unwrap();
        Self {
            now: watch::Sender::new(start),
            jumps,
            waits: Mutex::default(),
        }
    }

    pub(crate) fn advance(&self, by: SignedDuration) {
        self.now.send_modify(|now| *now += by);
    }
}

#[async_trait]
impl Waiter for FakeWaiter {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    async fn wait_until(&self, at: Timestamp) {
        let wait = at.duration_since(self.now());
        if wait <= self.jumps {
            self.waits.lock().unwrap().push(wait);
            self.now.send_modify(|now| *now = at.max(*now));
            return;
        }
        let mut now = self.now.subscribe();
        now.wait_for(|now| *now >= at).await.unwrap();
    }
}

type Call = dyn Fn(&ToolCall) -> ToolOutput + Send + Sync;

/// Tools by a closure; keeps what was called.
pub(crate) struct FakeToolbox {
    call: Box<Call>,
    pub(crate) alone: Vec<&'static str>,
    pub(crate) called: Mutex<Vec<String>>,
}

impl FakeToolbox {
    pub(crate) fn new(call: impl Fn(&ToolCall) -> ToolOutput + Send + Sync + 'static) -> Self {
        Self {
            call: Box::new(call),
            alone: Vec::new(),
            called: Mutex::default(),
        }
    }

    /// `look` answers "seen", `notify_user` "told", `nothing_to_report` is quiet.
    pub(crate) fn usual() -> Self {
        Self::new(|call| match call.name.as_str() {
            "nothing_to_report" => {
                let reason = call.arguments["reason"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                ToolOutput {
                    quiet: Some(reason),
                    ..ToolOutput::default()
                }
            }
            "notify_user" => ToolOutput::text("told"),
            _ => ToolOutput::text("seen"),
        })
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.called.lock().unwrap().clone()
    }
}

#[async_trait]
impl Toolbox for FakeToolbox {
    fn specs(&self) -> Vec<ToolSpec> {
        ["look", "notify_user", "nothing_to_report", "host_status"]
            .map(spec)
            .to_vec()
    }

    async fn call(&self, attempt: Attempt<'_>) -> Result<Made, Halt> {
        let name = attempt.call.name.clone();
        self.called.lock().unwrap().push(name);
        Ok(Made::Answered((self.call)(attempt.call)))
    }

    fn lane(&self, name: &str) -> Option<String> {
        self.alone.contains(&name).then(|| "alone".to_owned())
    }
}

fn spec(name: &str) -> ToolSpec {
    ToolSpec {
        name: name.to_owned(),
        description: format!("Does {name}."),
        schema: json!({ "type": "object", "properties": {} }),
    }
}

/// Everything that a session needs, with the usual answers.
pub(crate) struct World {
    pub(crate) journal: MemoryJournal,
    pub(crate) toolbox: FakeToolbox,
    pub(crate) waiter: FakeWaiter,
    pub(crate) limits: Limits,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            journal: MemoryJournal::default(),
            toolbox: FakeToolbox::usual(),
            waiter: FakeWaiter::jumping(SignedDuration::from_secs(25)),
            limits: Limits::default(),
        }
    }

    pub(crate) fn session<'a>(&'a self, provider: &'a dyn Provider) -> Session<'a> {
        Session {
            journal: &self.journal,
            toolbox: &self.toolbox,
            provider,
            waiter: &self.waiter,
            limits: &self.limits,
            seed: 7,
            mark: "k7",
        }
    }

    pub(crate) async fn run(&self, provider: &dyn Provider) -> Ended {
        self.session(provider).run(self.request()).await
    }

    pub(crate) fn request(&self) -> TurnRequest {
        TurnRequest {
            model: "scripted".to_owned(),
            messages: vec![
                Message::System {
                    text: "Be terse.".to_owned(),
                },
                Message::User {
                    text: "Anything new?".to_owned(),
                },
            ],
            tools: self.toolbox.specs(),
            max_tokens: 4_096,
        }
    }
}

pub(crate) fn replied(text: &str) -> Ended {
    Ended::Replied {
        text: text.to_owned(),
        quiet: None,
    }
}

pub(crate) fn code(ended: &Ended) -> &'static str {
    match ended {
        Ended::Failed { code, .. } => code,
        other => panic!("expected a failure, got {other:?}"),
    }
}
