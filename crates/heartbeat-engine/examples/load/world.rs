//! A real engine over a real file; only what lies outside of it answers from memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use heartbeat_agent::model::OnText;
use heartbeat_agent::settings::{Dialect, ModelSettings, NamedModel, Secret};
use heartbeat_agent::{ModelError, Models, Provider};
use heartbeat_domain::budget::Rates;
use heartbeat_domain::clock::Clock as _;
use heartbeat_domain::conversation::{ToolCall, Turn, TurnRequest, Usage};
use heartbeat_domain::ids::IdSource;
use heartbeat_domain::plan::{Plan, Plans};
use heartbeat_domain::watch::Watch;
use heartbeat_engine::courier::{Carrier, Refusal};
use heartbeat_engine::events::Live;
use heartbeat_engine::pulse::Pulse;
use heartbeat_engine::settings::EngineSettings;
use heartbeat_engine::system_clock::SystemClock;
use heartbeat_engine::{Parts, Providers};
use heartbeat_store::StoreError;
use heartbeat_store::sqlite::{OpenOptions, SqliteStore};
use heartbeat_store::verbs::{Delivery, Fires as _};
use heartbeat_tools::{Observe, ProbeError, UrlBounds};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Fallible;
use super::args::Args;

/// The plan of all projects here.
pub(crate) const PLAN: &str = "load";

/// The model of all agents here.
pub(crate) const MODEL: &str = "load/quiet";

/// A database file and what an engine on it is made of.
pub(crate) struct World {
    pub(crate) path: PathBuf,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) ids: Arc<IdSource>,
    pub(crate) live: Live,
    /// How many there are.
    pub(crate) heartbeats: u64,
    clock: Arc<SystemClock>,
    models: Arc<dyn Providers>,
    slots: usize,
}

impl World {
    pub(crate) async fn open(home: &Path, args: &Args) -> Fallible<Self> {
        let path = home.join("load.db");
        let ids = Arc::new(IdSource::from_system()?);
        let opened = SqliteStore::open(&path, Arc::clone(&ids), OpenOptions::default()).await?;
        let (live, clock) = (Live::default(), Arc::default());
        Ok(Self {
            path,
            store: Arc::new(opened),
            ids,
            live,
            heartbeats: args.heartbeats,
            clock,
            models: Arc::new(Outside),
            slots: EngineSettings::default().slots,
        })
    }

    /// Lets that model server answer, so many sessions at once.
    pub(crate) fn ask(&mut self, url: &str, sessions: usize) -> Fallible<()> {
        let model = NamedModel {
            dialect: Dialect::OpenAi,
            base_url: url.to_owned(),
            api_key: Secret::new("load"),
            model: "quiet".to_owned(),
            max_in_flight: Some(sessions),
        };
        let settings = ModelSettings {
            named: [(MODEL.to_owned(), model)].into(),
            ..ModelSettings::default()
        };
        self.models = Arc::new(Models::new(settings)?);
        self.slots = sessions;
        Ok(())
    }

    pub(crate) async fn close(&self) {
        self.store.close().await;
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Runs a statement; answers how many rows it wrote.
    pub(crate) async fn write(&self, sql: String) -> Fallible<u64> {
        Ok(self.store.execute_unchecked(sql).await?)
    }

    /// The numbers in the first row of a query, nothing being 0.
    pub(crate) async fn numbers(&self, sql: &str) -> Fallible<Vec<i64>> {
        let rows = self.store.query_json(sql.to_owned()).await?;
        let first = rows.first().ok_or("a query answered nothing")?;
        Ok(first
            .values()
            .map(|value| value.as_i64().unwrap_or(0))
            .collect())
    }

    /// The number that a query answers.
    pub(crate) async fn number(&self, sql: &str) -> Fallible<i64> {
        Ok(self.numbers(sql).await?.first().copied().unwrap_or(0))
    }

    fn parts(&self) -> Parts {
        let plan = Plan {
            name: PLAN.to_owned(),
            daily_credit_limit: Some(1 << 50),
            ..Plan::default()
        };
        let store: Arc<dyn heartbeat_store::Store> = Arc::clone(&self.store) as _;
        Parts {
            store,
            waiter: Arc::clone(&self.clock) as _,
            ids: Arc::clone(&self.ids),
            models: Arc::clone(&self.models),
            observe: Arc::new(Outside),
            hands: Arc::new(heartbeat_tools::McpHands::new(
                heartbeat_tools::Outgoing::default(),
                heartbeat_tools::DeclaredServers::default(),
                1,
            )),
            web: None,
            carrier: Arc::new(Outside),
            plans: Arc::new(Plans::with(vec![plan])),
            settings: Arc::new(EngineSettings {
                slots: self.slots,
                ..EngineSettings::default()
            }),
            live: self.live.clone(),
            incidents: heartbeat_engine::incidents::Incidents::default(),
        }
    }

    /// Starts the engine; answers once its node is on record.
    pub(crate) async fn start(&self) -> Fallible<Running> {
        let shutdown = CancellationToken::new();
        let pulse = Pulse::new(self.parts(), "load", shutdown.clone());
        let wake = pulse.wake();
        let begun = self.now();
        #[expect(
            clippy::disallowed_methods,
            reason = "the measured engine beside who measures"
        )]
        let ended = tokio::spawn(async move { pulse.run().await });
        let running = Running {
            shutdown,
            wake,
            ended,
        };
        while !self
            .store
            .nodes(begun)
            .await?
            .iter()
            .any(|node| node.started_at >= begun)
        {
            pause(2).await;
        }
        Ok(running)
    }
}

/// An engine that beats.
pub(crate) struct Running {
    shutdown: CancellationToken,
    wake: Arc<Notify>,
    ended: JoinHandle<Result<(), StoreError>>,
}

impl Running {
    /// Tells it that something is due.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Lets it drain and stop.
    pub(crate) async fn stop(self) -> Fallible<()> {
        self.shutdown.cancel();
        Ok(self.ended.await??)
    }
}

/// Waits.
pub(crate) async fn pause(milliseconds: u64) {
    #[expect(
        clippy::disallowed_methods,
        reason = "who measures waits for what is measured"
    )]
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

/// Milliseconds of a clock that is only compared with itself.
pub(crate) fn stopwatch() -> impl Fn() -> f64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "measures the machine, not the product"
    )]
    let begun = std::time::Instant::now();
    move || begun.elapsed().as_secs_f64() * 1_000.0
}

/// The world outside: a disk that is never full, a model that has nothing to report.
struct Outside;

#[async_trait]
impl Observe for Outside {
    async fn observe(&self, _watch: &Watch, _bounds: &UrlBounds) -> Result<Value, ProbeError> {
        Ok(json!({ "disk": { "used_percent": 40, "free_gb": 120 }, "load": 0.5 }))
    }
}

#[async_trait]
impl Carrier for Outside {
    async fn carry(&self, _delivery: &Delivery, _now: Timestamp) -> Result<(), Refusal> {
        Ok(())
    }
}

#[async_trait]
impl Providers for Outside {
    fn provider(&self, _model: &str) -> Result<Arc<dyn Provider>, String> {
        Ok(Arc::new(Self))
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
impl Provider for Outside {
    fn label(&self) -> String {
        MODEL.to_owned()
    }

    async fn turn(&self, _request: &TurnRequest, on_text: OnText<'_>) -> Result<Turn, ModelError> {
        on_text("");
        let call = ToolCall {
            id: "call_0".to_owned(),
            name: "nothing_to_report".to_owned(),
            arguments: json!({ "reason": "The disk is at 40 percent; nothing changed." }),
        };
        let usage = Usage {
            input_tokens: 900,
            output_tokens: 30,
            ..Usage::default()
        };
        Ok(Turn {
            calls: vec![call],
            usage,
            ..Turn::default()
        })
    }
}
