//! The nodes of the installation: which are at work, how busy they are, how far their clocks are
//! off. They carry out every project's work, so only the operator sees them.

use askama::Template;
use axum::extract::State;
use heartbeat_domain::claim::Node;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::Web;
use crate::frame::{Answer, Frame, page};
use crate::refusal::Refusal;
use crate::session::Session;
use crate::views::{Mark, Moment};

#[derive(Template)]
#[template(path = "nodes.html")]
struct NodesPage {
    frame: Frame,
    rows: Vec<NodeRow>,
}

/// One incarnation.
struct NodeRow {
    id: String,
    name: String,
    mark: Mark,
    version: String,
    slots: String,
    offset: Option<String>,
    started: Moment,
    renewed: Moment,
}

/// The page.
pub(crate) async fn show(State(web): State<Web>, session: Session) -> Answer {
    if !session.is_operator {
        return Err(Refusal::operators_only());
    }
    let now = web.control.now();
    let nodes = web.control.store().nodes(now).await?;
    page(&NodesPage {
        frame: Frame::new(&web, &session, "Nodes", "/nodes").await?,
        rows: nodes.iter().map(|node| row(node, now)).collect(),
    })
}

fn row(node: &Node, now: Timestamp) -> NodeRow {
    let moment = |at| Moment::new(at, &TimeZone::UTC, now);
    NodeRow {
        id: node.id.to_string(),
        name: node.name.clone(),
        mark: Mark::of_node(node.liveness(now)),
        version: node.version.clone(),
        slots: format!("{} of {}", node.work.busy, node.work.slots),
        offset: node
            .work
            .clock_offset
            .map(|by| format!("{:+} ms", by.as_millis())),
        started: moment(node.started_at),
        renewed: moment(node.renewed_at()),
    }
}
