//! How far this machine's clock is from the database's, which all nodes share: measured at the
//! start and every half minute, and added to `now`.

use heartbeat_agent::Waiter;
use heartbeat_store::{Store, StoreError};
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use crate::system_clock::SystemClock;

/// How often it is measured.
const MEASURE_EVERY: SignedDuration = SignedDuration::from_secs(30);

/// An offset that somebody should look at: clocks that are kept right differ by much less.
pub const OFFSET_ALARM: SignedDuration = SignedDuration::from_millis(250);

/// A measurement that took longer says too little.
const ANSWER_WITHIN: SignedDuration = SignedDuration::from_millis(100);

/// Tries of one measurement.
const TRIES: u32 = 3;

/// Measures the offset and goes on by it. A database without a clock of its own changes nothing.
///
/// # Errors
/// The store is unavailable.
pub async fn adjust(clock: &SystemClock, store: &dyn Store) -> Result<(), StoreError> {
    for attempt in 1..=TRIES {
        let asked_at = clock.local();
        let Some(shown) = store.clock().await? else {
            return Ok(());
        };
        let took = clock.local().duration_since(asked_at);
        if took > ANSWER_WITHIN && attempt < TRIES {
            continue;
        }
        let offset = shown.duration_since(asked_at + took / 2);
        if offset.abs() > OFFSET_ALARM {
            tracing::warn!(
                offset_ms = %offset.as_millis(),
                "This machine's clock is far from the database's; the database's holds. Set it right"
            );
        }
        clock.set_offset(offset);
        return Ok(());
    }
    Ok(())
}

/// Measures every half minute until the end.
pub async fn follow(clock: &SystemClock, store: &dyn Store, stopped: &CancellationToken) {
    loop {
        let next = Waiter::now(clock) + MEASURE_EVERY;
        tokio::select! {
            () = clock.wait_until(next) => {}
            () = stopped.cancelled() => return,
        }
        if let Err(error) = adjust(clock, store).await {
            tracing::warn!(%error, "The clock of the database was not read");
        }
    }
}
