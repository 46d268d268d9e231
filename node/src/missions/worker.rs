//! Runs the orders of a workspace's missions, each on a thread of its own, and stops them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use kernelos_protocol::mission::work::{Order, Outcome, Ticket};
use tokio::sync::watch;

use super::folder::Folder;
use super::orders::Desktop;
use super::timeout::StepTimeout;
use crate::engine::Asker;
use crate::sandbox::Sandbox;

/// What a device lends to its missions.
#[derive(Debug, Clone)]
pub struct Worker {
    /// Where they work.
    pub folder: Folder,
    /// What no command may see: the node's home.
    pub hidden: PathBuf,
    /// The sandbox that this device keeps, or why there is none.
    pub sandbox: Arc<Result<Sandbox, String>>,
    /// Do agents run here?
    pub runs: bool,
    /// For how long one command may run.
    pub step_timeout: StepTimeout,
}

/// Says what came of an order, also where its thread panics or never starts: a lease whose order
/// is never answered would be held for ever.
struct Answer<F: FnOnce(Ticket, Outcome)> {
    ticket: Ticket,
    done: Option<F>,
}

impl<F: FnOnce(Ticket, Outcome)> Answer<F> {
    fn give(mut self, outcome: Outcome) {
        if let Some(done) = self.done.take() {
            done(self.ticket, outcome);
        }
    }
}

impl<F: FnOnce(Ticket, Outcome)> Drop for Answer<F> {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done(self.ticket, Outcome::Failed("the node failed at it".to_owned()));
        }
    }
}

/// The orders under way. Dropping it stops them.
#[derive(Debug, Default)]
pub(crate) struct UnderWay(BTreeMap<Ticket, watch::Sender<bool>>);

impl UnderWay {
    /// Starts an order; `done` hears what came of it, unless it was cancelled.
    pub(crate) fn start(
        &mut self,
        worker: &Worker,
        asker: Asker,
        order: Order,
        done: impl FnOnce(Ticket, Outcome) + Send + 'static,
    ) {
        self.0.retain(|_, stop| !stop.is_closed());
        let (stop, stopped) = watch::channel(false);
        let ticket = order.ticket;
        self.0.insert(ticket, stop);
        let desktop = Desktop { worker: worker.clone(), asker, stopped };
        let answer = Answer { ticket, done: Some(done) };
        let spawned = thread::Builder::new().name("mission".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            answer.give(match runtime {
                Ok(runtime) => runtime.block_on(desktop.perform(&order)),
                Err(error) => Outcome::Failed(error.to_string()),
            });
        });
        // Where there is no thread the answer was dropped with it, and so given.
        drop(spawned);
    }

    /// Stops all of them.
    pub(crate) fn cancel_all(&mut self) {
        for (_, stop) in std::mem::take(&mut self.0) {
            stop.send(true).ok();
        }
    }

    /// Stops an order.
    pub(crate) fn cancel(&mut self, ticket: Ticket) {
        if let Some(stop) = self.0.remove(&ticket) {
            stop.send(true).ok();
        }
    }
}
