//! A server on loopback that answers as its script says and writes down what it was asked.
//!
//! Unless a script says otherwise it is a small, correct tool server with the tools `echo` and `send`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::PATIENCE;

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// `null` unless it is JSON.
    pub(crate) body: Value,
}

impl Request {
    /// Method of the protocol, empty if there is none.
    pub(crate) fn rpc(&self) -> &str {
        self.body["method"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What is answered.
pub(crate) enum Reply {
    /// The result of a request of the protocol.
    Result(Value),
    /// An error of the protocol.
    Error(i32, &'static str),
    /// A status with a type and a body.
    Status(u16, &'static str, String),
    /// A status with a header.
    WithHeader(u16, &'static str, String),
    /// Events; the connection stays open after them.
    Events(Vec<String>),
    /// Events; the connection ends after them.
    EventsThenEnd(Vec<String>),
    /// Bytes without end.
    Flood,
    /// Headers, then the connection breaks.
    Die,
    /// Nothing, ever.
    Hang,
}

type Script = dyn Fn(&Request) -> Option<Reply> + Send + Sync;

struct Shared {
    script: Box<Script>,
    seen: Mutex<Vec<Request>>,
    told: mpsc::UnboundedSender<Request>,
}

/// A running server; it ends with the runtime of its test.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    told: tokio::sync::Mutex<mpsc::UnboundedReceiver<Request>>,
}

impl Scripted {
    /// A correct tool server.
    pub(crate) async fn correct() -> Self {
        Self::start(|_| None).await
    }

    /// A server that answers by `script`, and correctly where that has no answer.
    pub(crate) async fn start(
        script: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        Self::start_on("127.0.0.1:0", script).await
    }

    /// The same on an address of its own.
    pub(crate) async fn start_on(
        address: &str,
        script: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let (told, hears) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            seen: Mutex::default(),
            told,
        });
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            address,
            shared,
            told: tokio::sync::Mutex::new(hears),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Everything that was asked so far.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// How often that method of the protocol was asked for.
    pub(crate) fn count(&self, rpc: &str) -> usize {
        self.seen().iter().filter(|seen| seen.rpc() == rpc).count()
    }

    /// Waits for a request that meets `is_meant`.
    pub(crate) async fn until(&self, is_meant: impl Fn(&Request) -> bool) -> Request {
        let mut told = self.told.lock().await;
        let heard = async {
            loop {
                let request = told.recv().await.unwrap();
                if is_meant(&request) {
                    return request;
                }
            }
        };
        tokio::time::timeout(PATIENCE, heard)
            .await
            .expect("the request that is waited for never came")
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = Request {
        path: uri.path().to_owned(),
        headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    shared.seen.lock().unwrap().push(request.clone());
    let _ = shared.told.send(request.clone());
    match (shared.script)(&request) {
        Some(reply) => said(&request, reply).await,
        None => correctly(&request),
    }
}

async fn said(request: &Request, reply: Reply) -> Response {
    let id = &request.body["id"];
    let typed = |status: u16, kind: &'static str, body: Body| {
        let status = StatusCode::from_u16(status).unwrap();
        (status, [("content-type", kind)], body).into_response()
    };
    let events = |events: Vec<String>| {
        let text: String = events
            .iter()
            .map(|data| format!("data: {data}\n\n"))
            .collect();
        futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from(text))])
    };
    match reply {
        Reply::Result(result) => {
            let body = json!({ "jsonrpc": "2.0", "id": id, "result": result });
            typed(200, "application/json", body.to_string().into())
        }
        Reply::Error(code, message) => {
            let error = json!({ "code": code, "message": message });
            let body = json!({ "jsonrpc": "2.0", "id": id, "error": error });
            typed(200, "application/json", body.to_string().into())
        }
        Reply::Status(status, kind, body) => typed(status, kind, body.into()),
        Reply::WithHeader(status, name, value) => {
            (StatusCode::from_u16(status).unwrap(), [(name, value)], "").into_response()
        }
        Reply::Events(data) => {
            let open = events(data).chain(futures::stream::pending());
            typed(200, "text/event-stream", Body::from_stream(open))
        }
        Reply::EventsThenEnd(data) => {
            typed(200, "text/event-stream", Body::from_stream(events(data)))
        }
        Reply::Flood => {
            let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
            let endless =
                futures::stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()));
            typed(200, "text/event-stream", Body::from_stream(endless))
        }
        Reply::Die => {
            let broken = futures::stream::iter([Err::<Bytes, _>(std::io::Error::other("died"))]);
            typed(200, "application/json", Body::from_stream(broken))
        }
        Reply::Hang => futures::future::pending().await,
    }
}

/// What a small, correct server of 2025-06-18 answers.
fn correctly(request: &Request) -> Response {
    let id = &request.body["id"];
    let result = match request.rpc() {
        "initialize" => json!({
            "protocolVersion": "2025-06-18",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "scripted", "version": "1" },
        }),
        "tools/list" => json!({ "tools": [
            { "name": "echo", "description": "Says it again.",
              "inputSchema": { "type": "object", "properties": { "text": { "type": "string" } } },
              "annotations": { "readOnlyHint": true, "idempotentHint": true } },
            { "name": "send", "inputSchema": { "type": "object" } },
        ] }),
        "tools/call" => {
            let said = request.body["params"]["arguments"]["text"].as_str();
            json!({ "content": [{ "type": "text", "text": said.unwrap_or("done") }] })
        }
        "ping" => json!({}),
        _ => return StatusCode::ACCEPTED.into_response(),
    };
    let body = json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string();
    let headers = [
        ("content-type", "application/json"),
        ("mcp-session-id", "session-1"),
    ];
    (StatusCode::OK, headers, body).into_response()
}
