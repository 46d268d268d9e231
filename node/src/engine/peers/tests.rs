//! Connections that come while the history is read still, and again after one broke a rule.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::document::Edit;
use kernelos_protocol::id::Signature;
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::limits::{CONDUCT_WAIT_MS, LOAD_SLICE_EVENTS};
use kernelos_protocol::role::Role;
use kernelos_protocol::sync::{KEPT_OUT, Message};

use crate::engine::Engine;
use crate::engine::tests::founded;
use crate::transport::memory::MemoryNetwork;
use crate::transport::{LinkClosed, Protocol, Transport as _};

/// A member that this workspace has.
async fn let_in(engine: &Engine) -> DeviceKey {
    let member = DeviceKey::from_secret(&[7; 32]);
    let statement = member.sealing_statement();
    let grant = Command::Grant {
        device: member.device(),
        sealing_key: statement.key,
        sealing_signature: Signature(statement.signature),
        role: Role::Member,
        name: "phone".to_owned(),
        rule: "test".to_owned(),
        uses: None,
    };
    let reply = engine.ask(grant).await;
    assert!(matches!(reply, Reply::Granted { .. }), "{reply:?}");
    member
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_before_the_history_is_read_is_judged_by_all_of_it() {
    // SPEC: SYNC-6, DUR-9
    let folder = tempfile::tempdir().unwrap();
    let (store, secret, worker) = founded(folder.path());
    let engine = Engine::start(&store, &secret, &worker).unwrap();
    // The grant stands behind more than one slice of history.
    for number in 0..LOAD_SLICE_EVENTS + 100 {
        let edit = Edit::Set { set: "notes/a".parse().unwrap(), value: number.into() };
        let reply = engine.ask(Command::Edit { edits: vec![edit] }).await;
        assert!(matches!(reply, Reply::Edited(_)), "{reply:?}");
    }
    let member = let_in(&engine).await;
    engine.stop().await;

    let network = MemoryNetwork::default();
    let bind = |device| network.bind(device, Arc::new(|_, _| true));
    let (here, there) = (bind(DeviceKey::from_secret(&secret).device()), bind(member.device()));
    let mut far = there.dial(here.device(), &here.addresses(), Protocol::Sync).await.unwrap();
    let near = here.accept().await.unwrap();
    let engine = Engine::start(&store, &secret, &worker).unwrap();
    engine.attach(near, None).await;
    let frame = far.receive().await.expect("it is not cut off").expect("it is spoken with");
    let hello = Message::decode(&frame, &engine.workspace()).unwrap();
    assert!(matches!(hello, Message::Hello { .. }), "{hello:?}");
    engine.stop().await;
}

/// The engine of a new workspace.
fn started(folder: &Path) -> (Engine, DeviceKey) {
    let (store, secret, worker) = founded(folder);
    (Engine::start(&store, &secret, &worker).unwrap(), DeviceKey::from_secret(&secret))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_broke_a_rule_is_let_in_again_after_a_while_and_not_before() {
    // SPEC: LINK-9
    let folder = tempfile::tempdir().unwrap();
    let (engine, own) = started(folder.path());
    let member = let_in(&engine).await;
    let network = MemoryNetwork::default();
    let bind = |device| network.bind(device, Arc::new(|_, _| true));
    let (here, there) = (bind(own.device()), bind(member.device()));
    let meet = async || {
        let far = there.dial(here.device(), &here.addresses(), Protocol::Sync).await.unwrap();
        engine.attach(here.accept().await.unwrap(), None).await;
        far
    };
    let keeps_out = || {
        let now_ms = crate::clock::now().monotonic_ms;
        engine.shared(|shared| shared.keeps_out(&member.device(), now_ms))
    };
    let mut lost = meet().await;
    assert!(matches!(lost.receive().await, Ok(Some(_))), "it is greeted");
    drop(lost);
    assert!(!keeps_out(), "who is lost broke no rule");

    let (mut sender, mut receiver) = meet().await.split();
    sender.send(b"this is no message").await.unwrap();
    let ended = loop {
        match receiver.receive().await {
            Ok(Some(_)) => {}
            ended => break ended,
        }
    };
    assert!(matches!(&ended, Err(LinkClosed::Peer(why)) if why != KEPT_OUT), "{ended:?}");
    assert_eq!(meet().await.receive().await, Err(LinkClosed::Peer(KEPT_OUT.to_owned())));
    assert!(keeps_out(), "nor is it dialed");
    let Reply::Status(status) = engine.ask(Command::Status).await else { panic!("no status") };
    assert_eq!((status.peers[0].strikes, status.peers[0].kept_out_s), (1, Some(1)));
    crate::portable::sleep(Duration::from_millis(CONDUCT_WAIT_MS.0)).await;
    assert!(!keeps_out());
    assert!(matches!(meet().await.receive().await, Ok(Some(_))), "it is greeted again");
    engine.stop().await;
}
