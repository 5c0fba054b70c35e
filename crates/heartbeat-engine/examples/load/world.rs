//! A real engine over a real database; only what lies outside of it answers from memory.

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
use heartbeat_engine::neighbours::Neighbours;
use heartbeat_engine::pulse::Pulse;
use heartbeat_engine::settings::EngineSettings;
use heartbeat_engine::system_clock::SystemClock;
use heartbeat_engine::{Parts, Providers};
use heartbeat_store::verbs::Delivery;
use heartbeat_store::{Store, StoreError};
use heartbeat_tools::{Observe, ProbeError, UrlBounds};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Fallible;
use super::args::Args;
use super::database::Db;
use super::place::{Home, Place};
use super::population::Sizes;
use super::usage::LocalServer;

/// The plan of all projects here.
pub(crate) const PLAN: &str = "load";

/// The model of all agents here.
pub(crate) const MODEL: &str = "load/quiet";

/// A database and what an engine on it is made of.
pub(crate) struct World {
    pub(crate) db: Db,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) ids: Arc<IdSource>,
    pub(crate) live: Live,
    neighbours: Neighbours,
    /// How many there are.
    pub(crate) sizes: Sizes,
    /// The database's server, if it is this program's own.
    server: Option<LocalServer>,
    clock: Arc<SystemClock>,
    models: Arc<dyn Providers>,
    slots: usize,
}

impl World {
    /// For who measures.
    pub(crate) async fn open(home: &Home, args: &Args) -> Fallible<Self> {
        let ids = Arc::new(IdSource::from_system()?);
        let db = Db::open(&home.place, &ids).await?;
        let mut world = Self::over(db, ids);
        world.sizes = Sizes::of(args);
        if home.cluster.is_some() {
            let connection = world.number("SELECT pg_backend_pid() AS a").await?;
            world.server = Some(LocalServer::of_connection(connection)?);
        }
        Ok(world)
    }

    /// Processor time of the database's server so far, if it is this program's own.
    pub(crate) fn server_cpu_ms(&self) -> Fallible<Option<u64>> {
        self.server.map(LocalServer::cpu_ms).transpose()
    }

    /// For an engine that another process measures.
    pub(crate) async fn open_for_engine(place: &Place) -> Fallible<Self> {
        let ids = Arc::new(IdSource::from_system()?);
        Ok(Self::over(Db::open_for_engine(place, &ids).await?, ids))
    }

    fn over(db: Db, ids: Arc<IdSource>) -> Self {
        let neighbours = Neighbours::by(db.bell());
        Self {
            store: db.store(),
            db,
            ids,
            live: Live::among(neighbours.clone()),
            neighbours,
            sizes: Sizes::default(),
            server: None,
            clock: Arc::default(),
            models: Arc::new(Outside),
            slots: EngineSettings::default().slots,
        }
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
        self.db.close().await;
    }

    pub(crate) fn clock(&self) -> Arc<SystemClock> {
        Arc::clone(&self.clock)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The numbers in the first row of a query, nothing being 0 and truth 1.
    pub(crate) async fn numbers(&self, sql: &str) -> Fallible<Vec<i64>> {
        let rows = self.db.rows(sql.to_owned()).await?;
        let first = rows.first().ok_or("a query answered nothing")?;
        let number = |value: &Value| match value {
            Value::Null => Some(0),
            Value::Bool(truth) => Some(i64::from(*truth)),
            value => value.as_i64(),
        };
        let numbers = first.values().map(|value| {
            let number = number(value);
            number
                .ok_or_else(|| format!("a query answered {value}, which is no whole number").into())
        });
        numbers.collect()
    }

    /// A moment after which every execution is written that there is not yet. Whoever wrote those
    /// that there are has stopped.
    pub(crate) async fn latest(&self) -> Fallible<i64> {
        self.number("SELECT MAX(created_at) AS a FROM executions")
            .await
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
        Parts {
            store: Arc::clone(&self.store),
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

    /// Starts the engine, which hears the other nodes as a server does; answers once its node is on
    /// record.
    pub(crate) async fn start(&self, name: &str) -> Fallible<Running> {
        let shutdown = CancellationToken::new();
        let pulse = Pulse::new(self.parts(), name, shutdown.clone());
        let wake = pulse.wake();
        let begun = self.now();
        let (neighbours, live) = (self.neighbours.clone(), self.live.clone());
        let (clock, stopped) = (self.clock(), shutdown.clone());
        #[expect(
            clippy::disallowed_methods,
            reason = "the measured engine beside who measures"
        )]
        let ended = tokio::spawn(async move {
            let nudges = pulse.nudges();
            let hear = neighbours.follow(&*clock, (&live, &nudges), &stopped);
            tokio::join!(pulse.run(), hear).0
        });
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
            .any(|node| node.name == name && node.started_at >= begun)
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
