//! The document that describes every endpoint. Paths and shapes are collected from the routes
//! themselves; here stands what they have in common.

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, OpenApiBuilder};

use crate::problem::ProblemBody;

/// Name of the one security scheme.
const SCHEME: &str = "api_key";

/// The document as it is sent.
#[derive(Clone)]
pub(crate) struct Document(Bytes);

impl Document {
    pub(crate) fn of(document: &OpenApi) -> Self {
        let text = document.to_json().unwrap_or_default();
        Self(Bytes::from(text))
    }
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        ([(header::CONTENT_TYPE, json)], self.0).into_response()
    }
}

/// What all endpoints have in common.
pub(crate) fn frame(version: &str) -> OpenApi {
    let mut components = Components::new();
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.add_security_scheme(SCHEME, scheme);
    let info = InfoBuilder::new()
        .title("Heartbeat")
        .version(version)
        .description(Some(
            "Proactive agents: heartbeats, their executions and what they tell.",
        ));
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([SecurityRequirement::new(SCHEME, [""; 0])]))
        .build()
}

/// What every endpoint that needs a key may refuse with.
#[derive(utoipa::IntoResponses)]
#[expect(
    dead_code,
    reason = "describes answers; problems are made in problem.rs"
)]
pub(crate) enum Refusals {
    /// A field is missing or wrong.
    #[response(status = 400)]
    BadRequest(ProblemBody),
    /// The key is missing or unknown.
    #[response(status = 401)]
    Unauthorized(ProblemBody),
    /// A key, a switch, a plan or its cap does not allow it.
    #[response(status = 403)]
    Forbidden(ProblemBody),
    /// It does not exist, or belongs to another project.
    #[response(status = 404)]
    NotFound(ProblemBody),
    /// Too many requests.
    #[response(status = 429)]
    RateLimited(ProblemBody),
    /// Something went wrong inside.
    #[response(status = 500)]
    Internal(ProblemBody),
    /// The database is unavailable.
    #[response(status = 503)]
    Unavailable(ProblemBody),
}

/// What an endpoint answers.
pub(crate) type Answer<T> = Result<Json<T>, crate::problem::Problem>;
