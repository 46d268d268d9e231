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
        let spawned = thread::Builder::new().name("mission".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let outcome = match runtime {
                Ok(runtime) => runtime.block_on(desktop.perform(&order)),
                Err(error) => Outcome::Failed(error.to_string()),
            };
            done(ticket, outcome);
        });
        // Without a thread the order is never answered, and the lease runs out.
        drop(spawned);
    }

    /// Stops an order.
    pub(crate) fn cancel(&mut self, ticket: Ticket) {
        if let Some(stop) = self.0.remove(&ticket) {
            stop.send(true).ok();
        }
    }
}
