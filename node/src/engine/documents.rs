//! The thread that calls Automerge: with a large stack, because it recurses on nested objects.

use std::io;
use std::sync::mpsc;
use std::thread;

use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::document::{DocumentDone, DocumentTask, Documents};
use kernelos_protocol::limits::DOCUMENT_STACK_BYTES;
use tokio::sync::mpsc as inbox;

use super::Wake;

/// A thread with the documents of one workspace. It ends when this is dropped.
pub(super) struct DocumentThread {
    number: u64,
    tasks: mpsc::Sender<DocumentTask>,
}

impl DocumentThread {
    /// Starts it; `answer` takes each answer and says whether anybody listens still.
    pub(super) fn start(
        number: u64,
        answer: impl Fn(DocumentDone) -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let (tasks, waiting) = mpsc::channel::<DocumentTask>();
        thread::Builder::new()
            .name("documents".to_owned())
            .stack_size(DOCUMENT_STACK_BYTES)
            .spawn(move || {
                let mut documents = Documents::default();
                while let Some(task) = next(&waiting, &mut documents) {
                    if !answer(documents.perform(task)) {
                        return;
                    }
                }
            })?;
        Ok(Self { number, tasks })
    }

    /// Which of the workspace's document threads this is.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Hands over a task. The Replica bounds how many wait; a thread that ended answers none.
    pub(super) fn perform(&self, task: DocumentTask) {
        self.tasks.send(task).ok();
    }
}

/// The next task, and meanwhile what can be done without one; none once nobody gives any.
fn next(waiting: &mpsc::Receiver<DocumentTask>, documents: &mut Documents) -> Option<DocumentTask> {
    loop {
        match waiting.try_recv() {
            Ok(task) => return Some(task),
            Err(mpsc::TryRecvError::Disconnected) => return None,
            Err(mpsc::TryRecvError::Empty) if documents.rest() => {}
            Err(mpsc::TryRecvError::Empty) => return waiting.recv().ok(),
        }
    }
}

/// Starts the thread of this number for a workspace.
pub(super) fn start_documents(
    number: u64,
    inbox: &inbox::WeakSender<Wake>,
) -> Result<DocumentThread, Failure> {
    let inbox = inbox.clone();
    DocumentThread::start(number, move |done| {
        inbox.upgrade().is_some_and(|inbox| inbox.blocking_send(Wake::Done(number, done)).is_ok())
    })
    .map_err(|error| Failure::new(FailureKind::Failed, error))
}
