//! Tasks and timers: the only module of the mesh that names tokio's. A browser has others.
//!
//! Nothing here is a clock: what may be decided by time is decided in the protocol, which is told.

use std::time::Duration;

/// A task that runs by itself. Dropping this leaves it running.
#[derive(Debug)]
pub struct Task(tokio::task::JoinHandle<()>);

impl Task {
    /// Ends it at its next await.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Has it ended?
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_finished()
    }

    /// Waits until it has ended, however it did.
    pub async fn ended(self) {
        // A task that panicked has ended too, and its panic was printed.
        self.0.await.ok();
    }
}

/// Runs `future` beside the caller.
pub fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Task {
    Task(tokio::spawn(future))
}

/// Does `work` on another thread, beside what waits on this one; none where it panicked.
pub async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// Lets the others run once.
pub async fn yield_now() {
    tokio::task::yield_now().await;
}

/// Waits for `time`.
pub async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}

/// What `future` gives, or `None` if it takes longer than `limit`; then it is dropped.
pub async fn timeout<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, future).await.ok()
}

/// The first good result of several futures that run at once; the others are dropped then. Where
/// none is good, what came of each, in the order in which it did.
pub async fn first_good<T, E, F>(futures: impl IntoIterator<Item = F>) -> Result<T, Vec<E>>
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    let mut running: tokio::task::JoinSet<_> = futures.into_iter().collect();
    let mut errors = Vec::new();
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok(Ok(good)) => return Ok(good),
            Ok(Err(error)) => errors.push(error),
            // One that panicked has printed it, and is no result.
            Err(_) => {}
        }
    }
    Err(errors)
}
