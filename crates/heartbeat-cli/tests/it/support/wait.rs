//! The one place that waits, with the one time-out.

use std::future::Future;
use std::time::Duration;

/// Longer than anything here takes on a machine that is busy with something else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The value of `work`; fails by the name of what was waited for.
pub(crate) async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} for {what}"),
    }
}

/// Looks again until `look` finds something.
pub(crate) async fn until<T, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    within(what, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            pause(Duration::from_millis(25)).await;
        }
    })
    .await
}

/// Lets time pass: between two looks, and where a kill at a random moment is what is tested.
pub(crate) async fn pause(time: Duration) {
    #[expect(clippy::disallowed_methods, reason = "the one place of these tests")]
    tokio::time::sleep(time).await;
}

/// Lets `work` run beside the test; it ends with the test's runtime.
pub(crate) fn beside(work: impl Future<Output = ()> + Send + 'static) {
    #[expect(clippy::disallowed_methods, reason = "a test ends with its runtime")]
    tokio::spawn(work);
}
