//! Connections that come while the history is read still.

use std::sync::Arc;

use kernelos_protocol::command::{Command, Reply};
use kernelos_protocol::document::Edit;
use kernelos_protocol::id::Signature;
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::limits::LOAD_SLICE_EVENTS;
use kernelos_protocol::role::Role;
use kernelos_protocol::sync::Message;

use crate::engine::Engine;
use crate::engine::tests::founded;
use crate::transport::memory::MemoryNetwork;
use crate::transport::{Protocol, Transport as _};

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
