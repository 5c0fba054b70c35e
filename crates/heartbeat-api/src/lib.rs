//! REST: the published endpoints and their extensions. The only room that knows names of JSON.
//!
//! A request passes [`observe`] (its id, its line in the log), [`auth`] (its key, its rate) and
//! [`call`] (its fields and the things that it names), and ends in one function of [`routes`], which
//! calls the engine's control or a reading verb of the store and answers with a shape of [`wire`].
//! Whatever is refused becomes a [`problem`].

mod auth;
mod call;
mod input;
mod observe;
mod openapi;
mod page;
pub mod problem;
mod rate_limit;
mod routes;
pub mod wire;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::middleware::from_fn_with_state;
use heartbeat_domain::ids::IdSource;
use heartbeat_engine::control::Control;
use heartbeat_engine::events::Live;

pub use self::page::Pagination;
use self::problem::Problem;
use self::rate_limit::RateLimiter;

/// What a process still waits for before it can answer; nothing once it is ready.
pub type Readiness = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// What the API is made of.
#[derive(Clone)]
pub struct Api {
    /// What people do.
    pub control: Control,
    /// What happens, for those who look on.
    pub live: Live,
    /// Bounds of a request.
    pub limits: ApiLimits,
    /// What the process still waits for, beside the store.
    pub readiness: Readiness,
    /// Version of the product.
    pub version: &'static str,
    rates: Arc<RateLimiter>,
    /// Of requests; they are no secrets.
    ids: Arc<IdSource>,
}

/// Bounds of a request.
#[derive(Clone, Copy, Debug)]
pub struct ApiLimits {
    /// Most bytes of a body.
    pub body_max: usize,
    /// Bytes of a larger body that are read and dropped, so that its sender sees the answer.
    pub drain_max: usize,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            body_max: 1 << 20,
            drain_max: 64 << 20,
        }
    }
}

impl Api {
    /// An API with the usual limits that is ready as soon as the store answers.
    #[must_use]
    pub fn new(control: Control, live: Live, version: &'static str) -> Self {
        let seed = control.now().as_microsecond().unsigned_abs();
        Self {
            control,
            live,
            limits: ApiLimits::default(),
            readiness: Arc::new(|| None),
            version,
            rates: Arc::default(),
            ids: Arc::new(IdSource::from_seed(seed)),
        }
    }
}

impl FromRef<Api> for Control {
    fn from_ref(api: &Api) -> Self {
        api.control.clone()
    }
}

/// All endpoints. Everything below `/v1` is the API's; other paths that it does not know are left to
/// whoever merges this router, with [`not_found`] at hand.
pub fn router(api: Api) -> Router {
    let (endpoints, document) = routes::all(&api).split_for_parts();
    endpoints
        .route("/v1/{*rest}", axum::routing::any(not_found))
        .method_not_allowed_fallback(wrong_method)
        .layer(axum::Extension(openapi::Document::of(&document)))
        .layer(from_fn_with_state(api.clone(), observe::observe))
        .with_state(api)
}

/// What a path that does not exist answers.
pub async fn not_found() -> axum::response::Response {
    axum::response::IntoResponse::into_response(Problem::no_endpoint())
}

async fn wrong_method() -> Problem {
    Problem::wrong_method()
}
