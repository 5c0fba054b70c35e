//! The endpoints. Each is one function: what it names, one verb, one shape.
//!
//! All of them are mounted with `routes!`, so what is mounted and what the document says cannot
//! differ.

mod bots;
mod executions;
mod health;
mod heartbeats;
mod nodes;
mod notifications;
mod preview;
mod projects;
mod stats;
mod subscribers;
mod tools;
mod trigger;
mod usage;

use axum::middleware::from_fn_with_state;
use utoipa_axum::router::OpenApiRouter;

use crate::{Api, auth, openapi};

/// Every endpoint, with its description.
pub(crate) fn all(api: &Api) -> OpenApiRouter<Api> {
    let keyed = OpenApiRouter::default()
        .merge(bots::routes())
        .merge(heartbeats::routes())
        .merge(preview::routes())
        .merge(trigger::routes())
        .merge(executions::routes())
        .merge(stats::routes())
        .merge(notifications::routes())
        .merge(subscribers::routes())
        .merge(tools::routes())
        .merge(projects::routes())
        .merge(usage::routes())
        .merge(nodes::routes())
        .route_layer(from_fn_with_state(api.clone(), auth::admit));
    OpenApiRouter::with_openapi(openapi::frame(api.version))
        .merge(keyed)
        .merge(health::routes())
}
