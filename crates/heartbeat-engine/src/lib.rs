//! Heartbeat engine.
