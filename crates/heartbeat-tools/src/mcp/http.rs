//! Streamable HTTP through the outgoing client.
//!
//! Invariant: every request of the protocol, whichever it is, goes to an address that was checked for
//! it; no answer is held in memory beyond its bound; a call is posted once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use http::header::{ACCEPT, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use reqwest::Response;
use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, GetMeta, JsonRpcMessage, ServerJsonRpcMessage,
};
use rmcp::transport::streamable_http_client::{
    AuthRequiredError, SseError, StreamableHttpClient, StreamableHttpError,
    StreamableHttpPostResponse,
};
use sse_stream::{Sse, SseStream};

use super::trace::{Problem, Trace};
use crate::outgoing::{Ask, Outgoing, OutgoingError, Reach, read};

/// Most bytes of one answer, streamed or not.
pub(super) const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most bytes of an answer that is none of the protocol.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// Field of a call's `_meta` that carries its effect id.
pub(super) const EFFECT_ID: &str = "heartbeat/effect-id";

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const BOTH_TYPES: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

type Failed = StreamableHttpError<Problem>;

/// What the protocol library posts through.
#[derive(Clone)]
pub(super) struct Carrier {
    pub(super) outgoing: Outgoing,
    pub(super) reach: Arc<Reach>,
    pub(super) headers: Arc<HeaderMap>,
    /// What went wrong with the connection as a whole.
    pub(super) trace: Arc<Trace>,
    /// Set once the server sent more than is read; its streams are not resumed.
    pub(super) is_flooded: Arc<AtomicBool>,
}

impl Carrier {
    fn ask(&self, method: Method, uri: &str, more: HashMap<HeaderName, HeaderValue>) -> Ask {
        let mut headers = (*self.headers).clone();
        headers.extend(more);
        headers.insert(ACCEPT, BOTH_TYPES);
        Ask {
            method,
            url: uri.to_owned(),
            headers,
            body: None,
        }
    }

    /// Sends; what goes wrong is written on the connection and, if it is a call, on the call.
    async fn send(&self, ask: &Ask, call: Option<&Trace>) -> Result<Response, Failed> {
        if let Some(call) = call {
            call.sending();
        }
        match self.outgoing.send(ask, &self.reach).await {
            Ok((response, _)) => Ok(response),
            Err(error) => Err(self.failed(Problem::from(error), call)),
        }
    }

    fn failed(&self, problem: Problem, call: Option<&Trace>) -> Failed {
        if let Some(call) = call {
            call.failed(problem.clone());
        }
        self.trace.failed(problem.clone());
        StreamableHttpError::Client(problem)
    }

    /// What an answer means that is neither a success nor of the protocol.
    fn refused(&self, response: &Response, call: Option<&Trace>) -> Failed {
        let status = response.status();
        let sends_authorization = self.headers.contains_key(http::header::AUTHORIZATION);
        let challenge = response
            .headers()
            .get(WWW_AUTHENTICATE)
            .and_then(|value| value.to_str().ok());
        let problem = refusal(status, sends_authorization);
        let failed = self.failed(problem, call);
        match challenge {
            Some(challenge) if status == StatusCode::UNAUTHORIZED => {
                StreamableHttpError::AuthRequired(AuthRequiredError::new(challenge.to_owned()))
            }
            _ => failed,
        }
    }

    /// Reads an answer that is one JSON message.
    async fn message(
        &self,
        response: Response,
        call: Option<&Trace>,
    ) -> Result<ServerJsonRpcMessage, Failed> {
        let body = self.body(response, ANSWER_BYTES_MAX, call).await?;
        serde_json::from_slice(&body).map_err(|_| {
            let words = "the server answered what is no message of the protocol";
            self.failed(Problem::open("TOOL_SERVER_NONSENSE", words), call)
        })
    }

    async fn body(
        &self,
        response: Response,
        bytes_max: usize,
        call: Option<&Trace>,
    ) -> Result<Bytes, Failed> {
        read(response, bytes_max)
            .await
            .map_err(|error| self.failed(of_an_answer(error), call))
    }

    /// A stream of events that ends when it has said more than is read.
    fn events(
        &self,
        response: Response,
        call: Option<Arc<Trace>>,
    ) -> BoxStream<'static, Result<Sse, SseError>> {
        let carrier = self.clone();
        let host = response.url().host_str().unwrap_or_default().to_owned();
        let mut read = 0;
        let bounded = response.bytes_stream().map(move |chunk| {
            let problem = match chunk {
                Ok(bytes) => {
                    read += bytes.len();
                    if read <= ANSWER_BYTES_MAX {
                        return Ok(bytes);
                    }
                    carrier.is_flooded.store(true, Ordering::SeqCst);
                    of_an_answer(OutgoingError::TooLarge(ANSWER_BYTES_MAX))
                }
                Err(_) => {
                    let words = format!("the connection to `{host}` broke before the answer came");
                    Problem::open("TOOL_SERVER_UNREACHABLE", words)
                }
            };
            // A stream that broke may be resumed; one that floods is over.
            if carrier.is_flooded.load(Ordering::SeqCst) {
                carrier.failed(problem.clone(), call.as_deref());
            }
            Err(problem)
        });
        SseStream::from_bytes_stream(bounded).boxed()
    }
}

impl StreamableHttpClient for Carrier {
    type Error = Problem;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failed> {
        let call = trace_of(&message);
        let mut ask = self.ask(Method::POST, &uri, custom_headers);
        ask.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        insert(&mut ask.headers, SESSION_ID, session_id.as_deref());
        insert(
            &mut ask.headers,
            IDEMPOTENCY_KEY,
            effect_id(&message).as_deref(),
        );
        ask.body = Some(Bytes::from(serde_json::to_vec(&message)?));
        let response = self.send(&ask, call.as_deref()).await?;

        let status = response.status();
        let is_request = matches!(message, JsonRpcMessage::Request(_));
        let session_id = response
            .headers()
            .get(SESSION_ID)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        match kind_of(&response) {
            _ if matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) && !is_request => {
                Ok(StreamableHttpPostResponse::Accepted)
            }
            _ if status.is_success() && !is_request => Ok(StreamableHttpPostResponse::Accepted),
            Kind::Events if status.is_success() => Ok(StreamableHttpPostResponse::Sse(
                self.events(response, call),
                session_id,
            )),
            Kind::Json if status.is_success() => {
                let answer = self.message(response, call.as_deref()).await?;
                Ok(StreamableHttpPostResponse::Json(answer, session_id))
            }
            _ if status.is_success() => {
                let words = "the server answered with neither JSON nor events";
                let problem = Problem::open("TOOL_SERVER_NONSENSE", words);
                Err(self.failed(problem, call.as_deref()))
            }
            // An error of the protocol may come with any status but those that ask for credentials.
            Kind::Json if is_request && status == StatusCode::BAD_REQUEST => {
                let call = call.as_deref();
                let body = self.body(response, REFUSAL_BYTES_MAX, call).await?;
                match serde_json::from_slice::<ServerJsonRpcMessage>(&body) {
                    Ok(JsonRpcMessage::Error(mut error)) => {
                        error.id = request_id(&message);
                        let answer = JsonRpcMessage::Error(error);
                        Ok(StreamableHttpPostResponse::Json(answer, session_id))
                    }
                    _ => Err(self.failed(refusal(status, false), call)),
                }
            }
            _ => Err(self.refused(&response, call.as_deref())),
        }
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Failed> {
        let mut ask = self.ask(Method::DELETE, &uri, custom_headers);
        insert(&mut ask.headers, SESSION_ID, Some(&session_id));
        self.send(&ask, None).await.map(drop)
    }

    /// Only the answer of a call under way is resumed. A stream of the server's own is not kept open:
    /// nobody listens between calls, and it would hold a connection for each server of each agent.
    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failed> {
        if last_event_id.is_none() || self.is_flooded.load(Ordering::SeqCst) {
            return Err(StreamableHttpError::ServerDoesNotSupportSse);
        }
        let mut ask = self.ask(Method::GET, &uri, custom_headers);
        insert(&mut ask.headers, SESSION_ID, session_id.as_deref());
        insert(&mut ask.headers, LAST_EVENT_ID, last_event_id.as_deref());
        let response = self.send(&ask, None).await?;
        match kind_of(&response) {
            Kind::Events if response.status().is_success() => Ok(self.events(response, None)),
            _ => Err(StreamableHttpError::ServerDoesNotSupportSse),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    Events,
    Other,
}

fn kind_of(response: &Response) -> Kind {
    let named = response
        .headers()
        .get(CONTENT_TYPE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase())
        .unwrap_or_default();
    match named.split(';').next().unwrap_or_default().trim() {
        JSON => Kind::Json,
        EVENTS => Kind::Events,
        _ => Kind::Other,
    }
}

/// Statuses by which a server says that it did not look at a request are certain.
fn refusal(status: StatusCode, sends_authorization: bool) -> Problem {
    let number = status.as_u16();
    match number {
        401 if sends_authorization => Problem::certain(
            "TOOL_SERVER_REFUSED",
            "the server refused the credentials that are sent to it (401): renew the header",
        ),
        401 => Problem::certain(
            "WANTS_OAUTH",
            "the server wants a sign-in (OAuth) that is not supported: give it a header with a \
             token, such as `Authorization`",
        ),
        403 => Problem::certain("TOOL_SERVER_REFUSED", "the server refuses access (403)"),
        404 => Problem::certain(
            "TOOL_SERVER_UNREACHABLE",
            "the server knows nothing at this URL, or has forgotten the session (404)",
        ),
        405 | 406 | 411 | 413 | 414 | 415 | 417 | 421 | 426 | 429 | 431 => Problem::certain(
            "TOOL_SERVER_UNREACHABLE",
            format!("the server refused the request ({status})"),
        ),
        _ => Problem::open(
            "TOOL_SERVER_UNREACHABLE",
            format!("the server answered with status {status}"),
        ),
    }
}

/// What went wrong while an answer was read leaves open what the server did.
fn of_an_answer(error: OutgoingError) -> Problem {
    let code = match error {
        OutgoingError::TooLarge(_) => "TOOL_SERVER_FLOODS",
        _ => "TOOL_SERVER_UNREACHABLE",
    };
    Problem::open(code, format!("the answer was not read: {error}"))
}

fn trace_of(message: &ClientJsonRpcMessage) -> Option<Arc<Trace>> {
    match message {
        JsonRpcMessage::Request(request) => match &request.request {
            ClientRequest::CallToolRequest(call) => call.extensions.get::<Arc<Trace>>().cloned(),
            _ => None,
        },
        _ => None,
    }
}

fn request_id(message: &ClientJsonRpcMessage) -> Option<rmcp::model::RequestId> {
    match message {
        JsonRpcMessage::Request(request) => Some(request.id.clone()),
        _ => None,
    }
}

fn effect_id(message: &ClientJsonRpcMessage) -> Option<String> {
    match message {
        JsonRpcMessage::Request(request) => request
            .request
            .get_meta()
            .get(EFFECT_ID)
            .and_then(|id| id.as_str())
            .map(str::to_owned),
        _ => None,
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
        headers.insert(name, value);
    }
}
