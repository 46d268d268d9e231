//! What is read from stdin. A read cannot be taken back, and a runtime would wait for it: it has a
//! thread of its own, which ends with the process, so that a signal is heard meanwhile.

use std::io::{self, BufRead as _, Read as _, StdinLock};

use kernelos_protocol::command::{Failure, FailureKind};
use tokio::sync::oneshot;

/// What is being read, once it is there.
pub(super) type Reading<T> = oneshot::Receiver<io::Result<T>>;

/// Reads as `how` says.
pub(super) fn read<T: Send + 'static>(
    how: impl FnOnce(&mut StdinLock<'_>) -> io::Result<T> + Send + 'static,
) -> Result<Reading<T>, Failure> {
    let (reading, read) = oneshot::channel();
    let work = move || drop(reading.send(how(&mut io::stdin().lock())));
    let spawned = std::thread::Builder::new().name("stdin".to_owned()).spawn(work);
    spawned.map(|_| read).map_err(|error| Failure::new(FailureKind::Failed, error))
}

/// Reads a line; an empty one where stdin ended.
pub(super) fn line() -> Result<Reading<String>, Failure> {
    read(|stdin| {
        let mut line = String::new();
        stdin.read_line(&mut line).map(|_| line)
    })
}

/// Reads a text to its end, up to `max` bytes of it.
pub(super) fn text(max: u64) -> Result<Reading<String>, Failure> {
    read(move |stdin| {
        let mut text = String::new();
        stdin.take(max).read_to_string(&mut text).map(|_| text)
    })
}

/// Waits for what is being read.
pub(super) async fn done<T>(reading: Reading<T>) -> io::Result<T> {
    reading.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
