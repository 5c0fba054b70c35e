//! The tools of one session, as the session sees them.

use async_trait::async_trait;
use heartbeat_domain::conversation::{ToolCall, ToolOutput, ToolSpec};

/// Something that carries out tool calls.
///
/// A failed call is a [`ToolOutput`] for the model, never an error of the session. Every call has
/// its own deadline; the session adds only the execution's.
#[async_trait]
pub trait Toolbox: Send + Sync {
    /// The tools to declare to the model.
    fn specs(&self) -> Vec<ToolSpec>;

    /// Makes one call. The session calls this once per recorded intent.
    async fn call(&self, call: &ToolCall) -> ToolOutput;

    /// Whether a call of this tool may run beside others of the same turn.
    fn parallel_safe(&self, _name: &str) -> bool {
        true
    }
}
