//! Heartbeat testkit.

mod gemini_wire;
pub mod losing_way;
pub mod model_server;
mod model_wire;
pub mod postgres;
pub mod scripted_hands;
pub mod tool_servers;
