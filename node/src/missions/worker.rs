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

fn on_a_thread(
    answer: Answer<impl FnOnce(Ticket, Outcome) + Send + 'static>,
    work: impl FnOnce() -> Outcome + Send + 'static,
) {
    let thread = thread::Builder::new().name("mission".to_owned());
    let spawned = thread.spawn(move || answer.give(work()));
    // Where there is no thread the answer was dropped with it, and so given.
    drop(spawned);
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
        on_a_thread(Answer { ticket, done: Some(done) }, move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(desktop.perform(&order)),
                Err(error) => Outcome::Failed(error.to_string()),
            }
        });
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_order_whose_thread_panics_is_answered_and_so_are_others_then() {
        let (tell, told) = channel();
        let mut done: Vec<_> = Vec::new();
        type Work = fn() -> Outcome;
        let works: [Work; 3] = [
            || panic!("a fault in the node"),
            || Outcome::Failed("the disk is full".to_owned()),
            || std::panic::panic_any(7),
        ];
        for (number, work) in (1..).zip(works) {
            let tell = tell.clone();
            let answer = Answer {
                ticket: Ticket(number),
                done: Some(move |ticket, outcome| tell.send((ticket, outcome)).unwrap()),
            };
            on_a_thread(answer, work);
            done.push(told.recv_timeout(Duration::from_secs(40)).unwrap());
        }
        let failed = |number, why: &str| (Ticket(number), Outcome::Failed(why.to_owned()));
        let node = "the node failed at it";
        assert_eq!(done, [failed(1, node), failed(2, "the disk is full"), failed(3, node)]);
        drop(tell);
        assert!(told.recv().is_err(), "each is answered once");
    }
}
