//! Heartbeat testkit.

pub mod model_server;
mod model_wire;
