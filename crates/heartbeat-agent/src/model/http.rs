//! One request to a model server and the reading of its answer, whatever the dialect.
//!
//! Invariant: an answer counts only when its dialect's own end has been seen; everything else is an
//! error.

use std::time::Duration;

use futures::{FutureExt, StreamExt};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder, Response, Url};
use serde_json::Value;

use super::failure::{from_reading, from_sending, from_status, looks_like_html};
use super::sse::Decoder;
use super::{ModelError, ModelErrorKind, OnText};
use crate::settings::Secret;

const ANSWER_BYTES_MAX: usize = 16 << 20;
const ERROR_BYTES_MAX: usize = 64 << 10;

/// The HTTP clients of all providers: one for this machine, which no proxy variable may divert,
/// and one for everybody else.
#[derive(Clone, Debug)]
pub struct Clients {
    local: Client,
    remote: Client,
}

impl Clients {
    /// Builds both. An answer of which nothing more comes for as long as `stall` is given up.
    ///
    /// # Errors
    /// When not even a client for plain HTTP can be built.
    pub fn new(stall: Duration) -> Result<Self, reqwest::Error> {
        // Whoever was first decides; the whole tree knows only ring.
        let _already_chosen = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            Client::builder()
                .connect_timeout(Duration::from_secs(10))
                .read_timeout(stall)
                .tcp_keepalive(Duration::from_secs(60))
                .redirect(reqwest::redirect::Policy::none())
        };
        let local = builder().no_proxy().tls_certs_only(Vec::new()).build()?;
        let remote = builder().build().or_else(|error| {
            tracing::warn!(%error, "no root certificates: only plain http models can be reached");
            builder().tls_certs_only(Vec::new()).build()
        })?;
        Ok(Self { local, remote })
    }

    fn for_url(&self, url: &Url) -> &Client {
        if is_local(url) && url.scheme() == "http" {
            &self.local
        } else {
            &self.remote
        }
    }
}

fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// A model server: where it is and with which key it is asked.
#[derive(Clone, Debug)]
pub struct Server {
    client: Client,
    base: Url,
    key: Option<Secret>,
}

impl Server {
    /// A server at a base URL.
    ///
    /// # Errors
    /// Says what is wrong with the URL.
    pub fn new(clients: &Clients, base_url: &str, key: Option<Secret>) -> Result<Self, String> {
        let base = Url::parse(base_url.trim_end_matches('/'))
            .map_err(|error| format!("the base URL {base_url:?} is not a URL: {error}"))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(format!(
                "the base URL {base_url:?} must begin with http:// or https://"
            ));
        }
        Ok(Self {
            client: clients.for_url(&base).clone(),
            base,
            key,
        })
    }

    /// Host and port, for messages.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        self.base
            .port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Whether it is on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        is_local(&self.base)
    }

    /// The key, if one is needed.
    pub(super) fn key(&self) -> Option<&str> {
        self.key.as_ref().map(Secret::expose)
    }

    /// A path below the base URL.
    pub(super) fn path_ends_with(&self, end: &str) -> bool {
        self.base.path().trim_end_matches('/').ends_with(end)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.client.post(self.url(path)).json(body)
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(self.url(path))
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, self.base.query()),
        };
        url.set_query(query);
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// Sends, and turns everything but a success into an error that names no key.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, ModelError> {
        let response = request
            .send()
            .await
            .map_err(|error| from_sending(&self.host(), error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let headers = response.headers().clone();
        let body = start_of_body(response, ERROR_BYTES_MAX).await;
        let mut error = from_status(status.as_u16(), &headers, &body);
        if let Some(key) = self.key().filter(|key| key.len() >= 8) {
            error.message = error.message.replace(key, "…");
        }
        Err(error)
    }
}

/// An answer being put together from its events.
pub(super) trait Answer: Send {
    /// Takes the next event.
    fn take(&mut self, event: &Value, on_text: OnText<'_>) -> Result<(), ModelError>;

    /// Takes an answer that came in one piece, from a server that does not stream.
    fn take_whole(&mut self, body: &Value, on_text: OnText<'_>) -> Result<(), ModelError>;

    /// The server said `[DONE]`.
    fn end(&mut self);

    /// Whether everything that the answer needs has been seen.
    fn is_whole(&self) -> bool;

    /// Whether the server said that nothing more will come.
    fn is_over(&self) -> bool;
}

/// Reads an answer to its end.
pub(super) async fn read(
    response: Response,
    answer: &mut impl Answer,
    on_text: OnText<'_>,
) -> Result<(), ModelError> {
    on_text("");
    if !is_event_stream(&response) {
        return read_whole(response, answer, on_text).await;
    }
    let mut decoder = Decoder::default();
    let mut chunks = response.bytes_stream();
    let mut bytes = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(_) if answer.is_whole() => return Ok(()),
            Err(error) => return Err(from_reading(error)),
        };
        bytes += chunk.len();
        if bytes > ANSWER_BYTES_MAX {
            return Err(ModelError::broken("the answer is larger than 16 MB"));
        }
        for data in decoder.feed(&chunk)? {
            take(&data, answer, on_text)?;
        }
        if answer.is_over() && answer.is_whole() {
            // Seeing the body's end, where it is already here, keeps the connection for reuse.
            let _end = chunks.next().now_or_never();
            return Ok(());
        }
    }
    if let Some(data) = decoder.finish()? {
        take(&data, answer, on_text)?;
    }
    if answer.is_whole() {
        Ok(())
    } else {
        Err(cut(bytes))
    }
}

fn take(data: &str, answer: &mut impl Answer, on_text: OnText<'_>) -> Result<(), ModelError> {
    if data.trim() == "[DONE]" {
        answer.end();
        return Ok(());
    }
    let event: Value = serde_json::from_str(data).map_err(|error| {
        ModelError::broken(format!("the answer has an event that is no JSON: {error}"))
    })?;
    answer.take(&event, on_text)
}

fn cut(bytes: usize) -> ModelError {
    match bytes {
        0 => ModelError::broken("the answer is empty"),
        _ => ModelError::broken("the answer was cut before its end"),
    }
}

async fn read_whole(
    response: Response,
    answer: &mut impl Answer,
    on_text: OnText<'_>,
) -> Result<(), ModelError> {
    let body = start_of_body(response, ANSWER_BYTES_MAX).await;
    if looks_like_html(&body) {
        let message = "a web page came instead of an answer; is the base URL right?";
        return Err(ModelError::broken(message));
    }
    let body: Value = serde_json::from_str(&body)
        .map_err(|error| ModelError::broken(format!("the answer is no JSON: {error}")))?;
    answer.take_whole(&body, on_text)?;
    if answer.is_whole() {
        Ok(())
    } else {
        Err(cut(1))
    }
}

/// Servers that forget the content type of a stream are given the benefit of the doubt.
fn is_event_stream(response: &Response) -> bool {
    let kind = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    kind.is_none_or(|kind| !kind.contains("json") && !kind.contains("html"))
}

async fn start_of_body(response: Response, bytes_max: usize) -> String {
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(Ok(chunk)) = chunks.next().await {
        body.extend_from_slice(&chunk);
        if body.len() >= bytes_max {
            body.truncate(bytes_max);
            break;
        }
    }
    String::from_utf8_lossy(&body).into_owned()
}

/// What a small GET met.
#[derive(Debug)]
pub(crate) enum Met {
    /// Nothing that answers in time.
    Nobody,
    /// Something that answers otherwise.
    Stranger,
    /// JSON.
    Json(Value),
}

/// A small GET that answers within `within` or not at all.
pub(crate) async fn meet(server: &Server, path: &str, within: Duration) -> Met {
    let mut request = server.get(path).timeout(within);
    if let Some(key) = server.key() {
        request = request.bearer_auth(key);
    }
    let Ok(response) = request.send().await else {
        return Met::Nobody;
    };
    if !response.status().is_success() {
        return Met::Stranger;
    }
    let body = start_of_body(response, 4 << 20).await;
    serde_json::from_str(&body).map_or(Met::Stranger, Met::Json)
}

/// The same; only JSON counts.
pub(crate) async fn get_json(server: &Server, path: &str, within: Duration) -> Option<Value> {
    match meet(server, path, within).await {
        Met::Json(value) => Some(value),
        Met::Nobody | Met::Stranger => None,
    }
}

/// A small POST that answers within `within` or not at all.
pub(crate) async fn post_json(
    server: &Server,
    path: &str,
    body: &Value,
    within: Duration,
) -> Option<Value> {
    let request = server.post(path, body).timeout(within);
    let response = request
        .send()
        .await
        .ok()
        .filter(|response| response.status().is_success())?;
    serde_json::from_str(&start_of_body(response, 4 << 20).await).ok()
}

/// An answer that the provider refused to finish.
pub(super) fn refused(why: &str) -> ModelError {
    ModelError::new(
        ModelErrorKind::Rejected,
        format!("the provider stopped the answer: {why}"),
    )
}
