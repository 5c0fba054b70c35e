//! Heartbeat api.
