//! Patience with a store that is unavailable for a moment: the same write again, with backoff.
//!
//! Every verb is idempotent under its own key, so repeating one whose answer was lost is safe.

use futures::future::BoxFuture;
use heartbeat_agent::Waiter;
use heartbeat_store::StoreError;
use jiff::SignedDuration;

/// Attempts at one write before the work is given back.
const ATTEMPTS: u32 = 8;

/// Repeats `verb` while the store is unavailable: 50 ms, then twice as long each time, 3.2 s at
/// most; about 6 s in all.
pub(crate) async fn patiently<'v, T>(
    waiter: &dyn Waiter,
    mut verb: impl FnMut() -> BoxFuture<'v, Result<T, StoreError>> + Send,
) -> Result<T, StoreError> {
    let mut pause = SignedDuration::from_millis(50);
    for attempt in 1.. {
        match verb().await {
            Err(StoreError::Unavailable(why)) if attempt < ATTEMPTS => {
                tracing::warn!(
                    attempt,
                    why,
                    "The store is unavailable; the write is repeated"
                );
                waiter.wait_until(waiter.now() + pause).await;
                pause = pause.saturating_mul(2);
            }
            answer => return answer,
        }
    }
    unreachable!("the last attempt returns")
}
