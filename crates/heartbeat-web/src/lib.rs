//! The pages: rendered on the server, readable without JavaScript, kept up to date with a little.
//!
//! Only this crate knows HTML. Pages read through the verbs of the store and change things through
//! [`Control`], a message's acknowledgement apart; every POST carries a token that only a page of the
//! same session has.

mod assets;
mod frame;
mod guard;
mod pages;
mod reading;
mod refusal;
mod session;
mod token;
mod views;
mod words;

use std::net::SocketAddr;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use heartbeat_engine::control::Control;
use heartbeat_engine::events::Live;

/// The largest form that is read.
const FORM_BYTES_MAX: usize = 64 * 1024;

/// What the pages stand on.
#[derive(Clone)]
pub struct Web {
    /// What people do, and the store behind it.
    pub control: Control,
    /// What happens, for the live view.
    pub live: Live,
    /// Plain values.
    pub settings: WebSettings,
}

/// What the pages are told about the server.
#[derive(Clone, Debug)]
pub struct WebSettings {
    /// Under which URL people reach the pages, where that is not the address below.
    pub public_url: Option<String>,
    /// The address that is listened on.
    pub listen: SocketAddr,
    /// Which model works for agents that name none, and why.
    pub model_line: String,
    /// Whether that one is the demo, which is no model.
    pub is_demo_model: bool,
}

/// The pages. There is no fallback, so that a router of other paths can be merged.
pub fn router(web: Web) -> Router {
    Router::new()
        .route("/", get(pages::home::show))
        .route("/login", get(pages::login::show).post(pages::login::redeem))
        .route("/logout", post(pages::logout::leave))
        .route("/agents/{number}", get(pages::agent::show))
        .route("/agents/{number}/web-hosts", post(pages::tools::list_hosts))
        .route(
            "/agents/{number}/tools",
            get(pages::tools::show).post(pages::tools::add),
        )
        .route(
            "/agents/{number}/tools/{id}/{deed}",
            post(pages::tools::act),
        )
        .route("/heartbeats/{id}", get(pages::heartbeat::show))
        .route("/heartbeats/{id}/{deed}", post(pages::heartbeat::act))
        .route("/executions/{id}", get(pages::execution::show))
        .route(
            "/executions/{id}/steps/{seq}/{word}",
            post(pages::execution::review),
        )
        .route("/pause", get(pages::pause::show).post(pages::pause::stop))
        .route("/resume", post(pages::pause::go_on))
        .route("/usage", get(pages::usage::show))
        .route("/inbox", get(pages::inbox::show))
        .route("/inbox/{id}/ack", post(pages::inbox::acknowledge))
        .route("/nodes", get(pages::nodes::show))
        .route("/live", get(pages::live::follow))
        .route("/assets/{name}", get(assets::serve))
        .route_layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .route_layer(middleware::from_fn_with_state(
            web.clone(),
            guard::watch_over,
        ))
        .with_state(web)
}
