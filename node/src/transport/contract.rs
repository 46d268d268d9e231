//! What every transport must do, as checks that each implementation's tests run.
//!
//! A check panics with the fact that does not hold. No check waits for time to pass: it waits for
//! what the other side does, and the limit around it only ends a run that hangs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::*;
use crate::portable;

/// Somewhere to bind transports that reach each other.
pub(super) trait Net {
    /// The device of this number.
    fn bind(&self, number: u8, guard: Guard) -> BoxFuture<'_, Arc<dyn Transport>>;

    /// An address where nobody answers.
    fn silent(&self) -> SocketAddr;

    /// Could another program have this address now?
    fn is_free(&self, at: SocketAddr) -> bool;
}

/// Frames that a link may hold while its reader does not read: windows of both ends and what is
/// in the hands of either.
const FRAMES_UNREAD_MAX: usize = 12;

pub(super) fn anybody() -> Guard {
    Arc::new(|_, _| true)
}

async fn two(net: &dyn Net) -> [Arc<dyn Transport>; 2] {
    [net.bind(1, anybody()).await, net.bind(2, anybody()).await]
}

/// A link from `from` to `to`, both ends.
async fn linked(from: &dyn Transport, to: &dyn Transport, protocol: Protocol) -> (Link, Link) {
    let at = to.addresses();
    let (dialed, accepted) = tokio::join!(from.dial(to.device(), &at, protocol), to.accept());
    (dialed.expect("a dial succeeds"), accepted.expect("a link is accepted"))
}

async fn linked_pair(net: &dyn Net) -> ([Arc<dyn Transport>; 2], Link, Link) {
    let [a, b] = two(net).await;
    let (near, far) = linked(&*a, &*b, Protocol::Sync).await;
    ([a, b], near, far)
}

fn pattern(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at * 7 + seed) % 251).unwrap()).collect()
}

pub(super) async fn frames_arrive_whole_and_in_order(net: &dyn Net) {
    let (_held, near, far) = linked_pair(net).await;
    let lengths = [0, 1, 1_023, 1_024, 1_025, FRAME_BYTES_MAX, 0, 65_536, FRAME_BYTES_MAX, 3];
    let send_all = async |mut sender: Sender| {
        for (seed, length) in lengths.into_iter().enumerate() {
            sender.send(&pattern(seed, length)).await.unwrap();
        }
        sender
    };
    let receive_all = async |mut receiver: Receiver| {
        for (seed, length) in lengths.into_iter().enumerate() {
            let frame = receiver.receive().await.unwrap().expect("a frame");
            assert!(frame == pattern(seed, length), "frame {seed} of {length} bytes is whole");
        }
        receiver
    };
    let ((near_out, near_in), (far_out, far_in)) = (near.split(), far.split());
    let (_a, _b, _c, _d) = tokio::join!(
        send_all(near_out),
        send_all(far_out),
        receive_all(near_in),
        receive_all(far_in)
    );
}

pub(super) async fn a_frame_one_byte_too_long_ends_the_link(net: &dyn Net) {
    let (held, mut near, mut far) = linked_pair(net).await;
    let sent = near.send(&vec![0; FRAME_BYTES_MAX + 1]).await;
    let Err(LinkClosed::Here(reason)) = sent else { panic!("it is not sent: {sent:?}") };
    assert_eq!(far.receive().await, Err(LinkClosed::Peer(reason)), "the peer hears why");

    let (mut near, mut far) = linked(&*held[0], &*held[1], Protocol::Sync).await;
    let length = u32::try_from(FRAME_BYTES_MAX + 1).unwrap();
    near.sender.send_raw(&length.to_be_bytes()).await.unwrap();
    let received = far.receive().await;
    let Err(LinkClosed::Here(reason)) = received else { panic!("it is not read: {received:?}") };
    assert_eq!(near.receive().await, Err(LinkClosed::Peer(reason)), "its sender hears why");
}

pub(super) async fn the_key_of_the_peer_is_proven(net: &dyn Net) {
    let ([a, b], near, far) = linked_pair(net).await;
    assert_eq!((near.peer, far.peer), (b.device(), a.device()));
    assert_eq!((near.dialed, far.dialed), (true, false));
    let c = net.bind(3, anybody()).await;
    let dialed = a.dial(c.device(), &b.addresses(), Protocol::Sync).await;
    // Whether another device keeps silent or is found out is the transport's way.
    let failed = |error| matches!(error, DialError::Unreachable(_) | DialError::OtherDevice);
    assert!(dialed.is_err_and(failed), "only the device that is meant is taken");
    let at = [b.addresses(), c.addresses()].concat();
    let both = a.dial(c.device(), &at, Protocol::Sync).await;
    assert_eq!(both.unwrap().peer, c.device(), "it does not stand in the way of the right one");
}

pub(super) async fn the_exporter_names_the_link(net: &dyn Net) {
    let ([a, b], near, far) = linked_pair(net).await;
    assert_eq!(near.exporter, far.exporter, "both ends compute the same");
    let (again, _far) = linked(&*a, &*b, Protocol::Sync).await;
    let (back, _near) = linked(&*b, &*a, Protocol::Sync).await;
    assert_ne!(near.exporter, again.exporter, "another link has another one");
    assert!(![near.exporter, again.exporter].contains(&back.exporter));
}

pub(super) async fn the_guard_refuses_and_the_dialer_hears_why(net: &dyn Net) {
    let a = net.bind(1, anybody()).await;
    let b = net.bind(2, Arc::new(|_, protocol| protocol == Protocol::Pair)).await;
    for _ in 0..3 {
        let dialed = a.dial(b.device(), &b.addresses(), Protocol::Sync).await;
        assert_eq!(dialed.err(), Some(DialError::Refused(NOT_A_MEMBER.to_owned())));
    }
    let (_near, far) = linked(&*a, &*b, Protocol::Pair).await;
    assert_eq!(far.protocol, Protocol::Pair, "nothing of what was refused is accepted");
}

pub(super) async fn the_reason_of_a_close_arrives(net: &dyn Net) {
    let ([a, b], mut near, mut far) = linked_pair(net).await;
    near.close("this device was revoked");
    drop(near.split());
    assert_eq!(far.receive().await, Err(LinkClosed::Peer("this device was revoked".to_owned())));
    assert!(matches!(far.send(b"x").await, Err(LinkClosed::Peer(_))));

    (near, far) = linked(&*a, &*b, Protocol::Sync).await;
    let (_sender, receiver) = far.split();
    receiver.close("bye");
    assert_eq!(near.receive().await, Err(LinkClosed::Peer("bye".to_owned())), "either end may");
}

pub(super) async fn a_clean_finish_gives_none(net: &dyn Net) {
    let ([a, b], mut near, mut far) = linked_pair(net).await;
    near.send(b"last").await.unwrap();
    near.sender.finish().await.unwrap();
    assert_eq!(far.receive().await, Ok(Some(b"last".to_vec())));
    assert_eq!(far.receive().await, Ok(None));
    assert_eq!(far.receive().await, Ok(None), "and stays so");
    far.send(b"answer").await.unwrap();
    far.sender.finish().await.unwrap();
    assert_eq!(near.receive().await, Ok(Some(b"answer".to_vec())), "the other half goes on");
    assert_eq!(near.receive().await, Ok(None));

    (near, far) = linked(&*a, &*b, Protocol::Sync).await;
    near.send(&pattern(0, 60_000)).await.unwrap();
    near.sender.finish().await.unwrap();
    drop(near);
    assert_eq!(far.receive().await, Ok(Some(pattern(0, 60_000))), "a finished link loses nothing");
    assert_eq!(far.receive().await, Ok(None));
}

pub(super) async fn a_dropped_end_is_noticed_and_is_no_clean_finish(net: &dyn Net) {
    let ([a, b], near, mut far) = linked_pair(net).await;
    drop(near);
    assert_eq!(far.receive().await, Err(LinkClosed::Left));
    assert!(far.send(b"x").await.is_err());

    let (near, mut far) = linked(&*a, &*b, Protocol::Sync).await;
    let (sender, _receiver) = near.split();
    drop(sender);
    assert_eq!(far.receive().await, Err(LinkClosed::Left), "half a link is none");

    let (mut near, mut far) = linked(&*a, &*b, Protocol::Sync).await;
    near.sender.send_raw(&[0, 0, 0, 9, 1, 2]).await.unwrap();
    near.sender.finish().await.unwrap();
    assert!(matches!(far.receive().await, Err(LinkClosed::Here(_))), "half a frame is none");

    let (_near, mut far) = linked(&*a, &*b, Protocol::Sync).await;
    a.close().await;
    assert_eq!(far.receive().await, Err(LinkClosed::Left), "a closed transport leaves");
}

pub(super) async fn a_dial_to_nobody_fails_in_time(net: &dyn Net) {
    let [a, b] = two(net).await;
    let at = [net.silent()];
    let started = Instant::now();
    let dialed = a.dial(b.device(), &at, Protocol::Sync).await;
    assert!(matches!(dialed, Err(DialError::Unreachable(_))), "{dialed:?}");
    assert!(started.elapsed() < DIAL_TIME_MAX + Duration::from_secs(1));
    let dialed = a.dial(b.device(), &[], Protocol::Sync).await;
    assert!(matches!(dialed, Err(DialError::Unreachable(_))), "without an address: {dialed:?}");
    let dialed = a.dial(a.device(), &a.addresses(), Protocol::Sync).await;
    assert!(matches!(dialed, Err(DialError::Unreachable(_))), "itself: {dialed:?}");
}

pub(super) async fn a_reader_that_waits_slows_the_writer(net: &dyn Net) {
    const FRAMES: usize = 120;
    let ([a, b], near, mut far) = linked_pair(net).await;
    let read = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&read);
    let (mut sender, _receiver) = near.split();
    let writing = tokio::spawn(async move {
        for sent in 1..=FRAMES {
            sender.send(&vec![0; FRAME_BYTES_MAX]).await.unwrap();
            let unread = sent - seen.load(Ordering::SeqCst);
            assert!(unread <= FRAMES_UNREAD_MAX, "{unread} frames are held in memory");
        }
        sender
    });
    // A second link does a thousand round trips meanwhile: a blocked one does not hold it up.
    let (mut here, mut there) = linked(&*a, &*b, Protocol::Introduce).await;
    for _ in 0..1_000 {
        here.send(b"ping").await.unwrap();
        there.receive().await.unwrap();
        there.send(b"pong").await.unwrap();
        here.receive().await.unwrap();
    }
    assert!(!writing.is_finished(), "the writer waits");
    for _ in 0..FRAMES {
        assert_eq!(far.receive().await.unwrap().map(|frame| frame.len()), Some(FRAME_BYTES_MAX));
        read.fetch_add(1, Ordering::SeqCst);
    }
    writing.await.unwrap();
}

pub(super) async fn twenty_links_at_once(net: &dyn Net) {
    let [a, b] = two(net).await;
    let serving = {
        let b = Arc::clone(&b);
        tokio::spawn(async move {
            for _ in 0..20 {
                let mut link = b.accept().await.expect("a link");
                tokio::spawn(async move {
                    while let Some(frame) = link.receive().await.unwrap() {
                        link.send(&frame).await.unwrap();
                    }
                    link.sender.finish().await.ok();
                });
            }
        })
    };
    let dialing: Vec<_> = (0..20)
        .map(|number| {
            let (a, to, at) = (Arc::clone(&a), b.device(), b.addresses());
            tokio::spawn(async move {
                let mut link = a.dial(to, &at, Protocol::Sync).await.unwrap();
                for round in 0..10 {
                    let frame = pattern(number + round, 5_000);
                    link.send(&frame).await.unwrap();
                    assert!(link.receive().await.unwrap() == Some(frame), "no link is mixed up");
                }
                link.sender.finish().await.unwrap();
                assert_eq!(link.receive().await, Ok(None));
                link.exporter
            })
        })
        .collect();
    let mut exporters = std::collections::BTreeSet::new();
    for task in dialing {
        exporters.insert(task.await.unwrap());
    }
    serving.await.unwrap();
    assert_eq!(exporters.len(), 20);
}

pub(super) async fn a_closed_transport_gives_everything_back(net: &dyn Net) {
    let ([a, b], mut near, mut far) = linked_pair(net).await;
    let at = b.addresses();
    // One that nobody accepts.
    let _waiting = a.dial(b.device(), &at, Protocol::Sync).await.unwrap();
    let session = tokio::spawn(async move { far.receive().await });
    tokio::join!(b.close(), b.close());
    assert!(matches!(session.await.unwrap(), Err(LinkClosed::Here(_))), "its own links end");
    assert_eq!(near.receive().await, Err(LinkClosed::Left));
    assert!(b.accept().await.is_none());
    assert!(b.accept().await.is_none(), "and stays so");
    assert_eq!(b.addresses(), []);
    let dialed = b.dial(a.device(), &a.addresses(), Protocol::Sync).await;
    assert_eq!(dialed.err(), Some(DialError::Closed));
    for address in at {
        assert!(net.is_free(address), "{address} is free");
    }

    let c = net.bind(3, anybody()).await;
    let (accepted, ()) = tokio::join!(c.accept(), c.close());
    assert!(accepted.is_none(), "whoever waits is told");
}

pub(super) async fn protocols_are_told_apart(net: &dyn Net) {
    let [a, b] = two(net).await;
    let mut links = Vec::new();
    for protocol in Protocol::ALL {
        links.push((protocol, linked(&*a, &*b, protocol).await));
        links.push((protocol, linked(&*b, &*a, protocol).await));
    }
    for (protocol, (near, far)) in &mut links {
        assert_eq!((near.protocol, far.protocol), (*protocol, *protocol));
        near.send(protocol.alpn()).await.unwrap();
    }
    for (protocol, (_, far)) in &mut links {
        assert_eq!(far.receive().await, Ok(Some(protocol.alpn().to_vec())));
    }
}

pub(super) async fn a_receiver_that_stops_waiting_loses_nothing(net: &dyn Net) {
    let (_held, mut near, mut far) = linked_pair(net).await;
    let frames = [pattern(1, 40), pattern(2, 0), pattern(3, 90)];
    let mut received = Vec::new();
    for frame in &frames {
        let length = u32::try_from(frame.len()).unwrap();
        for byte in [&length.to_be_bytes()[..], frame].concat() {
            near.sender.send_raw(&[byte]).await.unwrap();
            tokio::select! {
                biased;
                frame = far.receive() => received.extend(frame.unwrap()),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    while received.len() < frames.len() {
        received.extend(far.receive().await.unwrap());
    }
    assert_eq!(received, frames);
}

pub(super) async fn a_frame_broken_off_is_never_read_as_another(net: &dyn Net) {
    let (_held, mut near, mut far) = linked_pair(net).await;
    loop {
        tokio::select! {
            biased;
            sent = near.send(&[7; FRAME_BYTES_MAX]) => sent.unwrap(),
            () = std::future::ready(()) => break,
        }
    }
    assert!(matches!(near.send(b"next").await, Err(LinkClosed::Here(_))));
    let end = loop {
        match far.receive().await {
            Ok(frame) => assert!(frame.is_some_and(|frame| frame == [7; FRAME_BYTES_MAX])),
            Err(end) => break end,
        }
    };
    assert!(matches!(end, LinkClosed::Peer(_)), "{end}");
}

/// Runs a check, for a minute at most.
pub(super) async fn within_a_minute(check: impl Future<Output = ()>) {
    let done = portable::timeout(Duration::from_secs(60), check).await;
    assert!(done.is_some(), "it hangs");
}
