//! The heartbeat binary.
fn main() {}
