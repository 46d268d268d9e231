//! Tells who watches that something changed which a surface shows. It says that, not what: a slow
//! watcher sees the newest number alone.
//!
//! Reads change nothing, so who reads at each change does not cause the next.

use std::collections::BTreeMap;

use kernelos_protocol::document::DocumentDone;
use kernelos_protocol::id::DeviceId;
use tokio::sync::watch;

use super::{Engine, Loop};
use crate::transport::{Path, PathKind};

/// What was told last, beside what is durable.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Seen {
    connected: BTreeMap<DeviceId, Option<PathKind>>,
    is_lost: bool,
    is_starting: bool,
}

impl Seen {
    fn of(connected: &BTreeMap<DeviceId, Option<Path>>, is_lost: bool, is_starting: bool) -> Self {
        // The round trip changes all the time.
        let kind = |path: &Option<Path>| path.map(|path| path.kind);
        let connected = connected.iter().map(|(device, path)| (*device, kind(path)));
        Self { connected: connected.collect(), is_lost, is_starting }
    }
}

/// The number of changes since the start, and what of it was told.
#[derive(Debug, Default)]
pub(super) struct Changes {
    told: watch::Sender<u64>,
    seen: Seen,
    /// Something changed in this turn.
    waits: bool,
}

impl Changes {
    /// By which others watch.
    pub(super) fn sender(&self) -> watch::Sender<u64> {
        self.told.clone()
    }

    /// Something is durable that was not.
    pub(super) fn stored(&mut self) {
        self.waits = true;
    }

    /// The documents show something else, or only answered.
    pub(super) fn done(&mut self, done: &DocumentDone) {
        self.waits |= matches!(done, DocumentDone::Holds { .. } | DocumentDone::Broken { .. });
    }
}

impl Engine {
    /// The number of changes that a surface shows, whenever it grows; ends when this does.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl Loop {
    /// Tells what the turn changed.
    pub(super) fn tell_changes(&mut self) {
        let is_lost = self.replica.is_lost();
        let is_starting = self.replica.is_starting();
        let seen = Seen::of(&self.links.paths(), is_lost, is_starting);
        let changes = &mut self.changes;
        if std::mem::take(&mut changes.waits) | (changes.seen != seen) {
            changes.seen = seen;
            changes.told.send_modify(|count| *count += 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use kernelos_protocol::command::{Command, Reply};
    use kernelos_protocol::document::Edit;

    use crate::engine::Engine;
    use crate::engine::tests::founded;

    fn write(number: u32) -> Command {
        let edit = Edit::Set { set: "notes/a".parse().unwrap(), value: number.into() };
        Command::Edit { edits: vec![edit] }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_write_is_a_change_and_a_read_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let (store, secret, worker) = founded(folder.path());
        let engine = Engine::start(&store, &secret, &worker).unwrap();
        let mut changes = engine.changes();
        assert!(matches!(engine.ask(write(0)).await, Reply::Edited(_)));
        changes.changed().await.unwrap();
        // A status comes behind all that the write set off.
        engine.ask(Command::Status).await;
        let before = *changes.borrow_and_update();
        let path = "notes/a".parse().unwrap();
        let reads = [
            Command::Status,
            Command::Devices,
            Command::Conflicts,
            Command::Read { path },
            Command::Missions,
            Command::Boards { all: true },
            Command::Quarantine,
            Command::Log { from: 0, limit: 9 },
        ];
        for read in reads {
            let reply = engine.ask(read.clone()).await;
            assert!(!matches!(reply, Reply::Failed(_)), "{read:?}: {reply:?}");
        }
        assert_eq!(*changes.borrow_and_update(), before, "reads change nothing");
        engine.ask(write(1)).await;
        changes.changed().await.unwrap();
        engine.stop().await;
        while changes.changed().await.is_ok() {}
    }
}
