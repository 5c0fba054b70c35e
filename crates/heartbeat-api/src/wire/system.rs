//! The process itself.

use serde::Serialize;
use utoipa::ToSchema;

/// How the process is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StatusResponse {
    /// `ok`, or `ready`.
    pub status: &'static str,
    /// Version of the product.
    pub version: &'static str,
}
