//! What is seen of every request: its id, one line in the log, and headers that keep answers out of
//! caches and frames. Never bodies, queries or keys.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use heartbeat_domain::ids::RequestId;
use jiff::Timestamp;

use crate::Api;
use crate::problem::Problem;

/// One request, as the log has it.
struct Seen {
    id: String,
    method: Method,
    path: String,
    since: Timestamp,
}

/// Gives a request its id and writes down what became of it.
pub(crate) async fn observe(State(api): State<Api>, request: Request, next: Next) -> Response {
    let since = api.control.now();
    let path = request.extensions().get::<MatchedPath>();
    let seen = Seen {
        id: RequestId::new(&api.ids, since).to_string(),
        method: request.method().clone(),
        path: path.map_or_else(String::new, |path| path.as_str().to_owned()),
        since,
    };
    let mut response = next.run(request).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = seen.explain(problem, response);
    }
    seen.log(&response, api.control.now());
    write_headers(response.headers_mut(), &seen.id);
    response
}

impl Seen {
    /// Logs what a problem does not tell the client, and names the id to look for.
    fn explain(&self, problem: Problem, response: Response) -> Response {
        let Some(detail) = problem.detail().map(str::to_owned) else {
            return response;
        };
        tracing::error!(request.id = %self.id, %detail, "A request could not be carried out");
        let body = problem
            .with_request_id(&self.id)
            .into_response()
            .into_body();
        let (mut parts, _) = response.into_parts();
        parts.headers.remove(header::CONTENT_LENGTH);
        Response::from_parts(parts, body)
    }

    fn log(&self, response: &Response, now: Timestamp) {
        tracing::info!(
            request.id = %self.id,
            http.method = %self.method,
            http.route = %self.path,
            http.status = response.status().as_u16(),
            latency_ms = now.as_millisecond() - self.since.as_millisecond(),
            "Answered a request"
        );
    }
}

fn write_headers(headers: &mut HeaderMap, id: &str) {
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert("x-request-id", id);
    }
    let fixed = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
