//! The missions' side of the loop: orders go out to threads, what was seen comes back in.

use kernelos_protocol::mission::work::{Order, Ticket};

use super::{Asker, Wake};
use crate::missions::{UnderWay, Worker};

/// What a workspace's missions ordered.
pub(super) struct Missions {
    worker: Worker,
    asker: Asker,
    under_way: UnderWay,
}

impl Missions {
    pub(super) fn new(worker: Worker, asker: Asker) -> Self {
        Self { worker, asker, under_way: UnderWay::default() }
    }

    /// How orders ask the workspace.
    pub(super) fn asker(&self) -> &Asker {
        &self.asker
    }

    /// Starts an order; what came of it is handed in.
    pub(super) fn start(&mut self, order: Order) {
        let inbox = self.asker.inbox.clone();
        self.under_way.start(&self.worker, self.asker.clone(), order, move |ticket, outcome| {
            let Some(inbox) = inbox.upgrade() else { return };
            inbox.blocking_send(Wake::Worked(ticket, Box::new(outcome))).ok();
        });
    }

    /// Stops all orders: who gave them is gone.
    pub(super) fn cancel_all(&mut self) {
        self.under_way.cancel_all();
    }

    /// Stops an order.
    pub(super) fn cancel(&mut self, ticket: Ticket) {
        self.under_way.cancel(ticket);
    }
}
