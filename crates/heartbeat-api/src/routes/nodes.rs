//! The nodes of the installation, for admin keys only: they carry out every project's work.

use axum::Json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::call::Call;
use crate::openapi::{Answer, Refusals};
use crate::wire::nodes::{NodeObject, NodesResponse};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(read_all))
}

/// Nodes that are at work or ended within the last day, newest first.
#[utoipa::path(
    get,
    path = "/v1/node/readall",
    tag = "nodes",
    operation_id = "read_nodes",
    responses((status = 200, description = "The nodes", body = NodesResponse), Refusals)
)]
async fn read_all(call: Call) -> Answer<NodesResponse> {
    call.require_admin()?;
    let now = call.control.now();
    let found = call.control.store().nodes(now).await?;
    let nodes: Vec<NodeObject> = found.iter().map(|node| NodeObject::of(node, now)).collect();
    Ok(Json(NodesResponse {
        total: nodes.len(),
        nodes,
    }))
}
