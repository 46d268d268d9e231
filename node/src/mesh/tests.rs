//! Who is greeted: the first words on a link, or their absence.

use kernelos_protocol::command::Mode;
use kernelos_protocol::id::{EventId, Incarnation};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::sync::{KEPT_OUT, workspace_tag};
use tokio::time::Instant;

use super::*;
use crate::founding::Founding;
use crate::home::Home;
use crate::missions::{Folder, StepTimeout, Worker};
use crate::transport::LinkClosed;
use crate::transport::memory::{MemoryNetwork, MemoryTransport};

/// A node on no network, and two ends of a link to it.
struct World {
    node: Arc<Node>,
    near: Link,
    far: Link,
    _keep: (tempfile::TempDir, [MemoryTransport; 2]),
}

async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path()).own().unwrap();
    let worker = Worker {
        folder: Folder::below(folder.path()),
        hidden: folder.path().to_owned(),
        sandbox: Arc::new(Err("no agents run here".to_owned())),
        runs: false,
        step_timeout: StepTimeout::default(),
    };
    let ways = Ways { listen: Listen::None, quic: None, mdns: false, gossip: false };
    let node = Node::start(home, ways, worker).unwrap();
    let network = MemoryNetwork::default();
    let bind = |device| network.bind(device, Arc::new(|_, _| true));
    let (a, b) = (bind(DeviceKey::from_secret(&[1; 32]).device()), bind(node.device()));
    let far = a.dial(b.device(), &b.addresses(), Protocol::Sync).await.unwrap();
    let near = b.accept().await.unwrap();
    World { node, near, far, _keep: (folder, [a, b]) }
}

fn hello(workspace: [u8; 32]) -> Vec<u8> {
    let (incarnation, lanes_hash) = (Incarnation([1; 8]), [0; 32]);
    Message::Hello { workspace, incarnation, lanes_hash }.encode()
}

#[tokio::test(start_paused = true)]
async fn whoever_says_nothing_is_let_go_after_ten_seconds_however_often_it_says_so() {
    // SPEC: LINK-4, LINK-7
    for empty_every in [None, Some(Duration::from_secs(4))] {
        let World { node, near, far, _keep } = world().await;
        let (mut sender, mut receiver) = far.split();
        let started = Instant::now();
        let greeting = tokio::spawn(greet(node, near));
        // Kept to the end: half a link is none.
        let talking = tokio::spawn(async move {
            while let Some(every) = empty_every
                && sender.send(&[]).await.is_ok()
            {
                sleep(every).await;
            }
            sender
        });
        let end = timeout(6 * HELLO, receiver.receive()).await;
        assert_eq!(end, Some(Err(LinkClosed::Left)));
        assert_eq!(started.elapsed().as_millis(), HELLO.as_millis());
        greeting.await.unwrap();
        talking.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_word_that_is_no_hello_to_a_workspace_here_ends_the_link_and_tells_nothing() {
    // SPEC: SYNC-1, SYNC-2
    let ack = Message::Ack(1).encode();
    for (said, reason) in
        [(vec![0xff], "frame_decode"), (ack, "hello"), (hello([7; 32]), "unknown workspace")]
    {
        let World { node, near, mut far, _keep } = world().await;
        let greeting = tokio::spawn(greet(node, near));
        far.send(&said).await.unwrap();
        assert_eq!(far.receive().await, Err(LinkClosed::Peer(reason.to_owned())));
        greeting.await.unwrap();
    }
}

#[tokio::test]
async fn who_has_nothing_to_say_yet_is_greeted_when_it_says_hello() {
    // SPEC: LINK-4, SYNC-2
    let World { node, near, mut far, _keep } = world().await;
    let recovery = DeviceKey::from_secret(&[9; 32]).device();
    let founding = Founding {
        name: "home".to_owned(),
        device: "laptop".to_owned(),
        mode: Mode::Synced,
        recovery_signing: recovery,
        recovery_sealing: EventId([9; 32]),
    };
    let founded = node.found(&founding).await.unwrap();
    let greeting = tokio::spawn(greet(Arc::clone(&node), near));
    for _ in 0..3 {
        far.send(&[]).await.unwrap();
    }
    far.send(&hello(workspace_tag(&far.exporter, &founded.workspace_id))).await.unwrap();
    greeting.await.unwrap();
    // The workspace speaks now: it hands nothing to who is no member, and says so.
    let answer = far.receive().await;
    assert_eq!(answer, Err(LinkClosed::Peer("not_member".to_owned())));
    node.stop().await;
}

#[test]
fn who_is_kept_out_knocks_less_often_each_time_and_who_lost_a_connection_at_once() {
    // SPEC: LINK-9
    let mut attempt = Attempt::new(0, 0);
    let mut waits = Vec::new();
    let mut now_ms = 0;
    for _ in 0..6 {
        attempt.dialed(now_ms);
        attempt.was_met = true;
        attempt.miss(now_ms, 0, true);
        waits.push(attempt.at_ms - now_ms);
        now_ms = attempt.at_ms;
    }
    assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
    attempt.dialed(now_ms);
    attempt.miss(now_ms, 0, false);
    assert_eq!(attempt.at_ms, now_ms + 15_000, "it was not reached");
    attempt.was_met = true;
    attempt.miss(now_ms, POLITE_MS, false);
    assert_eq!((attempt.at_ms, attempt.delay_ms), (now_ms + POLITE_MS, RETRY_MS.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_kept_out_each_time_it_was_met_dials_ever_less() {
    // SPEC: LINK-9
    let World { node, _keep, .. } = world().await;
    let network = MemoryNetwork::default();
    let bind = |device| network.bind(device, Arc::new(|_, _| true));
    let (far, near) = (bind(DeviceKey::from_secret(&[1; 32]).device()), bind(node.device()));
    let introducer = (far.device(), far.addresses());
    node.enter(WorkspaceId([7; 32]), "home", "laptop", introducer).await.unwrap();
    let dialing = tokio::spawn(dial(Arc::downgrade(&node), Arc::new(near), None));
    let mut met = 0;
    let keeping_out = async {
        while let Some(link) = far.accept().await {
            met += 1;
            // Long enough to be seen as connected.
            sleep(2 * LOOK).await;
            link.close(KEPT_OUT);
        }
    };
    timeout(Duration::from_secs(6), keeping_out).await;
    // At once, and one, three and seven seconds later.
    assert!((2..=3).contains(&met), "dialed {met} times in six seconds");
    dialing.abort();
    node.stop().await;
}

#[test]
fn who_is_heard_by_gossip_is_dialed_at_once_when_that_begins_and_no_more_often_after() {
    // SPEC: HINT-5
    let mut attempt = Attempt::new(0, 0);
    let mut now_ms = 0;
    for _ in 0..6 {
        attempt.dialed(now_ms);
        now_ms = attempt.at_ms;
    }
    attempt.dialed(now_ms);
    let late = attempt.at_ms;
    attempt.hear(None, now_ms + 1, false);
    attempt.hear(Some(now_ms + 1), now_ms + 1, true);
    assert_eq!(attempt.at_ms, late, "who keeps this one out is left alone");
    attempt.hear(Some(now_ms + 2), now_ms + 3, false);
    assert_eq!((attempt.at_ms, attempt.delay_ms), (now_ms + 3, RETRY_MS.0));
    attempt.dialed(now_ms + 3);
    let next = attempt.at_ms;
    attempt.hear(Some(now_ms + 2), now_ms + 4, false);
    assert_eq!(attempt.at_ms, next, "it is there since then as before");
    attempt.was_met = true;
    attempt.miss(now_ms + 5, POLITE_MS, false);
    attempt.hear(Some(now_ms + 2), now_ms + 6, false);
    assert_eq!(attempt.at_ms, now_ms + 5 + POLITE_MS, "nor does a lost link make it new");
}
