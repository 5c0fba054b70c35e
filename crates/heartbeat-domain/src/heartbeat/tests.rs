//! Cases of what people and the engine do to a heartbeat.
