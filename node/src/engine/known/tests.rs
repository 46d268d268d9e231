//! Who brings a history that is lost.

use std::sync::Arc;

use kernelos_protocol::command::{Command, Mode, Reply};
use kernelos_protocol::id::{EventId, Incarnation, WorkspaceId};
use kernelos_protocol::key::{DeviceKey, RecoveryKey};

use super::*;
use crate::engine::Engine;
use crate::founding::{Founding, found};
use crate::home::Home;
use crate::missions::{Folder, StepTimeout, Worker};
use crate::store::{Meta, SqliteStore};
use crate::transport::memory::MemoryNetwork;
use crate::transport::{LinkClosed, Protocol, Transport as _};

fn worker(folder: &Path) -> Worker {
    Worker {
        folder: Folder::below(folder),
        hidden: folder.to_owned(),
        sandbox: Arc::new(Err("no agents run here".to_owned())),
        runs: false,
        step_timeout: StepTimeout::default(),
    }
}

fn device(number: u8) -> DeviceId {
    DeviceKey::from_secret(&[number; 32]).device()
}

#[tokio::test]
async fn a_lost_history_is_taken_of_members_alone_where_it_is_known_who_they_were() {
    // SPEC: DUR-7
    for (known, comes, is_let_in) in [
        (Some(vec![device(1), device(2)]), 2, true),
        (Some(vec![device(1), device(2)]), 3, false),
        (Some(vec![device(1)]), 2, false),
        (None, 3, true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let workspace = WorkspaceId([7; 32]);
        let place = folder.path().join(workspace.to_string());
        std::fs::create_dir(&place).unwrap();
        let path = place.join("store.db");
        let mut store = SqliteStore::create(&path).unwrap();
        store
            .write_meta(&Meta {
                workspace,
                name: "home".to_owned(),
                device: "laptop".to_owned(),
                mode: Mode::Synced,
                incarnation: Incarnation([1; 8]),
                introducer: None,
            })
            .unwrap();
        drop(store);
        if let Some(known) = &known {
            let text: String = known.iter().map(|member| format!("{member}\n")).collect();
            std::fs::write(place.join("members"), text).unwrap();
        }
        let engine = Engine::start(&path, &[1; 32], &worker(folder.path())).unwrap();
        let network = MemoryNetwork::default();
        let bind = |number| network.bind(device(number), Arc::new(|_, _| true));
        let (own, other) = (bind(1), bind(comes));
        let mut far = other.dial(own.device(), &own.addresses(), Protocol::Sync).await.unwrap();
        engine.attach(own.accept().await.unwrap(), None).await;
        let heard = far.receive().await;
        if is_let_in {
            assert!(matches!(&heard, Ok(Some(_))), "{known:?}: {heard:?}");
        } else {
            let told = Err(LinkClosed::Peer("not_member".to_owned()));
            assert_eq!(heard, told, "{known:?}");
        }
        engine.stop().await;
    }
}

#[tokio::test]
async fn who_the_members_are_is_kept_beside_the_store() {
    // SPEC: DUR-7
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(&folder.path().join("home")).own().unwrap();
    let recovery = RecoveryKey::from_bytes([3; 32]).public();
    let founding = Founding {
        name: "home".to_owned(),
        device: "laptop".to_owned(),
        mode: Mode::Synced,
        recovery_signing: recovery.signing,
        recovery_sealing: EventId(recovery.sealing.0),
    };
    let (_, store) = found(&home, &founding).unwrap();
    let secret = home.device_secret().unwrap();
    let engine = Engine::start(&store, &secret, &worker(folder.path())).unwrap();
    let Reply::Status(status) = engine.ask(Command::Status).await else { panic!("a status") };
    let kept = Known::beside(&store);
    assert_eq!(kept.members, Some(BTreeSet::from([status.device_id])));
    assert!(kept.may_bring(&status.device_id) && !kept.may_bring(&device(9)));
    engine.stop().await;
    std::fs::write(&kept.at, "what is this?\n").unwrap();
    assert_eq!(Known::beside(&store).members, None);
}

#[test]
fn members_that_a_disk_did_not_take_are_written_when_it_does() {
    // SPEC: DUR-7
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("workspace");
    let mut known = Known::beside(&place.join("store.db"));
    let members = BTreeSet::from([device(1), device(2)]);
    known.keep(members.iter());
    std::fs::create_dir(&place).unwrap();
    known.keep(members.iter());
    assert_eq!(Known::beside(&place.join("store.db")).members, Some(members));
}

#[test]
fn what_others_may_know_is_told_anew_where_it_is_another_and_not_copied_where_it_is_not() {
    let members = BTreeSet::from([device(1), device(2)]);
    let mut told = BTreeSet::new();
    renew(&mut told, members.iter());
    assert_eq!(told, members);
    // A copy is made before what it takes the place of is gone: it stands elsewhere.
    let place = |told: &BTreeSet<DeviceId>| told.first().map(std::ptr::from_ref);
    let before = place(&told);
    renew(&mut told, members.iter());
    assert_eq!((&told, place(&told)), (&members, before), "nothing is copied");
    for now in
        [BTreeSet::from([device(1)]), BTreeSet::from([device(1), device(3)]), BTreeSet::new()]
    {
        renew(&mut told, now.iter());
        assert_eq!(told, now, "who went is gone, who came is there");
    }
}
