//! One workspace on a thread of its own: how it stops.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kernelos_protocol::command::{Command, Mode, ReadReply, Reply};
use kernelos_protocol::document::Edit;
use kernelos_protocol::id::EventId;
use kernelos_protocol::key::RecoveryKey;
use kernelos_protocol::limits::LOAD_SLICE_EVENTS;
use kernelos_protocol::store::{EventStore as _, LoadRequest};

use super::Engine;
use super::failing::take;
use crate::founding::{Founding, found};
use crate::home::Home;
use crate::missions::{Folder, StepTimeout, Worker};

/// A new workspace below `folder`: its store, the device's secret, and who runs nothing.
pub(super) fn founded(folder: &Path) -> (PathBuf, [u8; 32], Worker) {
    let home = Home::at(folder).own().unwrap();
    let recovery = RecoveryKey::from_bytes([0xec; 32]).public();
    let founding = Founding {
        name: "w".to_owned(),
        device: "founder".to_owned(),
        mode: Mode::Synced,
        recovery_signing: recovery.signing,
        recovery_sealing: EventId(recovery.sealing.0),
    };
    let store = found(&home, &founding).unwrap().1;
    let worker = Worker {
        folder: Folder::below(folder),
        hidden: folder.to_owned(),
        sandbox: Arc::new(Err("nothing runs here".to_owned())),
        runs: false,
        step_timeout: StepTimeout::default(),
    };
    (store, *home.device_secret().unwrap(), worker)
}

fn kept_glance(store: &Path, secret: &[u8; 32]) -> Option<Vec<u8>> {
    let mut store = take(store, secret).unwrap();
    store.load(&LoadRequest::From { cursor: 0, limit: 1 }).unwrap().glance
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_stop_keeps_what_was_shown_for_the_next_start() {
    // SPEC: DUR-9
    let folder = tempfile::tempdir().unwrap();
    let (store, secret, worker) = founded(folder.path());
    let mut seen = None;
    for number in 0..2 {
        let engine = Engine::start(&store, &secret, &worker).unwrap();
        let edit = Edit::Set { set: "notes/a".parse().unwrap(), value: number.into() };
        let reply = engine.ask(Command::Edit { edits: vec![edit] }).await;
        assert!(matches!(reply, Reply::Edited(_)), "{reply:?}");
        engine.stop().await;
        let kept = kept_glance(&store, &secret);
        assert!(kept.is_some() && kept != seen, "each stop keeps its own");
        seen = kept;
    }
}

/// A copy of a store's files, as a kill would have left them.
fn copied(store: &Path) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let name = store.file_name().unwrap().to_str().unwrap();
    for name in [name.to_owned(), format!("{name}-wal")] {
        std::fs::copy(store.with_file_name(&name), folder.path().join(&name)).unwrap();
    }
    let store = folder.path().join(name);
    (folder, store)
}

/// The first answer of a start from a copy of this store.
async fn first_glance(store: &Path, secret: &[u8; 32], worker: &Worker) -> ReadReply {
    let (_folder, store) = copied(store);
    let engine = Engine::start(&store, secret, worker).unwrap();
    let path = || "notes/a".parse().unwrap();
    let Reply::Read(first) = engine.ask(Command::Glance { path: path() }).await else { panic!() };
    let Reply::Read(whole) = engine.ask(Command::Read { path: path() }).await else { panic!() };
    assert_eq!((whole.value, whole.loading), ("acknowledged".into(), None));
    engine.stop().await;
    first
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_a_read_never_lacks_what_was_acknowledged_without_saying_so() {
    // SPEC: DUR-9
    let folder = tempfile::tempdir().unwrap();
    let (store, secret, worker) = founded(folder.path());
    let engine = Engine::start(&store, &secret, &worker).unwrap();
    let write = |value: &str| {
        let edit = Edit::Set { set: "notes/a".parse().unwrap(), value: value.into() };
        Command::Edit { edits: vec![edit] }
    };
    for _ in 0..3 * LOAD_SLICE_EVENTS / 64 {
        let mut asked = tokio::task::JoinSet::new();
        for number in 0..64 {
            let (asker, command) = (engine.asker(), write(&number.to_string()));
            asked.spawn(async move { asker.ask(command).await });
        }
        asked.join_all().await.iter().for_each(|reply| assert!(matches!(reply, Reply::Edited(_))));
    }
    engine.ask(write("shown")).await;
    engine.stop().await;
    let engine = Engine::start(&store, &secret, &worker).unwrap();
    engine.ask(write("acknowledged")).await;
    // All starts are from this one moment: five seconds later the store has a newer glance.
    let (_killed, killed) = copied(&store);
    engine.stop().await;
    // How soon a start is asked is the machine's to decide; that it is before it read three slices
    // is so nearly always.
    let mut marked = 0;
    for _ in 0..20 {
        let first = first_glance(&killed, &secret, &worker).await;
        match first.loading {
            Some(loading) => {
                assert_eq!((loading.of, first.value), (loading.shown + 1, "shown".into()));
                marked += 1;
            }
            None => assert_eq!(first.value, "acknowledged"),
        }
        if marked > 2 {
            break;
        }
    }
    assert!(marked > 0, "a start that is asked at once answers by its glance");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_store_owes_is_shown_and_done_without_a_commit() {
    // SPEC: DUR-15
    let folder = tempfile::tempdir().unwrap();
    let (store, secret, worker) = founded(folder.path());
    let owed = "SELECT count(*) FROM meta WHERE name = 'shredding'";
    let owes = |connection: &rusqlite::Connection| -> i64 {
        connection.query_row(owed, [], |row| row.get(0)).unwrap()
    };
    let beside = rusqlite::Connection::open(&store).unwrap();
    beside.execute("INSERT INTO meta (name, value) VALUES ('shredding', x'')", []).unwrap();
    // Somebody reads the store: nothing can be done meanwhile.
    beside.execute_batch("BEGIN").unwrap();
    assert_eq!(owes(&beside), 1);
    let engine = Engine::start(&store, &secret, &worker).unwrap();
    let edit = Edit::Set { set: "notes/a".parse().unwrap(), value: 1.into() };
    engine.ask(Command::Edit { edits: vec![edit] }).await;
    let Reply::Status(status) = engine.ask(Command::Status).await else { panic!("no status") };
    assert!(status.shredding);
    engine.stop().await;
    beside.execute_batch("COMMIT").unwrap();

    let engine = Engine::start(&store, &secret, &worker).unwrap();
    // It is the engine that is asked: who reads the store meanwhile holds up what is owed.
    let is_done = async {
        loop {
            let Reply::Status(status) = engine.ask(Command::Status).await else { panic!() };
            if !status.shredding {
                break;
            }
            crate::portable::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(crate::portable::timeout(Duration::from_secs(10), is_done).await.is_some());
    assert_eq!(owes(&beside), 0);
    engine.stop().await;
}
