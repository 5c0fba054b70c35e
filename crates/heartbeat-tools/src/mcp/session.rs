//! An open connection to a tool server, over HTTP or to a child process.
//!
//! Invariant: it is handed out only while it works; when its last call has ended and nobody keeps it,
//! it closes, and its process with it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::{
    ClientConfig, ClientRequest, Implementation, PingRequest, ProtocolVersion, ServerCapabilities,
};
use rmcp::service::{
    ClientCacheConfig, ClientInitializeError, ClientLifecycleMode, Peer, RoleClient,
    RunningService, ServiceError, serve_client_with_lifecycle,
};
use rmcp::transport::IntoTransport;
use tokio::time::Instant;

use super::process::Process;
use super::trace::{Problem, Trace};

/// How long an answer to a ping may take.
pub(super) const PING_MAX: Duration = Duration::from_secs(2);

/// After how long without a call a connection is tried before it is used.
const IDLE_BEFORE_PING: Duration = Duration::from_secs(20);

/// An open connection.
pub(super) struct Session {
    running: Mutex<Option<RunningService<RoleClient, ClientConfig>>>,
    peer: Peer<RoleClient>,
    process: Option<Process>,
    /// What went wrong with the connection as a whole.
    trace: Arc<Trace>,
    in_flight: AtomicUsize,
    is_doubtful: AtomicBool,
    is_over: AtomicBool,
    used_at: Mutex<Instant>,
}

impl Session {
    /// Shakes hands. Servers from 2026-07-28 on may know no handshake: they are asked for what they
    /// know instead, over a second connection, since the first was refused by its first word.
    pub(super) async fn open<T, E, A>(
        transport: T,
        lifecycle: ClientLifecycleMode,
    ) -> Result<RunningService<RoleClient, ClientConfig>, ClientInitializeError>
    where
        T: IntoTransport<RoleClient, E, A>,
        E: std::error::Error + Send + Sync + 'static,
    {
        let running = serve_client_with_lifecycle(identity(), transport, lifecycle).await?;
        // A list is asked for to learn what it is now.
        let fresh = ClientCacheConfig::disabled();
        running.peer().set_response_cache_config(fresh).await;
        // What a server says of itself is not used, and is not kept for as long as the connection is.
        if let Some(said) = running.peer().peer_info() {
            let mut kept = (*said).clone();
            (kept.instructions, kept.server_info, kept.meta) = (None, None, None);
            kept.capabilities = ServerCapabilities::default();
            running.peer().set_peer_info(kept);
        }
        Ok(running)
    }

    /// Keeps what was opened.
    pub(super) fn new(
        running: RunningService<RoleClient, ClientConfig>,
        process: Option<Process>,
        trace: Arc<Trace>,
    ) -> Self {
        Self {
            peer: running.peer().clone(),
            running: Mutex::new(Some(running)),
            process,
            trace,
            in_flight: AtomicUsize::new(0),
            is_doubtful: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            used_at: Mutex::new(Instant::now()),
        }
    }

    pub(super) fn peer(&self) -> &Peer<RoleClient> {
        &self.peer
    }

    /// Whether it is a child process of ours.
    pub(super) fn is_process(&self) -> bool {
        self.process.is_some()
    }

    /// A call begins.
    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        if let Some(process) = &self.process {
            process.call_begins();
        }
    }

    /// A call ended.
    pub(super) fn end(&self) {
        *self.used_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether no call is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.load(Ordering::SeqCst) == 0
    }

    /// How long ago the last call ended.
    pub(super) fn idle_for(&self) -> Duration {
        let used_at = self.used_at.lock().unwrap_or_else(PoisonError::into_inner);
        used_at.elapsed()
    }

    /// Whether it is closed, or is not to be used again.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst) || self.peer.is_transport_closed()
    }

    /// It may hang: whoever uses it next tries it first.
    pub(super) fn doubt(&self) {
        self.is_doubtful.store(true, Ordering::SeqCst);
    }

    /// Whether it can be used, asking the server where there is reason to.
    pub(super) async fn works(&self) -> bool {
        if self.is_over() {
            return false;
        }
        let stale = !self.is_process() && self.idle_for() > IDLE_BEFORE_PING;
        if !stale && !self.is_doubtful.load(Ordering::SeqCst) {
            return true;
        }
        let answers = self.answers_a_ping(PING_MAX).await;
        match answers {
            true => self.is_doubtful.store(false, Ordering::SeqCst),
            false => self.abandon(),
        }
        answers
    }

    /// Whether the server answers anything at all; an error is an answer.
    pub(super) async fn answers_a_ping(&self, within: Duration) -> bool {
        let ping = ClientRequest::PingRequest(PingRequest::default());
        let answer = tokio::time::timeout(within, self.peer.send_request(ping)).await;
        matches!(answer, Ok(Ok(_) | Err(ServiceError::McpError(_))))
    }

    /// It is not used again; a process is killed with its group, since it hangs.
    pub(super) fn abandon(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        if let Some(process) = &self.process {
            process.kill();
        }
    }

    /// Why it does not answer, as far as the connection knows.
    pub(super) fn problem(&self) -> Option<Problem> {
        self.trace
            .problem()
            .or_else(|| self.process.as_ref().map(Process::problem))
    }

    /// Closes it and waits until a process has ended.
    pub(super) async fn close(self) {
        let running = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut running) = running {
            let _ = running.close_with_timeout(PING_MAX).await;
        }
        if let Some(process) = self.process {
            process.part().await;
        }
    }
}

/// Who we say we are; nothing is offered to servers: no sampling, no roots, no questions to people.
fn identity() -> ClientConfig {
    let name = Implementation::new("heartbeat", env!("CARGO_PKG_VERSION"));
    ClientConfig::new(rmcp::model::ClientCapabilities::default(), name)
        .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
}

/// The way of servers that know no handshake.
pub(super) fn without_handshake() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
    }
}
