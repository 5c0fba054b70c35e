//! A world with one project, one agent and a clock that is moved by hand.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use heartbeat_agent::Waiter;
use heartbeat_api::{Api, ApiLimits, router};
use heartbeat_domain::bot::BotChange;
use heartbeat_domain::budget::{Ask, Rates};
use heartbeat_domain::claim::{Hold, LEASE, Node, NodeWork};
use heartbeat_domain::execution::{Ending, Outcome};
use heartbeat_domain::ids::{BotId, IdSource, NodeId, ProjectId};
use heartbeat_domain::notice::NoticeDraft;
use heartbeat_domain::plan::{Plans, Spending};
use heartbeat_engine::control::{Control, WatchChecks};
use heartbeat_engine::events::Live;
use heartbeat_store::Store;
use heartbeat_store::sealing::SealingKey;
use heartbeat_store::sqlite::{OpenOptions, SqliteStore};
use heartbeat_store::verbs::{ClaimAsk, KeyScope, TurnIntent, TurnRecord};
use heartbeat_testkit::scripted_hands::ScriptedHands;
use heartbeat_tools::{AllowedHosts, Hands, LocalFiles};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tower::ServiceExt as _;

pub(crate) const START: &str = "2026-05-04T07:12:00Z";

/// A clock that is moved by hand; whoever waits wakes when it was.
pub(crate) struct HandClock(watch::Sender<Timestamp>);

impl HandClock {
    pub(crate) fn advance(&self, by: SignedDuration) {
        self.0.send_modify(|now| *now += by);
    }
}

#[async_trait]
impl Waiter for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    async fn wait_until(&self, at: Timestamp) {
        let mut moved = self.0.subscribe();
        moved.wait_for(|now| *now >= at).await.unwrap();
    }
}

/// One project, one agent with heartbeats, and the API in front of them.
pub(crate) struct World {
    pub(crate) router: Router,
    pub(crate) control: Control,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) ids: Arc<IdSource>,
    pub(crate) project: ProjectId,
    pub(crate) bot: BotId,
    pub(crate) key: String,
    pub(crate) hands: Arc<ScriptedHands>,
    sqlite: Arc<SqliteStore>,
    wake: Arc<Notify>,
    _folder: tempfile::TempDir,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {:?}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body with names in the place of ids.
    pub(crate) fn named(&self, names: &[(&str, &str)]) -> String {
        names
            .iter()
            .fold(self.text.clone(), |text, (id, name)| text.replace(id, name))
    }

    /// An error in the published shape, with that status and code.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> Value {
        let body = self.json();
        assert_eq!(
            (self.status.as_u16(), &body["code"]),
            (status, &json!(code)),
            "{body}"
        );
        let message = body["message"].as_str().unwrap();
        assert!(!message.is_empty());
        assert_eq!(
            (&body["success"], &body["response"]),
            (&json!(false), &Value::Null)
        );
        assert_eq!(body["err"], message);
        assert_eq!(
            body["error"],
            json!({ "status": status, "code": code, "message": message })
        );
        body
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::on("self_hosted").await
    }

    /// With a project on that plan.
    pub(crate) async fn on(plan: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ids = Arc::new(IdSource::from_seed(7));
        let path = folder.path().join("heartbeat.db");
        let options = OpenOptions {
            durable: false,
            ..OpenOptions::default()
        };
        let sqlite = SqliteStore::open(&path, Arc::clone(&ids), options).await;
        let sqlite = Arc::new(sqlite.unwrap());
        sqlite.unlock(&SealingKey::generate(&ids)).await.unwrap();
        let store: Arc<dyn Store> = Arc::clone(&sqlite) as Arc<dyn Store>;
        let clock = Arc::new(HandClock(watch::Sender::new(START.parse().unwrap())));
        let wake = Arc::new(Notify::new());
        let hands = Arc::new(ScriptedHands::default());
        let control = control(&store, (&clock, &ids), &hands, &wake);
        let made = control.create_project("first", plan).await.unwrap();
        let mut world = Self {
            router: router(Api::new(control.clone(), Live::default(), "1.2.3")),
            control,
            clock,
            store,
            ids,
            project: made.project.id,
            bot: BotId(made.project.id.0),
            key: made.api_key,
            hands,
            sqlite,
            wake,
            _folder: folder,
        };
        world.bot = world.make_bot(plan != "free").await;
        world
    }

    async fn make_bot(&self, heartbeat: bool) -> BotId {
        let ask = BotChange {
            name: Some("Watcher".into()),
            model: Some("scripted/one".into()),
            heartbeat: Some(heartbeat),
            ..BotChange::default()
        };
        self.control.create_bot(self.project, ask).await.unwrap().id
    }

    pub(crate) fn limited(self, limits: ApiLimits) -> Self {
        self.with(|api| api.limits = limits)
    }

    /// The same world behind another API.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Api)) -> Self {
        let mut api = Api::new(self.control.clone(), Live::default(), "1.2.3");
        change(&mut api);
        self.router = router(api);
        self
    }

    /// Takes the database away.
    pub(crate) async fn close(&self) {
        self.sqlite.close().await;
    }

    pub(crate) async fn another_key(&self, scope: KeyScope) -> String {
        self.control.create_key(self.project, scope).await.unwrap()
    }

    /// A request with the project's key; a body is sent as it is.
    pub(crate) async fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        self.send_as(&self.key, method, path, body).await
    }

    pub(crate) async fn send_as(&self, key: &str, method: &str, path: &str, body: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {key}"));
        self.ask(request.body(Body::from(body.to_owned())).unwrap())
            .await
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text,
        }
    }

    /// `fields` beside the ids of project and agent.
    pub(crate) async fn post(&self, path: &str, fields: Value) -> Answer {
        let mut body = json!({ "project_id": self.project, "bot_id": self.bot });
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        self.send("POST", path, &body.to_string()).await
    }

    /// `query` beside the ids of project and agent.
    pub(crate) async fn get(&self, path: &str, query: &str) -> Answer {
        let ids = format!("project_id={}&bot_id={}", self.project, self.bot);
        self.send("GET", &format!("{path}?{ids}{query}"), "").await
    }

    pub(crate) async fn configure(&self, fields: Value) -> Answer {
        self.post("/v1/bot/heartbeat/configure", fields).await
    }

    /// The id of a heartbeat that is made of these fields.
    pub(crate) async fn heartbeat(&self, fields: Value) -> String {
        let answer = self.configure(fields).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["heartbeat"]["uuid"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// A node that is live and was awake all the time.
    pub(crate) async fn node(&self) -> NodeId {
        let now = self.control.now();
        let id = NodeId::new(&self.ids, now);
        let node = Node {
            id,
            name: "node".into(),
            version: "1.2.3".into(),
            started_at: now,
            awake_since: START.parse().unwrap(),
            lease_until: now + LEASE,
            ended_at: None,
            work: NodeWork::default(),
        };
        self.store.register_node(&node, now).await.unwrap();
        id
    }

    /// Takes what is due next, as soon as there is something.
    pub(crate) async fn claim(&self, node: NodeId) -> Hold {
        loop {
            let ask = ClaimAsk {
                node_id: node,
                want: 1,
            };
            let claims = self.store.claim_due(ask, self.control.now()).await.unwrap();
            if let [claim] = claims.as_slice() {
                return claim.hold;
            }
            self.wake.notified().await;
        }
    }

    /// Spends tokens in one turn.
    pub(crate) async fn think(&self, hold: &Hold, tokens: u64, micro: u64) {
        let now = self.control.now();
        self.store
            .open_journal(hold, &json!({ "prompt": "p" }), now)
            .await
            .unwrap();
        let intent = TurnIntent {
            seq: 1,
            model: "scripted/one".into(),
            request: json!({}),
            ask: Ask {
                input_tokens_max: 1_000,
                max_tokens: 1_000,
            },
            rates: Rates::default(),
            spending: Spending::default(),
        };
        self.store.begin_turn(hold, &intent, now).await.unwrap();
        let result = json!({ "text": "done" });
        let record = TurnRecord {
            seq: 1,
            result,
            failed: false,
            tokens,
            micro,
            channels: Vec::new(),
        };
        self.store.record_turn(hold, &record, now).await.unwrap();
    }

    /// Carries out whatever is due next, as a node would; it takes 3,890 ms.
    pub(crate) async fn carry_out(&self, outcome: Outcome, response: &str) {
        self.carry_out_telling(outcome, response, Vec::new()).await;
    }

    pub(crate) async fn carry_out_telling(
        &self,
        outcome: Outcome,
        response: &str,
        notices: Vec<NoticeDraft>,
    ) {
        let hold = self.claim(self.node().await).await;
        self.think(&hold, 911, 1_500_000).await;
        self.clock.advance(SignedDuration::from_millis(3_890));
        let ending = Ending {
            response: response.into(),
            notices,
            ..Ending::plain(outcome)
        };
        self.store
            .finish(&hold, &ending, &[], self.control.now())
            .await
            .unwrap();
        self.clock.advance(SignedDuration::from_secs(1));
    }
}

fn control(
    store: &Arc<dyn Store>,
    (clock, ids): (&Arc<HandClock>, &Arc<IdSource>),
    hands: &Arc<ScriptedHands>,
    wake: &Arc<Notify>,
) -> Control {
    // Whoever came first has installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let checks = WatchChecks {
        files: LocalFiles::default(),
        hosts: AllowedHosts::default(),
    };
    Control::new(
        Arc::clone(store),
        (Arc::clone(clock) as Arc<dyn Waiter>, Arc::clone(ids)),
        Arc::new(Plans::default()),
        (Arc::new(checks), Arc::clone(hands) as Arc<dyn Hands>),
        Arc::clone(wake),
    )
}
