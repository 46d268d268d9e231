//! A way to ask a workspace that does not keep it running.

use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use tokio::sync::{mpsc, oneshot};

use super::Wake;

/// Asks one workspace, as long as it runs.
#[derive(Debug, Clone)]
pub struct Asker {
    pub(super) inbox: mpsc::WeakSender<Wake>,
    /// Where much waits it waits too, instead of hearing "busy": what it asks cost minutes to make.
    pub(super) waits: bool,
}

impl Asker {
    /// Asks, and waits for the reply.
    pub async fn ask(&self, command: Command) -> Reply {
        let Some(inbox) = self.inbox.upgrade() else { return Reply::Failed(stopped()) };
        let (sender, reply) = oneshot::channel();
        let request = Wake::Request(command, sender);
        let is_in = match self.waits {
            true => inbox.send(request).await.is_ok(),
            false => inbox.try_send(request).is_ok(),
        };
        if !is_in {
            let failure = Failure::new(FailureKind::Busy, "the workspace is busy or stopping");
            return Reply::Failed(failure.with_hint("try again in a moment"));
        }
        drop(inbox);
        reply.await.unwrap_or_else(|_| Reply::Failed(stopped()))
    }
}

/// Why nobody answers any more.
pub(super) fn stopped() -> Failure {
    Failure::new(FailureKind::Busy, "the node stopped before it answered")
        .with_hint("whether it was done is in `kern log`; start the node with `kern up`")
}
