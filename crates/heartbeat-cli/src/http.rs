//! The one HTTP server: API and pages on one address.

use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use heartbeat_agent::default_model::DefaultModel;
use heartbeat_engine::control::Control;
use heartbeat_engine::events::Live;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// What is served.
#[derive(Clone, Copy)]
pub(crate) struct Served<'a> {
    pub(crate) control: &'a Control,
    pub(crate) live: &'a Live,
    pub(crate) config: &'a Config,
    pub(crate) address: SocketAddr,
}

/// API and pages.
pub(crate) fn router(served: Served<'_>, model: &DefaultModel) -> anyhow::Result<Router> {
    let api = heartbeat_api::router(heartbeat_api::Api::new(
        served.control.clone(),
        served.live.clone(),
        env!("CARGO_PKG_VERSION"),
    ));
    let web = heartbeat_web::router(heartbeat_web::Web {
        control: served.control.clone(),
        live: served.live.clone(),
        settings: heartbeat_web::WebSettings {
            public_url: served.config.public_url.clone(),
            listen: served.address,
            model_line: crate::serve::model_line(model),
            is_demo_model: model.is_demo,
        },
    });
    Ok(api.merge(web).fallback(heartbeat_api::not_found))
}

/// Serves until `shutdown`; open connections may come to their end.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
        .context("the HTTP server failed")
}
