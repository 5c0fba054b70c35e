//! A model server that takes its time: it begins every answer, and ends them all when it is told to.
//!
//! OpenAI's Chat Completions as a stream, over plain HTTP or TLS. It counts the requests whose
//! answers have begun.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::Listener;
use futures::StreamExt as _;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Fallible;

/// The start of every answer.
const BEGUN: &str = r#"data: {"id":"c","object":"chat.completion.chunk","model":"quiet","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#;

/// The rest of every answer: nothing to report.
const REST: &str = concat!(
    r#"data: {"id":"c","object":"chat.completion.chunk","model":"quiet","choices":[{"index":0,"#,
    r#""delta":{"tool_calls":[{"index":0,"id":"call_0","type":"function","function":{"name":"#,
    r#""nothing_to_report","arguments":"{\"reason\":\"The disk is at 40 percent.\"}"}}]},"#,
    r#""finish_reason":"tool_calls"}],"usage":{"prompt_tokens":900,"completion_tokens":30,"#,
    r#""total_tokens":930}}"#,
    "\n\ndata: [DONE]\n\n",
);

/// A server, for as long as this lives.
pub(crate) struct SlowModel {
    /// Its base URL.
    pub(crate) url: String,
    desk: Desk,
}

/// How many wait, and whether they still have to.
#[derive(Clone)]
struct Desk {
    waiting: watch::Sender<usize>,
    is_over: watch::Sender<bool>,
}

impl SlowModel {
    /// Starts one over plain HTTP.
    pub(crate) async fn plain() -> Fallible<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/v1", listener.local_addr()?);
        Ok(Self::serve(listener, url))
    }

    /// Starts one over TLS; answers also the file with the certificate that a client has to trust.
    pub(crate) async fn over_tls(home: &Path) -> Fallible<(Self, PathBuf)> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let trusted = home.join("slow-model.pem");
        std::fs::write(&trusted, made.cert.pem())?;
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let url = format!("https://localhost:{}/v1", address.port());
        let (hands_over, greeted) = mpsc::channel(64);
        run(greet(
            listener,
            TlsAcceptor::from(Arc::new(config)),
            hands_over,
        ));
        Ok((Self::serve(Greeted { greeted, address }, url), trusted))
    }

    fn serve<L>(listener: L, url: String) -> Self
    where
        L: Listener,
        L::Addr: std::fmt::Debug,
    {
        let desk = Desk {
            waiting: watch::Sender::new(0),
            is_over: watch::Sender::new(false),
        };
        let routes = Router::new()
            .route("/v1/chat/completions", post(answer))
            .with_state(desk.clone());
        run(async move { drop(axum::serve(listener, routes).await) });
        Self { url, desk }
    }

    /// Waits until so many wait for the rest of their answer, or for `seconds`.
    pub(crate) async fn has(&self, sessions: usize, seconds: u64) -> Fallible<()> {
        let mut waiting = self.desk.waiting.subscribe();
        let all = waiting.wait_for(|waiting| *waiting >= sessions);
        let patience = std::time::Duration::from_secs(seconds);
        if tokio::time::timeout(patience, all).await.is_err() {
            let there = *self.desk.waiting.borrow();
            return Err(format!("{there} of {sessions} sessions wait after {seconds} s").into());
        }
        Ok(())
    }

    /// Ends all answers.
    pub(crate) fn ends_them_all(&self) {
        self.desk.is_over.send_replace(true);
    }
}

async fn answer(State(desk): State<Desk>, _request: Bytes) -> Response {
    desk.waiting.send_modify(|waiting| *waiting += 1);
    let mut is_over = desk.is_over.subscribe();
    let rest = async move {
        // Whoever could end them is gone: so are they.
        let _ = is_over.wait_for(|is_over| *is_over).await;
        Ok::<_, Infallible>(Bytes::from_static(REST.as_bytes()))
    };
    let begun = async { Ok(Bytes::from(format!("{BEGUN}\n\n"))) };
    let body = futures::stream::once(begun).chain(futures::stream::once(rest));
    (
        [(CONTENT_TYPE, "text/event-stream")],
        Body::from_stream(body),
    )
        .into_response()
}

/// Connections whose handshake is done.
struct Greeted {
    greeted: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl Listener for Greeted {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.greeted.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        Ok(self.address)
    }
}

/// Shakes hands with many at once.
async fn greet(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    hands_over: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    while let Ok((stream, from)) = listener.accept().await {
        let (acceptor, hands_over) = (acceptor.clone(), hands_over.clone());
        run(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                let _ = hands_over.send((stream, from)).await;
            }
        });
    }
}

fn run(work: impl Future<Output = ()> + Send + 'static) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the server beside the engine that is measured"
    )]
    tokio::spawn(work);
}
