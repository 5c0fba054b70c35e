//! Named points at which a rehearsal ends the process, as a crash would: without a destructor and
//! without a last word. Without the feature `kill-points` there is nothing here.
//!
//! `HEARTBEAT_KILL_POINT=store:before_commit/3` ends the process when it passes that point for the
//! third time.

/// Passes a point.
#[cfg(not(feature = "kill-points"))]
#[inline]
pub fn kill_point(_name: &'static str) {}

/// Passes a point; ends the process if it is the named one and has been passed often enough.
#[cfg(feature = "kill-points")]
pub fn kill_point(name: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static NAMED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);

    let named = NAMED.get_or_init(|| {
        let text = std::env::var("HEARTBEAT_KILL_POINT").ok()?;
        let (name, count) = text.rsplit_once('/')?;
        Some((name.to_owned(), count.parse().ok()?))
    });
    if let Some((wanted, count)) = named
        && wanted == name
        && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *count
    {
        std::process::abort();
    }
}
