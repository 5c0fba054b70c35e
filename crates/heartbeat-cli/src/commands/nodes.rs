//! `heartbeat nodes`.

use heartbeat_api::wire::nodes::NodeObject;
use heartbeat_engine::control::Control;
use serde_json::json;

use crate::output::Out;

/// Lists the nodes of the database.
pub(crate) async fn run(control: &Control, out: &mut Out) -> anyhow::Result<()> {
    let now = control.now();
    let nodes = control.store().nodes(now).await?;
    let nodes: Vec<NodeObject> = nodes.iter().map(|node| NodeObject::of(node, now)).collect();
    if out.is_json() {
        out.value(&json!({ "total": nodes.len(), "nodes": nodes }));
        return Ok(());
    }
    let heading = [
        "name",
        "status",
        "version",
        "slots",
        "clock",
        "started",
        "renewed",
        "lease until",
        "id",
    ];
    let empty = "No node is at work, and none was within a day; start one with `heartbeat serve`.";
    out.table(&heading, nodes.iter().map(row).collect(), empty);
    Ok(())
}

fn row(node: &NodeObject) -> Vec<String> {
    let offset = match node.clock_offset_ms {
        Some(by) => format!("{by:+} ms"),
        None => "-".to_owned(),
    };
    vec![
        node.name.clone(),
        node.status.to_owned(),
        node.version.clone(),
        format!("{}/{}", node.slots_used, node.slots),
        offset,
        node.started_at.clone(),
        node.renewed_at.clone(),
        node.lease_until.clone(),
        node.uuid.clone(),
    ]
}
