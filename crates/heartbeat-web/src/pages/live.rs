//! What happens, as it happens: server-sent events of the visitor's project.
//!
//! An event says that something changed and where; the page then reads itself anew. Only the text
//! that a model streams travels in the event, because it is on record nowhere else yet.

use std::convert::Infallible;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event as Message, KeepAlive};
use futures::Stream;
use futures::stream::unfold;
use heartbeat_domain::ids::ProjectId;
use heartbeat_engine::control::Control;
use heartbeat_engine::events::{Event, EventKind, Onlooker, Seen};
use serde_json::json;

use crate::Web;
use crate::session::Session;

/// Somebody who looks on as long as the session lasts.
struct Visitor {
    control: Control,
    project_id: ProjectId,
    secret: String,
    onlooker: Onlooker,
}

/// The events of the project, until the visitor goes or the session ends.
pub(crate) async fn follow(
    State(web): State<Web>,
    session: Session,
) -> Sse<impl Stream<Item = Result<Message, Infallible>>> {
    let visitor = Visitor {
        onlooker: web.live.look_at(session.project.id),
        control: web.control,
        project_id: session.project.id,
        secret: session.secret,
    };
    let messages = unfold(visitor, |mut visitor| async move {
        let message = visitor.next().await?;
        Some((Ok(message), visitor))
    });
    Sse::new(messages).keep_alive(KeepAlive::default())
}

impl Visitor {
    async fn next(&mut self) -> Option<Message> {
        match self.onlooker.next().await? {
            Seen::Event(event) => self.is_signed_in(&event).await.then(|| message(&event)),
            Seen::Missed => Some(Message::default().event("missed").data("{}")),
        }
    }

    /// A piece of streamed text is not worth a look at the database; the events around it are.
    async fn is_signed_in(&self, event: &Event) -> bool {
        if matches!(event.kind, EventKind::Delta { .. }) {
            return true;
        }
        matches!(
            self.control.session(&self.secret).await,
            Ok(Some(visit)) if visit.project_id == self.project_id
        )
    }
}

fn message(event: &Event) -> Message {
    let mut fields = json!({
        "heartbeat": event.heartbeat_id.map(|id| id.to_string()),
        "execution": event.execution_id.map(|id| id.to_string()),
    });
    match &event.kind {
        EventKind::Delta { seq, text } => {
            fields["seq"] = json!(seq);
            fields["text"] = json!(text);
        }
        EventKind::Step { seq } => fields["seq"] = json!(seq),
        EventKind::Ended { status } => fields["status"] = json!(status),
        EventKind::Started | EventKind::Notice => {}
    }
    Message::default()
        .event(event.kind.name())
        .data(fields.to_string())
}
