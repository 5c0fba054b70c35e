//! A store in a fresh file or database, and factories for what the cases need.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use heartbeat_domain::bot::{Bot, Project};
use heartbeat_domain::budget::{Ask, Rates};
use heartbeat_domain::claim::{Claim, Hold, Node, NodeWork, Renewal};
use heartbeat_domain::execution::{BreakerEffect, Ending, Execution, Outcome};
use heartbeat_domain::heartbeat::{Heartbeat, HeartbeatChange, Patch};
use heartbeat_domain::ids::{BotId, ExecutionId, HeartbeatId, IdSource, NodeId, ProjectId};
use heartbeat_domain::notice::NoticeDraft;
use heartbeat_domain::plan::{Plan, Spending};
use heartbeat_domain::reason::Reason;
use heartbeat_domain::settlement::Settlement;
use heartbeat_store::postgres::{self, PostgresStore};
use heartbeat_store::sealing::SealingKey;
use heartbeat_store::sqlite::{OpenOptions, SqliteStore};
use heartbeat_store::verbs::{
    ClaimAsk, Configure, HeartbeatKey, LogFilter, Page, Target, TriggerAsk, TurnIntent, TurnRecord,
};
use heartbeat_store::{Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// 2026-11-23T08:00:00Z, a Monday.
pub(crate) fn start() -> Timestamp {
    "2026-11-23T08:00:00Z".parse().unwrap()
}

/// So many minutes after [`start`].
pub(crate) fn minute(minutes: i64) -> Timestamp {
    start() + SignedDuration::from_mins(minutes)
}

/// So many seconds after [`start`].
pub(crate) fn second(seconds: i64) -> Timestamp {
    start() + SignedDuration::from_secs(seconds)
}

/// A page that holds everything a case makes.
pub(crate) const PAGE: Page = Page {
    number: 1,
    size: 100,
};

/// A store, one project and one agent in it, and a source of ids.
pub(crate) struct World {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) ids: Arc<IdSource>,
    pub(crate) project: Project,
    pub(crate) bot: Bot,
    pub(crate) plan: Plan,
    /// The file, where the database is one.
    pub(crate) path: PathBuf,
    _directory: Option<tempfile::TempDir>,
}

/// Opens a file that need not survive a power cut.
pub(crate) async fn open_file(path: &Path) -> Result<SqliteStore, StoreError> {
    let options = OpenOptions {
        durable: false,
        ..OpenOptions::default()
    };
    SqliteStore::open(path, Arc::new(IdSource::from_seed(7)), options).await
}

/// Opens a database of a server.
pub(crate) async fn open_database(url: &str) -> Result<PostgresStore, StoreError> {
    let ids = Arc::new(IdSource::from_seed(7));
    PostgresStore::open(url, ids, postgres::OpenOptions::default()).await
}

impl World {
    /// On SQLite.
    pub(crate) async fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("heartbeat.db");
        let ids = Arc::new(IdSource::from_seed(1));
        let store = open_file(&path).await.unwrap();
        store.unlock(&SealingKey::generate(&ids)).await.unwrap();
        Self::on(Arc::new(store), ids, (path, Some(directory))).await
    }

    /// On PostgreSQL, in a database of its own.
    pub(crate) async fn postgres() -> Self {
        Self::postgres_at(&heartbeat_testkit::postgres::cluster().database()).await
    }

    /// On an empty database of a server.
    pub(crate) async fn postgres_at(url: &str) -> Self {
        Self::postgres_through(url, |store| store).await
    }

    /// The same, with something between the cases and the store.
    pub(crate) async fn postgres_through(
        url: &str,
        between: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>,
    ) -> Self {
        let ids = Arc::new(IdSource::from_seed(1));
        let store = open_database(url).await.unwrap();
        store.unlock(&SealingKey::generate(&ids)).await.unwrap();
        Self::on(between(Arc::new(store)), ids, (PathBuf::new(), None)).await
    }

    async fn on(
        store: Arc<dyn Store>,
        ids: Arc<IdSource>,
        (path, directory): (PathBuf, Option<tempfile::TempDir>),
    ) -> Self {
        let project = project(&ids, "acme");
        store.create_project(&project).await.unwrap();
        let bot = store.create_bot(&bot(&ids, project.id)).await.unwrap();
        Self {
            store,
            ids,
            project,
            bot,
            plan: Plan::default(),
            path,
            _directory: directory,
        }
    }

    /// Another project with an agent.
    pub(crate) async fn neighbour(&self, name: &str) -> Bot {
        let project = project(&self.ids, name);
        self.store.create_project(&project).await.unwrap();
        self.store
            .create_bot(&bot(&self.ids, project.id))
            .await
            .unwrap()
    }

    /// The same project as another process on the database sees it.
    pub(crate) async fn beside(&self, url: &str) -> Self {
        let ids = Arc::new(IdSource::from_system().unwrap());
        let options = postgres::OpenOptions::default();
        let store = PostgresStore::open(url, Arc::clone(&ids), options).await;
        Self {
            store: Arc::new(store.unwrap()),
            ids,
            project: self.project.clone(),
            bot: self.bot.clone(),
            plan: self.plan.clone(),
            path: PathBuf::new(),
            _directory: None,
        }
    }

    /// The same project as another process on the file sees it.
    pub(crate) async fn beside_in_file(&self) -> Self {
        let store = open_file(&self.path).await.unwrap();
        Self {
            store: Arc::new(store),
            ids: Arc::new(IdSource::from_system().unwrap()),
            project: self.project.clone(),
            bot: self.bot.clone(),
            plan: self.plan.clone(),
            path: self.path.clone(),
            _directory: None,
        }
    }

    pub(crate) fn key(&self, id: HeartbeatId) -> HeartbeatKey {
        HeartbeatKey {
            project_id: self.project.id,
            bot_id: self.bot.id,
            id,
        }
    }

    /// A live node that has been awake since `now`.
    pub(crate) async fn node(&self, now: Timestamp) -> NodeId {
        let node = Node {
            id: NodeId::new(&self.ids, now),
            name: "test".into(),
            version: "1.2.3".into(),
            started_at: now,
            awake_since: now,
            lease_until: now,
            ended_at: None,
            work: NodeWork::default(),
        };
        self.store.register_node(&node, now).await.unwrap();
        node.id
    }

    /// Renews a node's lease.
    pub(crate) async fn renew(&self, node: NodeId, now: Timestamp) {
        let renewal = renewal(node);
        self.store.renew_node(&renewal, now).await.unwrap();
    }

    /// An enabled heartbeat every `minutes` minutes.
    pub(crate) async fn every(&self, minutes: u32, now: Timestamp) -> Heartbeat {
        self.made_by(
            &self.bot,
            |change| change.interval_minutes = Patch::Set(minutes),
            now,
        )
        .await
        .unwrap()
    }

    /// An enabled heartbeat every 30 minutes, but for what `edit` says.
    pub(crate) async fn made_by(
        &self,
        bot: &Bot,
        edit: impl FnOnce(&mut HeartbeatChange),
        now: Timestamp,
    ) -> Result<Heartbeat, StoreError> {
        let mut change = HeartbeatChange {
            prompt: Patch::Set("look around".into()),
            enabled: Some(true),
            ..HeartbeatChange::default()
        };
        edit(&mut change);
        let ask = self.configure(bot, Target::New(HeartbeatId::new(&self.ids, now)), change);
        self.store.configure(ask, now).await
    }

    pub(crate) fn configure(
        &self,
        bot: &Bot,
        target: Target,
        change: HeartbeatChange,
    ) -> Configure {
        Configure {
            project_id: bot.project_id,
            bot_id: bot.id,
            target,
            change,
            plan: self.plan.clone(),
        }
    }

    /// Changes a heartbeat of the first agent.
    pub(crate) async fn edit(
        &self,
        id: HeartbeatId,
        edit: impl FnOnce(&mut HeartbeatChange),
        now: Timestamp,
    ) -> Heartbeat {
        let mut change = HeartbeatChange::default();
        edit(&mut change);
        let ask = self.configure(&self.bot, Target::Existing(id), change);
        self.store.configure(ask, now).await.unwrap()
    }

    pub(crate) async fn claim(&self, node: NodeId, want: usize, now: Timestamp) -> Vec<Claim> {
        self.store
            .claim_due(
                ClaimAsk {
                    node_id: node,
                    want,
                },
                now,
            )
            .await
            .unwrap()
    }

    /// The only claim there is.
    pub(crate) async fn claim_one(&self, node: NodeId, now: Timestamp) -> Claim {
        let mut claims = self.claim(node, 10, now).await;
        assert_eq!(claims.len(), 1, "{claims:#?}");
        claims.pop().unwrap()
    }

    pub(crate) async fn finish(
        &self,
        hold: &Hold,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<Settlement, StoreError> {
        self.store
            .finish(hold, &Ending::plain(outcome), &[], now)
            .await
    }

    pub(crate) async fn trigger(
        &self,
        id: HeartbeatId,
        now: Timestamp,
    ) -> Result<Execution, StoreError> {
        let execution_id = ExecutionId::new(&self.ids, now);
        self.store
            .trigger(
                TriggerAsk {
                    key: self.key(id),
                    execution_id,
                },
                now,
            )
            .await
    }

    pub(crate) async fn read(&self, id: HeartbeatId, now: Timestamp) -> Heartbeat {
        self.store.heartbeat(self.key(id), now).await.unwrap()
    }

    /// Ended executions of the project, newest first.
    pub(crate) async fn ended(&self) -> Vec<Execution> {
        let logs = self
            .store
            .logs(self.project.id, &LogFilter::default(), PAGE)
            .await
            .unwrap();
        assert_eq!(usize::try_from(logs.total).unwrap(), logs.rows.len());
        logs.rows
    }
}

pub(crate) fn project(ids: &IdSource, name: &str) -> Project {
    Project {
        id: ProjectId::new(ids, start()),
        name: name.into(),
        plan: "self_hosted".into(),
        paused_at: None,
        created_at: start(),
    }
}

pub(crate) fn bot(ids: &IdSource, project_id: ProjectId) -> Bot {
    Bot {
        id: BotId::new(ids, start()),
        number: 0,
        project_id,
        name: "Ada".into(),
        model: "openai/gpt-5.5".into(),
        instruction: "be brief".into(),
        status: true,
        heartbeat: true,
        credit_limit: None,
        web_hosts: None,
        created_at: start(),
        updated_at: start(),
    }
}

/// A renewal of a node that has been awake all the time.
pub(crate) fn renewal(node_id: NodeId) -> Renewal {
    Renewal {
        node_id,
        awake_since: start(),
        work: NodeWork::default(),
    }
}

/// An error that the breaker counts.
pub(crate) fn failure() -> Outcome {
    Outcome::Error {
        reason: Reason::ModelError,
        message: "500".into(),
        breaker: BreakerEffect::Counts,
    }
}

/// A turn that costs at most `input + output` thousandths of a credit.
pub(crate) fn turn(seq: u32, input_tokens_max: u64, max_tokens: u32) -> TurnIntent {
    TurnIntent {
        seq,
        model: "openai/gpt-5.5".into(),
        request: json!({"n": seq}),
        ask: Ask {
            input_tokens_max,
            max_tokens,
        },
        rates: Rates::default(),
        spending: Spending::default(),
    }
}

/// The outcome of a turn that cost `micro`.
pub(crate) fn answer(seq: u32, tokens: u64, micro: u64) -> TurnRecord {
    TurnRecord {
        seq,
        result: json!({"text": "hello"}),
        failed: false,
        tokens,
        micro,
        channels: Vec::new(),
    }
}

pub(crate) fn notice(title: &str, topic: Option<(&str, &str)>) -> NoticeDraft {
    NoticeDraft {
        title: title.into(),
        message: "read me".into(),
        topic: topic.map(|(topic, _)| topic.to_owned()),
        state: topic.map(|(_, state)| state.to_owned()),
        ..NoticeDraft::default()
    }
}
