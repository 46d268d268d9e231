//! Nodes on loopback that gossip, and one that behaves badly there.

use kernelos_protocol::command::{Command, Mode, Reply};
use kernelos_protocol::document::Edit;
use kernelos_protocol::id::{EventId, Signature};
use kernelos_protocol::key::{DeviceKey, RecoveryKey};
use kernelos_protocol::limits::{HINT_EVERY_MS, HINT_JUNK_AT_ONCE_MAX};
use kernelos_protocol::role::Role;
use kernelos_protocol::sync::hint::topic;

use super::*;
use crate::engine::Engine;
use crate::founding::Founding;
use crate::home::Home;
use crate::mesh::{Listen, Ways};
use crate::missions::{Folder, StepTimeout, Worker};
use crate::portable::sleep;

const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A node on loopback, with nothing in it.
fn node(gossip: bool) -> (Arc<Node>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path()).own().unwrap();
    let worker = Worker {
        folder: Folder::below(folder.path()),
        hidden: folder.path().to_owned(),
        sandbox: Arc::new(Err("no agents run here".to_owned())),
        runs: false,
        step_timeout: StepTimeout::default(),
    };
    let ways = Ways { listen: Listen::At(LOOPBACK), quic: None, mdns: false, gossip };
    (Node::start(home, ways, worker).unwrap(), folder)
}

/// The same with a workspace.
async fn founder(gossip: bool) -> (Arc<Node>, Arc<Engine>, tempfile::TempDir) {
    let (node, folder) = node(gossip);
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
    (node, engine, folder)
}

async fn grant(engine: &Engine, key: &DeviceKey, name: &str) {
    let statement = key.sealing_statement();
    let grant = Command::Grant {
        device: key.device(),
        sealing_key: statement.key,
        sealing_signature: Signature(statement.signature),
        role: Role::Member,
        name: name.to_owned(),
        rule: "test".to_owned(),
        uses: None,
    };
    let reply = engine.ask(grant).await;
    assert!(matches!(reply, Reply::Granted { .. }), "{reply:?}");
}

/// Where a node is.
async fn address(node: &Arc<Node>) -> SocketAddr {
    node.transport().await.unwrap().addresses()[0]
}

/// Waits for what has to come.
async fn until(what: &str, seen: impl AsyncFn() -> bool) {
    for _ in 0..600 {
        if seen().await {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("{what} never came");
}

/// One with this secret that gossips by itself, without a node.
async fn alone(secret: [u8; 32]) -> (IrohTransport, Gossip) {
    let (neighbours, _) = mpsc::channel(1);
    let open = Arc::new(|_: &DeviceId, _| true);
    let bound = IrohTransport::bind_with(&secret, LOOPBACK, open, Some(neighbours)).await.unwrap();
    let gossip = bound.gossip().unwrap();
    (bound, gossip)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gossip_with_a_stranger_is_refused_and_with_a_device_that_is_revoked_ends() {
    // SPEC: HINT-3
    let (node, engine, _folder) = founder(true).await;
    let member = DeviceKey::from_secret(&[7; 32]);
    grant(&engine, &member, "phone").await;
    let at = address(&node).await;
    let stranger = alone([8; 32]).await;
    let refused = stranger.1.dial(node.device(), at).await.unwrap();
    until("the refusal", async || !refused.is_open()).await;
    assert_eq!(refused.ended().as_deref(), Some(NOT_A_MEMBER));

    let phone = alone([7; 32]).await;
    let neighbour = phone.1.dial(node.device(), at).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(neighbour.ended(), None, "a member is let in");
    let revoked =
        engine.ask(Command::Revoke { device: member.device(), reason: "lost".to_owned() }).await;
    assert!(!matches!(revoked, Reply::Failed(_)), "{revoked:?}");
    until("the end", async || !neighbour.is_open()).await;
    assert_eq!(neighbour.ended().as_deref(), Some(NOT_A_MEMBER));
    drop(engine);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_gossip_is_off_nobody_speaks_it() {
    // SPEC: HINT-3
    let (node, engine, _folder) = founder(false).await;
    grant(&engine, &DeviceKey::from_secret(&[7; 32]), "phone").await;
    let phone = alone([7; 32]).await;
    let dialed = phone.1.dial(node.device(), address(&node).await).await;
    assert!(matches!(dialed, Err(crate::transport::DialError::Refused(_))), "no such protocol");
    assert!(engine.shared(|shared| shared.frontier.is_none()), "nor is anything told for it");
    drop(engine);
    node.stop().await;
}

/// A member that floods another one by gossip for good, until it is put away.
async fn floods(engine: &Engine, node: &Arc<Node>, phone: &Gossip) {
    let neighbour = phone.dial(node.device(), address(node).await).await.unwrap();
    assert!(phone.take(&neighbour).await);
    let (teller, mut listener) = phone.join(topic(&engine.workspace())).await.unwrap();
    assert!(teller.meet(&[node.device()]).await);
    let up = timeout(Duration::from_secs(30), listener.next()).await.unwrap();
    assert_eq!(up, Some(Came::Up(node.device())));
    for number in 0..30 * HINT_JUNK_AT_ONCE_MAX {
        teller.tell(number.to_be_bytes().to_vec()).await;
    }
    until("the end of the flood", async || !neighbour.is_open()).await;
    assert_eq!(neighbour.ended().as_deref(), Some(PUT_AWAY));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_floods_junk_by_gossip_is_put_away_and_is_synced_with_all_the_same() {
    // SPEC: HINT-4
    let (laptop, engine, _folder) = founder(true).await;
    let phone = alone([7; 32]).await;
    grant(&engine, &DeviceKey::from_secret(&[7; 32]), "phone").await;
    let (server, _other) = node(true);
    grant(&engine, &server.key(), "server").await;
    let introducer = (laptop.device(), vec![address(&laptop).await]);
    let theirs = server.enter(engine.workspace(), "home", "server", introducer).await.unwrap();
    server.go_online().await.unwrap();
    until("a hint of the server", async || {
        engine.shared(|shared| shared.heard.contains_key(&server.device()))
    })
    .await;

    floods(&engine, &laptop, &phone.1).await;
    // It may come again, and is turned away.
    let again = phone.1.dial(laptop.device(), address(&laptop).await).await.unwrap();
    until("the refusal", async || !again.is_open()).await;
    assert_eq!(again.ended().as_deref(), Some(PUT_AWAY));

    let edit = Edit::Set { set: "notes/a".parse().unwrap(), value: 7.into() };
    let reply = engine.ask(Command::Edit { edits: vec![edit] }).await;
    assert!(matches!(reply, Reply::Edited(_)), "{reply:?}");
    let events = async || {
        let Reply::Status(status) = theirs.ask(Command::Status).await else { return None };
        Some((status.events, status.state_hash))
    };
    let Reply::Status(ours) = engine.ask(Command::Status).await else { panic!("no status") };
    until("the edit", async || events().await == Some((ours.events, ours.state_hash))).await;
    let linked = engine.shared(|shared| shared.connected.contains_key(&server.device()));
    assert!(linked, "links are as they were");
    drop((engine, theirs));
    laptop.stop().await;
    server.stop().await;
}

/// Sends what no topic here takes and no budget of hints counts, as fast as it is read.
async fn pours(neighbour: &Neighbour) -> u64 {
    let connection = neighbour.raw();
    let frame = |length: u32, byte: u8| {
        let bytes = usize::try_from(length).unwrap();
        [&length.to_be_bytes()[..], &vec![byte; bytes]].concat()
    };
    // The topic, then what is no message.
    let stream = [frame(32, 9), frame(4_000, 0xff)].concat();
    let mut poured = 0;
    while let Ok(mut sending) = connection.open_uni().await {
        if sending.write_all(&stream).await.is_ok() {
            poured += stream.len() as u64;
        }
        sending.finish().ok();
    }
    poured
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_pours_in_what_is_no_hint_is_put_away_too() {
    // SPEC: HINT-4
    let (node, engine, _folder) = founder(true).await;
    grant(&engine, &DeviceKey::from_secret(&[7; 32]), "phone").await;
    let phone = alone([7; 32]).await;
    let neighbour = phone.1.dial(node.device(), address(&node).await).await.unwrap();
    let poured = timeout(Duration::from_secs(60), pours(&neighbour)).await;
    assert!(poured.is_some_and(|poured| poured > GOSSIP_BYTES_AT_ONCE / 2), "{poured:?}");
    assert_eq!(neighbour.ended().as_deref(), Some(PUT_AWAY));
    drop(engine);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_near_and_came_to_the_topic_later_is_met_there_without_a_word_of_its_own() {
    // SPEC: HINT-3. Nothing tells of it but the look every half minute: its connection stays, and
    // it was not on the topic when it was met at first.
    let (node, engine, _folder) = founder(true).await;
    grant(&engine, &DeviceKey::from_secret(&[7; 32]), "phone").await;
    let phone = alone([7; 32]).await;
    let neighbour = phone.1.dial(node.device(), address(&node).await).await.unwrap();
    assert!(phone.1.take(&neighbour).await);
    sleep(Duration::from_secs(5)).await;
    let (_teller, mut listener) = phone.1.join(topic(&engine.workspace())).await.unwrap();
    let soon = Duration::from_millis(2 * HINT_EVERY_MS);
    let came = timeout(soon, listener.next()).await.expect("it was never met");
    assert_eq!(came, Some(Came::Up(node.device())));
    assert!(neighbour.is_open());
    drop(engine);
    node.stop().await;
}
