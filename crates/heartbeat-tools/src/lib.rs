//! Heartbeat tools.
