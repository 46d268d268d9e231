//! Waiting on what can be seen, and saying so where it takes long.

use std::time::{Duration, Instant};

use kernelos_protocol::command::{Failure, FailureKind};
use tokio::time::sleep;

use crate::cli::demo::report::Report;

/// For how long something is waited for that all devices must come to.
pub(super) const AGREE: Duration = Duration::from_secs(40);

/// How often is looked.
const LOOK: Duration = Duration::from_millis(20);

/// After how long a wait says what it waits for, again and again.
const PATIENCE: Duration = Duration::from_secs(3);

/// Looks until there is something; fails where that does not come in time.
pub(super) async fn until<T>(
    report: &Report,
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    let begin = Instant::now();
    let mut told = begin;
    loop {
        if let Some(seen) = look().await? {
            return Ok(seen);
        }
        if begin.elapsed() > within {
            let text = format!("this did not come in {} s: {what}", within.as_secs());
            return Err(Failure::new(FailureKind::Failed, text));
        }
        if told.elapsed() > PATIENCE {
            report.tell(format!("… waiting for {what}"));
            told = Instant::now();
        }
        sleep(LOOK).await;
    }
}
