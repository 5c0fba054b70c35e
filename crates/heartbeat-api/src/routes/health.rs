//! How the process is, and what it offers; no key is needed.

use std::time::Duration;

use axum::extract::State;
use axum::{Extension, Json};
use tokio::time::timeout;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::openapi::{Answer, Document};
use crate::problem::{Problem, ProblemBody};
use crate::wire::system::StatusResponse;

/// Longer than a store that is well takes, and shorter than most probes wait.
const STORE_ANSWERS_WITHIN: Duration = Duration::from_secs(2);

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(is_up))
        .routes(routes!(is_ready))
        .routes(routes!(document))
}

/// Whether the process is up.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "system",
    operation_id = "is_up",
    security(()),
    responses((status = 200, description = "It is", body = StatusResponse))
)]
async fn is_up(State(api): State<Api>) -> Json<StatusResponse> {
    Json(StatusResponse {
        status: "ok",
        version: api.version,
    })
}

/// Whether requests can be answered; if not, what that waits for.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "system",
    operation_id = "is_ready",
    security(()),
    responses(
        (status = 200, description = "They can", body = StatusResponse),
        (status = 503, description = "Not yet", body = ProblemBody)
    )
)]
async fn is_ready(State(api): State<Api>) -> Answer<StatusResponse> {
    if let Some(waits_for) = (api.readiness)() {
        return Err(Problem::not_ready(&waits_for));
    }
    let store = api.control.store();
    match timeout(STORE_ANSWERS_WITHIN, store.next_delivery_at()).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            tracing::warn!(%error, "The store does not answer");
            return Err(Problem::not_ready("the database"));
        }
        Err(_) => return Err(Problem::not_ready("the database, which does not answer")),
    }
    Ok(Json(StatusResponse {
        status: "ready",
        version: api.version,
    }))
}

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "system",
    operation_id = "read_document",
    security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
async fn document(Extension(document): Extension<Document>) -> Document {
    document
}
