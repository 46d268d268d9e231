//! The end of a join file while somebody comes in by it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;

use kernelos_protocol::command::Mode;
use kernelos_protocol::id::EventId;
use kernelos_protocol::key::RecoveryKey;

use super::*;
use crate::founding::Founding;
use crate::home::Home;
use crate::mesh::{Listen, Ways};
use crate::missions::{Folder, StepTimeout, Worker};

/// A node with a workspace to which an invitation stands.
struct World {
    node: Arc<Node>,
    engine: Arc<Engine>,
    invitation: InvitationId,
    _home: tempfile::TempDir,
}

async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path()).own().unwrap();
    home.set_offline(true).unwrap();
    let worker = Worker {
        folder: Folder::below(folder.path()),
        hidden: folder.path().to_owned(),
        sandbox: Arc::new(Err("no agents run here".to_owned())),
        runs: false,
        step_timeout: StepTimeout::default(),
    };
    let ways = Ways { listen: Listen::None, quic: None, mdns: false, gossip: false };
    let node = Node::start(home, ways, worker).unwrap();
    let recovery = RecoveryKey::from_bytes([3; 32]).public();
    let founding = Founding {
        name: "home".to_owned(),
        device: "laptop".to_owned(),
        mode: Mode::Synced,
        recovery_signing: recovery.signing,
        recovery_sealing: EventId(recovery.sealing.0),
    };
    node.found(&founding).await.unwrap();
    let engine = node.engine(None).unwrap();
    let now_s = clock::now().wall_us / 1_000_000;
    let role = (Role::Store, 1);
    let standing = Standing::new([1; 16], engine.workspace(), role, now_s, 3_600).unwrap();
    let invitation = standing.secret(node.secret()).invitation();
    lock(&node.pairing().standing).kept.insert(invitation, standing);
    World { node, engine, invitation, _home: folder }
}

/// Does it wait?
async fn waits<T>(mut done: Pin<&mut impl Future<Output = T>>) -> bool {
    std::future::poll_fn(|context| Poll::Ready(done.as_mut().poll(context).is_pending())).await
}

#[tokio::test]
async fn who_ends_a_join_file_is_answered_when_no_grant_by_it_is_under_way() {
    // SPEC: PAIR-26
    let World { node, engine, invitation, _home } = world().await;
    let pairing = node.pairing();
    let under_way = pairing.granting.read().await;
    let mut ends = pin!(pairing.withdraw(&node, &engine, invitation));
    assert!(waits(ends.as_mut()).await);
    assert_eq!(pairing.uses(&invitation), Err(PairingCode::Cancelled), "nobody begins to");
    drop(under_way);
    assert_eq!(ends.await.unwrap().over, Some(PairingCode::Cancelled));
}

#[tokio::test]
async fn a_grant_that_is_asked_for_behind_the_end_is_not_written() {
    // SPEC: PAIR-26
    let World { node, engine, invitation, _home } = world().await;
    let pairing = node.pairing();
    let ending = pairing.granting.write().await;
    let workspace = engine.workspace().to_string();
    let asks = |_| panic!("it asks for a grant");
    let mut enters = pin!(admit(Arc::clone(&node), LinkId(1), invitation, workspace, asks));
    assert!(waits(enters.as_mut()).await);
    pairing.end_standing(&node, invitation, PairingCode::Cancelled);
    drop(ending);
    enters.await;
}
