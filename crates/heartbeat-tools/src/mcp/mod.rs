//! Tool servers over the Model Context Protocol: the real [`Hands`].
//!
//! The protocol library is named in this room only. Invariant: nothing is sent twice by us or by it,
//! and a process is started for no server but one that the operator declared.

mod arguments;
mod call;
mod content;
mod declared;
mod effort;
mod headers;
mod http;
mod list;
mod process;
mod secrets;
mod session;
mod sessions;
mod trace;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use heartbeat_domain::tool::{ListedTool, Place};
use rmcp::service::{ClientInitializeError, ClientLifecycleMode};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::common::client_side_sse::SseRetryPolicy;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout_at};

pub use self::declared::{Declared, DeclaredServers};

use self::http::{ANSWER_BYTES_MAX, Carrier};
use self::process::Process;
use self::secrets::Secrets;
use self::session::{Session, without_handshake};
use self::sessions::{Key, Lease, Sessions};
use self::trace::{Problem, Trace};
use crate::hands::{CallEnd, HandCall, Hands, HandsError, Server};
use crate::outgoing::{Outgoing, Reach};

/// How many declared processes may live at once if nothing else is set.
pub const PROCESSES_MAX: usize = 16;

/// Longest time for a list, connecting included.
const LIST_MAX: Duration = Duration::from_secs(30);

/// The real hands.
pub struct McpHands {
    outgoing: Outgoing,
    declared: DeclaredServers,
    sessions: Sessions,
}

impl McpHands {
    /// Hands that reach URLs through `outgoing` and start at most so many of the declared servers.
    #[must_use]
    pub fn new(outgoing: Outgoing, declared: DeclaredServers, processes_max: usize) -> Self {
        Self {
            outgoing,
            declared,
            sessions: Sessions::new(processes_max),
        }
    }

    /// Closes all connections and ends all processes.
    pub async fn close(&self) {
        self.sessions.close().await;
    }

    async fn lease(&self, server: &Server) -> Result<Lease, Problem> {
        let connect = async || match &server.place {
            Place::Http { url } => self.connect(url, server).await,
            Place::Declared { name } => self.start(name, server).await,
        };
        self.sessions.lease(key(server), connect).await
    }

    /// Servers from 2026-07-28 on may know no handshake; one that refuses it is asked once more
    /// without, on a connection of its own.
    async fn connect(&self, url: &str, server: &Server) -> Result<Session, Problem> {
        let headers = Arc::new(headers::checked(&server.headers)?);
        let reach = Arc::new(Reach::networks(&server.allow_networks)?);
        let mut ways = vec![without_handshake(), ClientLifecycleMode::Initialize];
        loop {
            let trace = Arc::new(Trace::default());
            let carrier = Carrier {
                outgoing: self.outgoing.clone(),
                reach: Arc::clone(&reach),
                headers: Arc::clone(&headers),
                trace: Arc::clone(&trace),
                is_flooded: Arc::default(),
            };
            let mut config = StreamableHttpClientTransportConfig::with_uri(url)
                .reinit_on_expired_session(false)
                .max_sse_event_size(ANSWER_BYTES_MAX);
            config.retry_config = Arc::new(Resumption);
            let transport = StreamableHttpClientTransport::with_client(carrier, config);
            let way = ways.pop().unwrap_or_else(without_handshake);
            match Session::open(transport, way).await {
                Ok(running) => return Ok(Session::new(running, None, trace)),
                Err(ClientInitializeError::JsonRpcError(_)) if !ways.is_empty() => {}
                Err(error) => return Err(trace.problem().unwrap_or_else(|| not_opened(&error))),
            }
        }
    }

    async fn start(&self, name: &str, server: &Server) -> Result<Session, Problem> {
        let declared = self.declared.find(name, server)?;
        let mut ways = vec![without_handshake(), ClientLifecycleMode::Initialize];
        loop {
            let place = self.sessions.place_for_a_process().await;
            let (process, (output, input)) = Process::start(declared, place)?;
            let transport = AsyncRwTransport::new_client(output, input);
            let way = ways.pop().unwrap_or_else(without_handshake);
            match Session::open(transport, way).await {
                Ok(running) => return Ok(Session::new(running, Some(process), Arc::default())),
                Err(ClientInitializeError::JsonRpcError(_)) if !ways.is_empty() => {}
                // It ended before or after the first word was written to it.
                Err(
                    ClientInitializeError::ConnectionClosed(_)
                    | ClientInitializeError::TransportError { .. },
                ) => return Err(process.problem()),
                Err(error) => return Err(not_opened(&error)),
            }
        }
    }
}

#[async_trait]
impl Hands for McpHands {
    fn check(&self, server: &Server) -> Result<(), HandsError> {
        headers::checked(&server.headers)?;
        match &server.place {
            Place::Declared { name } => self.declared.find(name, server).map(drop),
            Place::Http { url } => Reach::networks(&server.allow_networks)
                .and_then(|reach| reach.check(url))
                .map(drop)
                .map_err(|error| Problem::from(error).into()),
        }
    }

    async fn list(&self, server: &Server) -> Result<Vec<ListedTool>, HandsError> {
        let secrets = self.secrets(server);
        match self.list_as_told(server).await {
            Ok(tools) => Ok(secrets.taken_from_list(tools)),
            Err(error) => Err(secrets.taken_from_error(error)),
        }
    }

    async fn call(&self, server: &Server, call: &HandCall) -> CallEnd {
        let end = self.call_as_told(server, call).await;
        self.secrets(server).taken_from_end(end)
    }
}

impl McpHands {
    /// What this server knows and may not show.
    fn secrets(&self, server: &Server) -> Secrets {
        let declared = match &server.place {
            Place::Declared { name } => self.declared.find(name, server).ok(),
            Place::Http { .. } => None,
        };
        let variables = declared.into_iter().flat_map(|declared| &declared.env);
        let headers = server.headers.iter().map(|(name, value)| (name, value));
        Secrets::among(headers.chain(variables))
    }

    async fn list_as_told(&self, server: &Server) -> Result<Vec<ListedTool>, HandsError> {
        self.check(server)?;
        let deadline = Instant::now() + LIST_MAX;
        let listed = async {
            let lease = self.lease(server).await?;
            let listed = list::all(&lease).await;
            if listed.is_err() {
                lease.doubt();
            }
            listed
        };
        match timeout_at(deadline, listed).await {
            Ok(listed) => Ok(listed?),
            Err(_) => Err(self.too_slow(server, LIST_MAX).into()),
        }
    }

    async fn call_as_told(&self, server: &Server, call: &HandCall) -> CallEnd {
        let deadline = Instant::now() + call.within;
        let not_made = |message: String| CallEnd::NotMade { message };
        if let Err(refused) = self.check(server) {
            return not_made(refused.message);
        }
        let (schema, arguments) = (call.schema.clone(), call.arguments.clone());
        let checking = move || arguments::check(&schema, &arguments);
        // A large schema takes long enough to be felt by everybody else.
        match tokio::task::spawn_blocking(checking).await {
            Ok(Ok(())) => {}
            Ok(Err(complaint)) => return not_made(complaint),
            Err(_) => return not_made("the arguments could not be checked".into()),
        }
        match timeout_at(deadline, self.lease(server)).await {
            Ok(Ok(lease)) => call::make(&lease, call, deadline).await,
            // The handshake is none of the call, whatever became of it.
            Ok(Err(problem)) => not_made(problem.message),
            Err(_) => not_made(self.too_slow(server, call.within).message),
        }
    }

    fn too_slow(&self, server: &Server, within: Duration) -> Problem {
        let seconds = within.as_secs_f64();
        let most = self.sessions.processes_max();
        let message = match &server.place {
            Place::Http { .. } => format!("the tool server was not ready within {seconds} seconds"),
            Place::Declared { .. } => format!(
                "the tool server was not ready within {seconds} seconds; at most {most} of them \
                 run at once (`mcp_processes`)"
            ),
        };
        Problem::open("TOOL_SERVER_UNREACHABLE", message)
    }
}

/// An answer whose stream broke is asked for again a few times; the call itself never is.
#[derive(Debug)]
struct Resumption;

impl SseRetryPolicy for Resumption {
    fn retry(&self, current_times: usize) -> Option<Duration> {
        (current_times < 5).then_some(Duration::from_millis(500))
    }
}

/// Why a connection did not come about, where nobody closer to it has said so.
fn not_opened(error: &ClientInitializeError) -> Problem {
    let message = match error {
        ClientInitializeError::JsonRpcError(error) => format!(
            "the tool server refused the handshake: {} ({})",
            error.message, error.code.0
        ),
        ClientInitializeError::NoCompatibleProtocolVersion { .. } => {
            "the tool server speaks no version of the protocol that is known here".into()
        }
        ClientInitializeError::ConnectionClosed(_) => {
            "the tool server closed the connection during the handshake".into()
        }
        _ => "the tool server answered the handshake with something else".into(),
    };
    Problem::certain("TOOL_SERVER_UNREACHABLE", message)
}

/// Everything that a connection depends on. A declared server is shared between all who may use it.
fn key(server: &Server) -> Key {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    };
    match &server.place {
        Place::Declared { name } => {
            add(b"declared");
            add(name.as_bytes());
        }
        Place::Http { url } => {
            add(b"http");
            add(url.as_bytes());
            add(server.project_id.to_string().as_bytes());
            add(server.id.to_string().as_bytes());
            for (name, value) in &server.headers {
                add(name.as_bytes());
                add(value.as_bytes());
            }
            add(b"networks");
            for network in &server.allow_networks {
                add(network.as_bytes());
            }
        }
    }
    hash.finalize().into()
}
