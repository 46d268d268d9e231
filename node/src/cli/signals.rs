//! Signals that end a command: nothing is left half done, and the exit code says which it was.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use kernelos_protocol::command::{Failure, FailureKind};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end a command. While this is there, none of them kills the process.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Watches for them: before anything begins that must not stay half done.
    pub(super) fn watch() -> Result<Self, Failure> {
        let watch = |kind| signal(kind).map_err(|error| Failure::new(FailureKind::Failed, error));
        Ok(Self {
            interrupt: watch(SignalKind::interrupt())?,
            terminate: watch(SignalKind::terminate())?,
            hang_up: watch(SignalKind::hangup())?,
        })
    }

    /// Waits for one; gives how the command ends by it.
    pub(super) async fn any(&mut self) -> Failure {
        let told = |what| Failure::new(FailureKind::Terminated, what);
        tokio::select! {
            _ = self.interrupt.recv() => Failure::new(FailureKind::Interrupted, "interrupted"),
            _ = self.terminate.recv() => told("told to end"),
            _ = self.hang_up.recv() => told("the terminal was closed"),
        }
    }
}

/// What a command that writes more than one event did by now, and what to do where it ends here:
/// what a signal's failure says.
pub(super) type SoFar = Arc<Mutex<Option<String>>>;

/// Does `work` until it is done or a signal comes. What a node was asked by then, it goes on with.
pub(super) async fn until_told<T>(
    so_far: SoFar,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut signals = Signals::watch()?;
    tokio::select! {
        biased;
        ended = signals.any() => {
            let so_far = so_far.lock().unwrap_or_else(PoisonError::into_inner).take();
            let hint = so_far.as_deref().unwrap_or("`kern log` shows what was done by then");
            Err(ended.with_hint(hint))
        }
        done = work => done,
    }
}
