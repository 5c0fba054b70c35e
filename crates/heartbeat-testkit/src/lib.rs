//! Heartbeat testkit.

pub mod model_server;
mod model_wire;
pub mod tool_servers;
