//! Heartbeat web.
