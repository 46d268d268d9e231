//! What a store owes its files: the loop goes on with it when nothing else wakes it, and says so
//! where somebody asks for the status (SPEC: DUR-15).

use std::time::Duration;

use kernelos_protocol::command::Reply;

use super::{Loop, Wake};
use crate::clock;
use crate::portable::timeout;

impl Loop {
    /// What comes in next, or nothing but that a deadline passed.
    pub(super) async fn next_wake(&mut self) -> Option<Wake> {
        let replica = self.replica.next_deadline();
        let replica = replica.map(|(at, _)| at.saturating_sub(clock::now().monotonic_ms));
        let store = self.store.open.owes().filter(|_| self.may_settle());
        let Some(left) = replica.into_iter().chain(store).min() else {
            return self.waiting.recv().await;
        };
        match timeout(Duration::from_millis(left), self.waiting.recv()).await {
            Some(wake) => wake,
            None => {
                if store == Some(left) {
                    self.store.open.settle();
                }
                Some(Wake::Deadline)
            }
        }
    }

    fn may_settle(&self) -> bool {
        !self.stopping && self.failed.is_none()
    }

    /// The Replica does not see the files of its store.
    pub(super) fn with_what_is_owed(&self, mut reply: Reply) -> Reply {
        if let Reply::Status(status) = &mut reply {
            status.shredding = self.store.open.owes().is_some();
        }
        reply
    }
}
