//! The pages over a SQLite file of their own, with a clock that stands still.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use heartbeat_agent::Waiter;
use heartbeat_domain::bot::Project;
use heartbeat_domain::ids::IdSource;
use heartbeat_domain::plan::Plans;
use heartbeat_engine::control::{Control, WatchChecks};
use heartbeat_engine::events::Live;
use heartbeat_store::Store;
use heartbeat_store::sealing::SealingKey;
use heartbeat_store::sqlite::{OpenOptions, SqliteStore};
use heartbeat_testkit::scripted_hands::ScriptedHands;
use heartbeat_tools::{AllowedHosts, Hands, LocalFiles};
use heartbeat_web::{Web, WebSettings, router};
use jiff::{SignedDuration, Timestamp};
use tower::ServiceExt;

pub(crate) const HOST: &str = "127.0.0.1:7391";

/// A clock that moves only when it is told to.
pub(crate) struct StillClock(AtomicI64);

impl StillClock {
    pub(crate) fn advance(&self, by: SignedDuration) {
        let ms = i64::try_from(by.as_millis()).unwrap();
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

#[async_trait]
impl Waiter for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap()
    }

    async fn wait_until(&self, at: Timestamp) {
        self.0.fetch_max(at.as_millisecond(), Ordering::SeqCst);
    }
}

pub(crate) struct World {
    pub(crate) control: Control,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<StillClock>,
    pub(crate) ids: Arc<IdSource>,
    pub(crate) live: Live,
    pub(crate) project: Project,
    pub(crate) hands: Arc<ScriptedHands>,
    pub(crate) router: Router,
    _directory: tempfile::TempDir,
}

/// A page as a browser got it.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn location(&self) -> &str {
        self.headers[header::LOCATION].to_str().unwrap()
    }

    /// The token of the page's forms.
    pub(crate) fn token(&self) -> String {
        let (_, rest) = self.text.split_once("name=\"token\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    /// What the server would have a browser send back.
    pub(crate) fn cookies(&self) -> String {
        let set = self.headers.get_all(header::SET_COOKIE).iter();
        let pairs = set.map(|line| line.to_str().unwrap().split(';').next().unwrap().to_owned());
        pairs.collect::<Vec<_>>().join("; ")
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::at("2026-11-23T08:00:00Z", None).await
    }

    pub(crate) async fn at(now: &str, public_url: Option<&str>) -> Self {
        // Watches bring an HTTP client, which wants one; every test of the process asks.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::tempdir().unwrap();
        let ids = Arc::new(IdSource::from_seed(7));
        let file = directory.path().join("heartbeat.db");
        let options = OpenOptions {
            durable: false,
            ..OpenOptions::default()
        };
        let store = SqliteStore::open(&file, Arc::clone(&ids), options)
            .await
            .unwrap();
        store.unlock(&SealingKey::generate(&ids)).await.unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let hands = Arc::new(ScriptedHands::default());
        let now: Timestamp = now.parse().unwrap();
        let clock = Arc::new(StillClock(AtomicI64::new(now.as_millisecond())));
        let waiter: Arc<dyn Waiter> = Arc::clone(&clock) as _;
        let checks = WatchChecks {
            files: LocalFiles::new(Vec::new(), Vec::new()),
            hosts: AllowedHosts::default(),
        };
        let plans = Arc::new(Plans::default());
        let control = Control::new(
            Arc::clone(&store),
            (waiter, Arc::clone(&ids)),
            plans,
            (Arc::new(checks), Arc::clone(&hands) as Arc<dyn Hands>),
            Arc::default(),
        );
        let live = Live::default();
        let settings = WebSettings {
            public_url: public_url.map(str::to_owned),
            listen: HOST.parse().unwrap(),
            model_line: "demo, because no model is configured".into(),
            is_demo_model: true,
        };
        let web = Web {
            control: control.clone(),
            live: live.clone(),
            settings,
        };
        let project = control
            .create_project("acme", "self_hosted")
            .await
            .unwrap()
            .project;
        Self {
            router: router(web),
            control,
            store,
            clock,
            ids,
            live,
            project,
            hands,
            _directory: directory,
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Page {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 4 << 20).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Page {
            status: parts.status,
            headers: parts.headers,
            text,
        }
    }

    /// The body as it comes, for what does not end.
    pub(crate) async fn open(&self, request: Request<Body>) -> axum::response::Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str, cookie: &str) -> Page {
        self.send(get(path, cookie)).await
    }

    pub(crate) async fn post(&self, path: &str, cookie: &str, form: &str) -> Page {
        self.send(post(path, cookie, form)).await
    }

    /// Signs in as a person does; answers the cookie.
    pub(crate) async fn sign_in(&self) -> String {
        let code = self.control.create_sign_in(self.project.id).await.unwrap();
        self.sign_in_with(&code).await
    }

    /// The same for whoever runs the installation.
    pub(crate) async fn sign_in_as_operator(&self) -> String {
        let code = self.control.create_operator_sign_in(self.project.id).await;
        self.sign_in_with(&code.unwrap()).await
    }

    async fn sign_in_with(&self, code: &str) -> String {
        let form = self.get(&format!("/login?code={code}"), "").await;
        let fields = format!("code={code}&token={}", form.token());
        let answer = self.post("/login", &form.cookies(), &fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        answer.cookies()
    }
}

pub(crate) fn get(path: &str, cookie: &str) -> Request<Body> {
    let request = Request::get(path)
        .header(header::HOST, HOST)
        .header(header::COOKIE, cookie);
    request.body(Body::empty()).unwrap()
}

pub(crate) fn post(path: &str, cookie: &str, form: &str) -> Request<Body> {
    Request::post(path)
        .header(header::HOST, HOST)
        .header(header::ORIGIN, format!("http://{HOST}"))
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap()
}
