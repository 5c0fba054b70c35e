//! One call on an open connection, made once.
//!
//! Invariant: whatever ends the wait, dropping the future included, the server is told that nobody
//! waits any more, and the call counts as sent from the moment it was handed over.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CancelledNotification, CancelledNotificationParam,
    ClientRequest, RequestId, RequestMetaObject, ServerResult,
};
use rmcp::service::{Peer, PeerRequestOptions, RoleClient, ServiceError};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::content::answered;
use super::http::EFFECT_ID;
use super::session::{PING_MAX, Session};
use super::trace::Trace;
use crate::hands::{CallEnd, HandCall};

/// Makes the call; `deadline` is the end of its time.
pub(super) async fn make(session: &Session, call: &HandCall, deadline: Instant) -> CallEnd {
    let trace = Arc::new(Trace::default());
    // A process that has not answered is asked whether it lives, within the time of the call.
    let reserve = match session.is_process() {
        true => PING_MAX.min(call.within / 5),
        false => Duration::ZERO,
    };
    match timeout_at(deadline - reserve, ask(session, call, &trace)).await {
        Ok(end) => end,
        Err(_) => {
            session.doubt();
            if session.is_process() && !session.answers_a_ping(reserve).await {
                session.abandon();
            }
            let seconds = call.within.as_secs_f64();
            trace.end(format!("no answer within {seconds} seconds"))
        }
    }
}

async fn ask(session: &Session, call: &HandCall, trace: &Arc<Trace>) -> CallEnd {
    let Value::Object(arguments) = call.arguments.clone() else {
        return CallEnd::NotMade {
            message: "the arguments must be a JSON object".into(),
        };
    };
    let params = CallToolRequestParams::new(call.tool.clone()).with_arguments(arguments);
    let mut request = CallToolRequest::new(params);
    request.extensions.insert(Arc::clone(trace));
    let mut meta = RequestMetaObject::new();
    meta.insert(EFFECT_ID.into(), Value::String(call.effect_id.clone()));
    let options = PeerRequestOptions::no_options().with_meta(meta);

    // Over HTTP the carrier says when the first byte may leave; a pipe takes it as soon as it can.
    if session.is_process() {
        trace.sending();
    }
    let handed_over = session
        .peer()
        .send_cancellable_request(ClientRequest::CallToolRequest(request), options)
        .await;
    let handle = match handed_over {
        Ok(handle) => handle,
        Err(error) => return failed(session, trace, error),
    };
    let mut cancel = CancelOnDrop {
        session,
        id: Some(handle.id.clone()),
    };
    let answer = handle.await_response().await;
    cancel.id = None;
    match answer {
        Ok(ServerResult::CallToolResult(result)) => answered(&result),
        Ok(ServerResult::InputRequiredResult(_)) => CallEnd::Answered {
            text: "the tool asks for input that nobody can give it here".into(),
            is_error: true,
        },
        Ok(_) => trace.end("the server answered with something other than a tool's result"),
        Err(ServiceError::McpError(error)) => CallEnd::Answered {
            text: format!(
                "the server answered with error {}: {}",
                error.code.0, error.message
            ),
            is_error: true,
        },
        Err(error) => failed(session, trace, error),
    }
}

/// The connection gave the call back without an answer.
fn failed(session: &Session, trace: &Trace, error: ServiceError) -> CallEnd {
    session.doubt();
    if let Some(problem) = session.problem() {
        // What the connection knows leaves open what became of this call.
        trace.failed(super::trace::Problem {
            is_certain: false,
            ..problem
        });
    }
    let words = match error {
        ServiceError::TransportClosed => "the connection ended before the answer came",
        _ => "the connection failed before the answer came",
    };
    trace.end(words)
}

/// Tells the server that nobody waits for the answer.
struct CancelOnDrop<'a> {
    session: &'a Session,
    id: Option<RequestId>,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.session.doubt();
            cancel(self.session.peer(), id);
        }
    }
}

/// Queues the notification; the connection sends it on its own.
fn cancel(peer: &Peer<RoleClient>, id: RequestId) {
    let reason = "nobody waits for the answer any more".to_owned();
    let params = CancelledNotificationParam::new(Some(id), Some(reason));
    let notification = CancelledNotification::new(params).into();
    // The first poll puts it into the queue; whether it was sent is not waited for.
    let _ = peer.send_notification(notification).now_or_never();
}
