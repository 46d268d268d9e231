//! LINK-4 in virtual time: what says nothing says so, and silence ends a link. And how frames are
//! read.

use std::sync::Arc;

use kernelos_protocol::id::{ChainId, EventId, Incarnation, Lane, WorkspaceId};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::sync::Tip;
use tokio::time::Instant;

use super::*;
use crate::transport::memory::{MemoryNetwork, MemoryTransport};
use crate::transport::{Protocol, Transport as _};

const ALIVE: Duration = Duration::from_millis(ALIVE_MS);
const SILENT: Duration = Duration::from_millis(SILENT_MS);

/// A connection that the engine's side has taken over, and the peer's end of it.
struct World {
    links: Links,
    id: LinkId,
    far: Link,
    inbox: mpsc::Receiver<Wake>,
    /// Weak in the reader: who drops it stops the engine.
    _keep: (mpsc::Sender<Wake>, [MemoryTransport; 2]),
}

async fn world() -> World {
    let network = MemoryNetwork::default();
    let bind = |number| {
        let device = DeviceKey::from_secret(&[number; 32]).device();
        network.bind(device, Arc::new(|_, _| true))
    };
    let (a, b) = (bind(1), bind(2));
    let near = a.dial(b.device(), &b.addresses(), Protocol::Sync).await.unwrap();
    let far = b.accept().await.unwrap();
    let (sender, inbox) = mpsc::channel(16);
    let mut links = Links::default();
    let id = links.open(near, WorkspaceId::UNBORN, sender.downgrade());
    World { links, id, far, inbox, _keep: (sender, [a, b]) }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_has_nothing_to_say_says_so_every_four_seconds() {
    // SPEC: LINK-4
    let mut world = world().await;
    for _ in 0..3 {
        let started = Instant::now();
        assert_eq!(world.far.receive().await, Ok(Some(Vec::new())));
        assert_eq!(started.elapsed().as_millis(), ALIVE.as_millis());
    }
    world.links.send(world.id, vec![7; 3]);
    let started = Instant::now();
    assert_eq!(world.far.receive().await, Ok(Some(vec![7; 3])), "and frames are not held up");
    assert!(started.elapsed() < ALIVE);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_says_anything_is_down_after_sixteen_seconds() {
    // SPEC: LINK-4
    let mut world = world().await;
    let started = Instant::now();
    let Some(Wake::Down(id, reason)) = world.inbox.recv().await else { panic!("it is down") };
    assert_eq!((id, started.elapsed().as_millis()), (world.id, SILENT.as_millis()));
    assert_eq!(reason, LinkClosed::Lost.to_string());
}

#[tokio::test(start_paused = true)]
async fn empty_frames_keep_a_link_and_reach_nobody() {
    // SPEC: LINK-4
    let World { links: _links, far, mut inbox, _keep, .. } = world().await;
    let (mut sender, mut receiver) = far.split();
    spawn(async move { while let Ok(Some(_)) = receiver.receive().await {} });
    for _ in 0..20 {
        tokio::time::sleep(3 * SILENT / 4).await;
        sender.send(&[]).await.unwrap();
    }
    assert!(inbox.try_recv().is_err(), "neither a message nor an end");
    assert!(matches!(inbox.recv().await, Some(Wake::Down(..))), "until it is silent");
}

#[tokio::test(start_paused = true)]
async fn who_reads_nothing_is_cut_off_though_it_talks() {
    // SPEC: LINK-4
    let World { mut links, id, far, mut inbox, _keep } = world().await;
    let (mut sender, mut receiver) = far.split();
    // More than the pipe between them holds.
    let frame = vec![1; 200_000];
    while links.send(id, frame.clone()) {}
    let started = Instant::now();
    let talking = tokio::spawn(async move {
        loop {
            tokio::time::sleep(ALIVE).await;
            if let Err(closed) = sender.send(&[]).await {
                return closed;
            }
        }
    });
    assert_eq!(talking.await.unwrap(), LinkClosed::Peer("silent".to_owned()));
    let waited = started.elapsed();
    assert!((4 * SILENT..4 * SILENT + 2 * ALIVE).contains(&waited), "{waited:?}");
    assert!(matches!(inbox.recv().await, Some(Wake::Down(..))));
    assert!(!links.send(id, frame.clone()), "nothing is queued for it any more");
    links.gone(id);
    while let Ok(Some(read)) = receiver.receive().await {
        assert!(read == frame, "what it reads late is whole");
    }
}

/// A message of so many bytes at least.
fn have(bytes: usize) -> Message {
    let tip = |seq| Tip {
        chain: ChainId {
            author: DeviceId([1; 32]),
            incarnation: Incarnation([1; 8]),
            lane: Lane::Content,
        },
        seq,
        id: EventId([2; 32]),
    };
    Message::Have((0..bytes as u64 / 64).map(tip).collect())
}

#[tokio::test(start_paused = true)]
async fn frames_come_in_their_order_whatever_they_take_to_read() {
    // SPEC: SYNC-13
    let World { links: _links, far, mut inbox, _keep, .. } = world().await;
    let (mut sender, _receiver) = far.split();
    let long = have(100_000);
    let broken = vec![0xff; BESIDE_BYTES_MIN];
    for frame in [long.encode(), Message::Ack(1).encode(), broken, Message::Ack(2).encode()] {
        sender.send(&frame).await.unwrap();
    }
    let mut came = Vec::new();
    for _ in 0..4 {
        came.push(match inbox.recv().await.unwrap() {
            Wake::Message(_, message) => Ok(message),
            Wake::Fault(_, code) => Err(code),
            _ => panic!("neither"),
        });
    }
    let broken = Err("frame_decode".to_owned());
    assert_eq!(came, [Ok(long), Ok(Message::Ack(1)), broken, Ok(Message::Ack(2))]);
}

#[test]
fn a_long_frame_is_read_while_the_workspace_goes_on() {
    // SPEC: SYNC-13
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.max_blocking_threads(1).build().unwrap();
    let _here = runtime.enter();
    // The only other thread is busy, so nothing that is its is ready at once.
    let (_busy, wait) = std::sync::mpsc::channel::<()>();
    runtime.spawn_blocking(move || wait.recv().ok());
    let first_look = |frame: Vec<u8>| {
        let mut read = std::pin::pin!(decode(frame, WorkspaceId::UNBORN));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        read.as_mut().poll(&mut context).is_ready()
    };
    let long = have(100_000).encode();
    assert!(long.len() >= BESIDE_BYTES_MIN);
    assert!(!first_look(long), "it is another thread's");
    assert!(first_look(Message::Ack(1).encode()), "a short one is read at once");
}
