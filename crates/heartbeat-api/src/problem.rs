//! What an error looks like on the wire: the right HTTP status, and one body that satisfies every
//! shape that clients of this API know. Codes are stable; messages are for people.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use heartbeat_domain::violation::{Rule, Violation};
use heartbeat_store::{Limit, StoreError, Thing};
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire;

/// A code of an error, for the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// HTTP status that it comes with.
    pub status: u16,
    /// The stable name.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

const fn code(status: u16, name: &'static str, meaning: &'static str) -> Code {
    Code {
        status,
        name,
        meaning,
    }
}

/// Every code there is, in the order of their statuses.
pub const CODES: &[Code] = &[
    code(
        400,
        "INVALID_PARAMETER",
        "a field is missing or wrong; `field` names it",
    ),
    code(
        400,
        "INTERVAL_TOO_SHORT",
        "the schedule fires more often than the plan allows",
    ),
    code(
        400,
        "NEVER_FIRES",
        "the schedule does not fire within the next eight years",
    ),
    code(400, "MALFORMED_JSON", "the body is not a JSON object"),
    code(401, "UNAUTHORIZED", "the API key is missing or unknown"),
    code(403, "READ_ONLY_KEY", "the API key may only read"),
    code(403, "ADMIN_KEY_REQUIRED", "the endpoint needs an admin key"),
    code(
        403,
        "HEARTBEAT_OFF",
        "the agent's `heartbeat` switch is off, or its `status` is 0",
    ),
    code(
        403,
        "PLAN_WITHOUT_HEARTBEATS",
        "the project's plan has no heartbeats",
    ),
    code(
        403,
        "PLAN_LIMIT_REACHED",
        "there are as many heartbeats or tool servers as the plan allows",
    ),
    code(
        403,
        "LOCAL_ACCESS_OFF",
        "the plan does not allow watches that look at the machine, or tool servers on it",
    ),
    code(
        403,
        "ADDRESS_REFUSED",
        "the plan does not allow the address of the URL, such as a private one",
    ),
    code(
        404,
        "PROJECT_NOT_FOUND",
        "there is no such project, or the key is another project's",
    ),
    code(
        404,
        "BOT_NOT_FOUND",
        "there is no such agent in the project",
    ),
    code(
        404,
        "MEMBER_NOT_FOUND",
        "there is no such subscriber in the project",
    ),
    code(
        404,
        "HEARTBEAT_NOT_FOUND",
        "the agent has no such heartbeat",
    ),
    code(
        404,
        "EXECUTION_NOT_FOUND",
        "there is no such execution, or none is under way",
    ),
    code(
        404,
        "NOTIFICATION_NOT_FOUND",
        "there is no such message in the project",
    ),
    code(404, "TOOL_NOT_FOUND", "the agent has no such tool server"),
    code(404, "NOT_FOUND", "there is no such endpoint"),
    code(
        405,
        "METHOD_NOT_ALLOWED",
        "the endpoint has another method; `Allow` names it",
    ),
    code(
        409,
        "CONFLICT",
        "it exists already, or is in a state that does not allow this",
    ),
    code(
        413,
        "BODY_TOO_LARGE",
        "the body is larger than the server takes",
    ),
    code(
        429,
        "RATE_LIMITED",
        "too many requests; the message says when to come back",
    ),
    code(
        500,
        "INTERNAL",
        "something went wrong inside; the log has it under `request_id`",
    ),
    code(
        503,
        "UNAVAILABLE",
        "the database is unavailable; repeating the request is safe",
    ),
];

/// Why a request was not carried out.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
    more: Box<More>,
}

/// What only some problems have.
#[derive(Clone, Debug, Default)]
struct More {
    field: Option<&'static str>,
    numbers: Numbers,
    /// A header that tells a client what to do.
    header: Option<(HeaderName, HeaderValue)>,
    /// For the log only.
    detail: Option<String>,
    request_id: Option<String>,
}

/// Which limit, how much of it is used, when it resets.
#[derive(Clone, Debug, Default)]
struct Numbers {
    limit: Option<u64>,
    used: Option<u64>,
    resets_at: Option<String>,
}

/// The body of every error.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub struct ProblemBody {
    /// Always false.
    pub success: bool,
    /// For people.
    pub message: String,
    /// Stable.
    pub code: &'static str,
    /// The message again, for clients that look here.
    pub err: String,
    /// Always null.
    #[schema(value_type = Option<Object>)]
    pub response: (),
    /// The same again, for clients that look here.
    pub error: ProblemError,
    /// The field that is missing or wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
    /// The limit that was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// How much of the limit is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<u64>,
    /// When the limit resets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<String>,
    /// What to look for in the server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// `error` in the body of an error.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ErrorDetail)]
pub struct ProblemError {
    /// The HTTP status.
    pub status: u16,
    /// Stable.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            more: Box::default(),
        }
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MALFORMED_JSON", message)
    }

    pub(crate) fn unauthorized(message: &str) -> Self {
        let message = format!("Unauthorized: {message}");
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message)
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    pub(crate) fn forbidden(code: &'static str, message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    pub(crate) fn no_endpoint() -> Self {
        let message = "There is no such endpoint; /openapi.json lists all of them";
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    }

    pub(crate) fn wrong_method() -> Self {
        let message = "The endpoint has another method; the header Allow names it";
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "METHOD_NOT_ALLOWED",
            message,
        )
    }

    pub(crate) fn too_large(most: usize) -> Self {
        let message = format!("The body is larger than {most} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", message)
    }

    /// `wait` is how many seconds are left until the limit resets.
    pub(crate) fn rate_limited(limit: Limit, wait: i64) -> Self {
        let refusal = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "RATE_LIMITED",
            limit.message.clone(),
        );
        refusal
            .with_numbers(&limit)
            .with_header(header::RETRY_AFTER, HeaderValue::from(wait))
    }

    pub(crate) fn not_ready(waits_for: &str) -> Self {
        let message = format!("Not ready; waiting for {waits_for}");
        Self::unavailable(message, String::new())
    }

    fn unavailable(message: impl Into<String>, detail: String) -> Self {
        let refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message);
        let refusal = refusal.with_header(header::RETRY_AFTER, HeaderValue::from_static("1"));
        refusal.with(|more| more.detail = Some(detail).filter(|detail| !detail.is_empty()))
    }

    fn internal(detail: String) -> Self {
        let message = "Something went wrong inside the server; its log has the details";
        let refusal = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", message);
        refusal.with(|more| more.detail = Some(detail))
    }

    fn with(mut self, add: impl FnOnce(&mut More)) -> Self {
        add(&mut self.more);
        self
    }

    fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        self.with(|more| more.header = Some((name, value)))
    }

    fn with_numbers(self, limit: &Limit) -> Self {
        let numbers = Numbers {
            limit: limit.limit,
            used: limit.used,
            resets_at: limit.resets_at.map(wire::instant),
        };
        self.with(|more| more.numbers = numbers)
    }

    /// What is wrong inside is found in the log under the request's id.
    pub(crate) fn with_request_id(self, id: &str) -> Self {
        let is_internal = self.status == StatusCode::INTERNAL_SERVER_ERROR;
        self.with(|more| more.request_id = is_internal.then(|| id.to_owned()))
    }

    /// What the log has and the client does not.
    pub(crate) fn detail(&self) -> Option<&str> {
        self.more.detail.as_deref()
    }

    fn body(&self) -> ProblemBody {
        ProblemBody {
            success: false,
            message: self.message.clone(),
            code: self.code,
            err: self.message.clone(),
            response: (),
            error: ProblemError {
                status: self.status.as_u16(),
                code: self.code,
                message: self.message.clone(),
            },
            field: self.more.field,
            limit: self.more.numbers.limit,
            used: self.more.numbers.used,
            resets_at: self.more.numbers.resets_at.clone(),
            request_id: self.more.request_id.clone(),
        }
    }
}

impl From<Violation> for Problem {
    fn from(violation: Violation) -> Self {
        let code = match violation.rule {
            Rule::Input => "INVALID_PARAMETER",
            Rule::Frequency => "INTERVAL_TOO_SHORT",
            Rule::NeverFires => "NEVER_FIRES",
        };
        let refusal = Self::new(StatusCode::BAD_REQUEST, code, violation.to_string());
        refusal.with(|more| more.field = Some(violation.field))
    }
}

impl From<Thing> for Problem {
    fn from(thing: Thing) -> Self {
        let code = match thing {
            Thing::Project => "PROJECT_NOT_FOUND",
            Thing::Bot => "BOT_NOT_FOUND",
            Thing::Member => "MEMBER_NOT_FOUND",
            Thing::Heartbeat => "HEARTBEAT_NOT_FOUND",
            Thing::Execution => "EXECUTION_NOT_FOUND",
            Thing::Step => "STEP_NOT_FOUND",
            Thing::Notice => "NOTIFICATION_NOT_FOUND",
            Thing::Node => "NOT_FOUND",
            Thing::ToolServer => "TOOL_NOT_FOUND",
        };
        Self::new(StatusCode::NOT_FOUND, code, format!("{thing} not found"))
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(thing) => thing.into(),
            StoreError::Violation(violation) => violation.into(),
            StoreError::Limit(limit) => {
                Self::new(StatusCode::FORBIDDEN, limit.code, limit.message.clone())
                    .with_numbers(&limit)
            }
            StoreError::Conflict(message) => Self::new(StatusCode::CONFLICT, "CONFLICT", message),
            StoreError::Unavailable(detail) => {
                let message = "The database is unavailable; repeating the request is safe";
                Self::unavailable(message, detail)
            }
            StoreError::Fenced | StoreError::Corrupt(_) => Self::internal(error.to_string()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if let Some((name, value)) = self.more.header.clone() {
            response.headers_mut().insert(name, value);
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(problem: &Problem) -> String {
        serde_json::to_string(&problem.body()).unwrap()
    }

    #[test]
    fn an_unknown_heartbeat_has_the_published_body() {
        assert_eq!(
            text(&Thing::Heartbeat.into()),
            r#"{"success":false,"message":"Heartbeat not found","code":"HEARTBEAT_NOT_FOUND","err":"Heartbeat not found","response":null,"error":{"status":404,"code":"HEARTBEAT_NOT_FOUND","message":"Heartbeat not found"}}"#
        );
    }

    #[test]
    fn a_limit_says_which_how_much_and_until_when() {
        let limit = Limit {
            code: "PLAN_LIMIT_REACHED",
            message: "m".into(),
            limit: Some(3),
            used: Some(3),
            resets_at: Some("2026-05-04T08:00:00.5Z".parse().unwrap()),
        };
        let problem = Problem::from(StoreError::Limit(limit));
        assert_eq!(problem.status, 403);
        let end = r#","limit":3,"used":3,"resets_at":"2026-05-04T08:00:00Z"}"#;
        assert!(text(&problem).ends_with(end), "{}", text(&problem));
    }

    #[test]
    fn nothing_of_the_inside_gets_out() {
        for error in [
            StoreError::Corrupt("secret".into()),
            StoreError::Unavailable("secret".into()),
        ] {
            let problem = Problem::from(error).with_request_id("r-1");
            assert!(!text(&problem).contains("secret"), "{}", text(&problem));
            assert!(problem.detail().is_some());
        }
    }

    #[test]
    fn every_problem_has_a_code_of_the_list_with_its_status() {
        let limits = [
            "HEARTBEAT_OFF",
            "PLAN_WITHOUT_HEARTBEATS",
            "PLAN_LIMIT_REACHED",
            "LOCAL_ACCESS_OFF",
            "ADDRESS_REFUSED",
        ];
        let limits = limits.map(|code| Problem::forbidden(code, "m"));
        let things = [
            Thing::Project,
            Thing::Bot,
            Thing::Member,
            Thing::Heartbeat,
            Thing::Execution,
            Thing::Notice,
            Thing::Node,
            Thing::ToolServer,
        ];
        let others = [
            Problem::malformed("m"),
            Problem::unauthorized("m"),
            Problem::no_endpoint(),
            Problem::wrong_method(),
            Problem::too_large(1),
            Problem::not_ready("x"),
            Violation::input("a", "b").into(),
            Violation::frequency("a", "b").into(),
            Violation::never_fires("a", "b").into(),
            StoreError::Conflict("m".into()).into(),
            StoreError::Fenced.into(),
            StoreError::Corrupt("m".into()).into(),
            StoreError::Unavailable("m".into()).into(),
        ];
        let all = limits
            .into_iter()
            .chain(things.map(Problem::from))
            .chain(others);
        for problem in all {
            let listed = CODES.iter().find(|code| code.name == problem.code);
            assert_eq!(
                listed.map(|code| code.status),
                Some(problem.status.as_u16()),
                "{problem:?}"
            );
        }
    }
}
