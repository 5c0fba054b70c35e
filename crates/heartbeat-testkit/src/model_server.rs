//! A model server with a script, on a real port: OpenAI's Chat Completions, Anthropic's Messages and
//! Gemini's `streamGenerateContent`, streamed as the real ones stream, down to calls split over
//! several deltas. Like the real one, it refuses a conversation in Gemini's dialect whose signatures
//! are missing.
//!
//! Base URL: [`ModelServer::url`], with or without `/v1`, for every dialect.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use crate::gemini_wire;
use crate::model_wire::{Dialect, stream};

/// One answer of the server.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Says a text and stops.
    Say(String),
    /// Calls tools, all in one turn.
    Calls(Vec<(String, Value)>),
    /// Says a text and was cut at its token limit.
    Truncated(String),
    /// An HTTP error, or any other answer of a status.
    Status(u16, Vec<(String, String)>, String),
    /// Begins a stream and drops the connection in the middle of it.
    Cut,
    /// Begins a stream and says nothing more, without ending it, until the other side hangs up.
    Stall,
    /// A stream whose events are no JSON.
    Garbage,
    /// Any body of any content type, with status 200.
    Raw(String, String),
    /// The reply without a word about usage.
    NoUsage(Box<Reply>),
    /// Nothing, not even headers, until told to go on (`notify_one` is kept for who comes later);
    /// then the reply.
    HoldUntil(Arc<Notify>, Box<Reply>),
}

impl Reply {
    /// Says a text and stops.
    pub fn say(text: impl Into<String>) -> Self {
        Self::Say(text.into())
    }

    /// Calls one tool.
    pub fn call(tool: &str, arguments: Value) -> Self {
        Self::Calls(vec![(tool.to_owned(), arguments)])
    }

    /// An HTTP error with headers.
    pub fn status(code: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self::Status(code, headers.collect(), body.to_owned())
    }

    /// The reply without usage.
    pub fn no_usage(reply: Self) -> Self {
        Self::NoUsage(Box::new(reply))
    }

    /// The reply once `go` is notified.
    pub fn hold_until(go: &Arc<Notify>, reply: Self) -> Self {
        Self::HoldUntil(go.clone(), Box::new(reply))
    }
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct ModelRequest {
    /// The path that was asked.
    pub path: String,
    /// The key it carried, in its dialect's header.
    pub key: Option<String>,
    /// The body, as bytes on the wire; what a frame is measured on.
    pub text: String,
    /// The body.
    pub body: Value,
}

type Answer = dyn Fn(&Value) -> Reply + Send + Sync;

struct Desk {
    answer: Box<Answer>,
    requests: Mutex<Vec<ModelRequest>>,
    count: watch::Sender<usize>,
    hung_up: Arc<watch::Sender<usize>>,
}

impl Desk {
    /// Whether calls of a conversation may be this server's own, which it has signed.
    fn has_spoken_gemini(&self) -> bool {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests
            .iter()
            .any(|request| request.path.ends_with(":streamGenerateContent"))
    }
}

/// A running server; it stops when dropped.
pub struct ModelServer {
    /// Where it listens.
    pub url: String,
    desk: Arc<Desk>,
    task: AbortHandle,
}

impl ModelServer {
    /// Answers with these replies, one after another, then with an HTTP 500.
    pub async fn start(script: impl IntoIterator<Item = Reply>) -> Self {
        let script = Mutex::new(script.into_iter().collect::<VecDeque<_>>());
        Self::answering(move |_| {
            let next = script
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop_front();
            next.unwrap_or_else(|| Reply::status(500, &[], "the script has ended"))
        })
        .await
    }

    /// Answers with what the closure makes of each request's body.
    pub async fn answering(answer: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> Self {
        let (count, _) = watch::channel(0);
        let desk = Arc::new(Desk {
            answer: Box::new(answer),
            requests: Mutex::default(),
            count,
            hung_up: Arc::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has free ports");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let router = router(desk.clone());
        #[expect(
            clippy::disallowed_methods,
            reason = "a test server owns its task and ends it"
        )]
        let task = tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            url: format!("http://{address}"),
            desk,
            task: task.abort_handle(),
        }
    }

    /// The requests so far, in their order.
    #[must_use]
    pub fn requests(&self) -> Vec<ModelRequest> {
        self.desk
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Returns once so many requests have come in.
    pub async fn wait_for_requests(&self, count: usize) {
        let mut counted = self.desk.count.subscribe();
        let reached = counted.wait_for(|seen| *seen >= count).await;
        reached.expect("the desk keeps the sender as long as the server lives");
    }
}

impl ModelServer {
    /// Returns once so many stalled answers were hung up on.
    pub async fn wait_for_hang_ups(&self, count: usize) {
        let mut hung_up = self.desk.hung_up.subscribe();
        let reached = hung_up.wait_for(|seen| *seen >= count).await;
        reached.expect("the desk keeps the sender as long as the server lives");
    }
}

/// Counts when it is dropped.
struct HangUp(Arc<watch::Sender<usize>>);

impl Drop for HangUp {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count += 1);
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/chat/completions", post(open_ai))
        .route("/v1/chat/completions", post(open_ai))
        .route("/messages", post(anthropic))
        .route("/v1/messages", post(anthropic))
        .route("/v1beta/models/{asked}", post(gemini))
        .route("/models", get(models))
        .route("/v1/models", get(models))
        .with_state(desk)
}

async fn models() -> Response {
    axum::Json(json!({ "object": "list", "data": [{ "id": "scripted-model" }] })).into_response()
}

async fn open_ai(desk: State<Arc<Desk>>, uri: Uri, headers: HeaderMap, body: String) -> Response {
    let key = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    let key = key
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(str::to_owned);
    respond(&desk, Dialect::OpenAi, ModelRequest::new(&uri, key, body)).await
}

async fn anthropic(desk: State<Arc<Desk>>, uri: Uri, headers: HeaderMap, body: String) -> Response {
    let key = headers
        .get("x-api-key")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    respond(
        &desk,
        Dialect::Anthropic,
        ModelRequest::new(&uri, key, body),
    )
    .await
}

async fn gemini(
    desk: State<Arc<Desk>>,
    Path(asked): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let key = headers
        .get("x-goog-api-key")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let request = ModelRequest::new(&uri, key, body);
    let streams = asked.ends_with(":streamGenerateContent") && uri.query() == Some("alt=sse");
    let refusal = match streams {
        true if desk.has_spoken_gemini() => gemini_wire::refusal(&request.body),
        true => None,
        false => Some(format!("{uri} is not asked for a stream of events")),
    };
    match refusal {
        Some(refusal) => status(400, Vec::new(), gemini_wire::error(&refusal)),
        None => respond(&desk, Dialect::Gemini, request).await,
    }
}

impl ModelRequest {
    fn new(uri: &Uri, key: Option<String>, text: String) -> Self {
        let body = serde_json::from_str(&text).unwrap_or_default();
        Self {
            path: uri.path().to_owned(),
            key,
            text,
            body,
        }
    }
}

async fn respond(desk: &Desk, dialect: Dialect, request: ModelRequest) -> Response {
    let mut reply = (desk.answer)(&request.body);
    desk.requests
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(request);
    desk.count.send_modify(|count| *count += 1);
    while let Reply::HoldUntil(go, then) = reply {
        go.notified().await;
        reply = *then;
    }
    match reply {
        Reply::Stall => stall(dialect, HangUp(Arc::clone(&desk.hung_up))),
        reply => answer(dialect, reply, true),
    }
}

fn answer(dialect: Dialect, reply: Reply, usage: bool) -> Response {
    match reply {
        Reply::Say(text) => events(stream(dialect, &text, &[], dialect.stopped(), usage)),
        Reply::Truncated(text) => events(stream(dialect, &text, &[], dialect.truncated(), usage)),
        Reply::Calls(calls) => events(stream(dialect, "", &calls, dialect.called(), usage)),
        Reply::Status(code, headers, body) => status(code, headers, body),
        Reply::Cut => cut(stream(
            dialect,
            "half of an answer",
            &[],
            dialect.stopped(),
            usage,
        )),
        // `respond` has taken it where it is the whole reply.
        Reply::Stall => events(String::new()),
        Reply::Garbage => events("data: {\"choices\": [{\n\n".to_owned()),
        Reply::Raw(content_type, body) => ([("content-type", content_type)], body).into_response(),
        Reply::NoUsage(reply) | Reply::HoldUntil(_, reply) => answer(dialect, *reply, false),
    }
}

fn events(body: String) -> Response {
    ([("content-type", "text/event-stream")], body).into_response()
}

fn status(code: u16, headers: Vec<(String, String)>, body: String) -> Response {
    let code = StatusCode::from_u16(code).expect("the script names a valid status");
    let mut response = (code, body).into_response();
    for (name, value) in headers {
        let name = name
            .parse::<axum::http::HeaderName>()
            .expect("the script names a valid header");
        response
            .headers_mut()
            .insert(name, value.parse().expect("the script has a valid value"));
    }
    response
}

/// Half of a stream, then silence for as long as somebody listens.
fn stall(dialect: Dialect, until: HangUp) -> Response {
    let whole = stream(dialect, "half of an answer", &[], dialect.stopped(), true);
    let silence = async move {
        let _until = until;
        std::future::pending::<std::io::Result<Bytes>>().await
    };
    let begun = futures::stream::iter([Ok(half(&whole))]);
    let body = Body::from_stream(begun.chain(futures::stream::once(silence)));
    ([("content-type", "text/event-stream")], body).into_response()
}

fn half(whole: &str) -> Bytes {
    Bytes::from(whole.as_bytes()[..whole.len() / 2].to_vec())
}

/// Half of the stream, then a connection that breaks.
fn cut(whole: String) -> Response {
    let half = half(&whole);
    // The pause lets the half go out; an error at once would take the headers with it.
    let broken = async {
        tokio::task::yield_now().await;
        Err(std::io::Error::other("cut by the script"))
    };
    let begun = futures::stream::iter([Ok(half)]);
    let body = Body::from_stream(begun.chain(futures::stream::once(broken)));
    ([("content-type", "text/event-stream")], body).into_response()
}
