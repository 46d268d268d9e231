//! The contract on every transport, and what only one of them can do.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::mpsc;
use std::time::Instant;

use kernelos_protocol::key::DeviceKey;

use super::contract::{Net, anybody, within_a_minute};
use super::iroh::IrohTransport;
use super::memory::MemoryNetwork;
use super::quinn::QuinnTransport;
use super::*;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

impl Net for MemoryNetwork {
    fn bind(&self, number: u8, guard: Guard) -> BoxFuture<'_, Arc<dyn Transport>> {
        Box::pin(async move { Arc::new(Self::bind(self, device(number), guard)) as _ })
    }

    fn silent(&self) -> SocketAddr {
        "[100::ffff]:1".parse().unwrap()
    }

    fn is_free(&self, at: SocketAddr) -> bool {
        !self.is_bound(at)
    }
}

struct Quic {
    /// Bound and never read.
    silent: UdpSocket,
}

impl Net for Quic {
    fn bind(&self, number: u8, guard: Guard) -> BoxFuture<'_, Arc<dyn Transport>> {
        Box::pin(async move {
            Arc::new(IrohTransport::bind(&[number; 32], LOOPBACK, guard).await.unwrap()) as _
        })
    }

    fn silent(&self) -> SocketAddr {
        self.silent.local_addr().unwrap()
    }

    fn is_free(&self, at: SocketAddr) -> bool {
        UdpSocket::bind(at).is_ok()
    }
}

/// The same by the other library.
struct PlainQuic(Quic);

impl Net for PlainQuic {
    fn bind(&self, number: u8, guard: Guard) -> BoxFuture<'_, Arc<dyn Transport>> {
        Box::pin(async move {
            Arc::new(QuinnTransport::bind(&[number; 32], LOOPBACK, guard).unwrap()) as _
        })
    }

    fn silent(&self) -> SocketAddr {
        self.0.silent()
    }

    fn is_free(&self, at: SocketAddr) -> bool {
        self.0.is_free(at)
    }
}

fn device(number: u8) -> DeviceId {
    DeviceKey::from_secret(&[number; 32]).device()
}

macro_rules! on_each {
    ($($check:ident),* $(,)?) => {
        mod in_memory {
            use super::*;
            $(
                // SPEC: LINK-1, LINK-2
                #[tokio::test]
                async fn $check() {
                    within_a_minute(super::contract::$check(&MemoryNetwork::default())).await;
                }
            )*
        }
        mod over_quic {
            use super::*;
            $(
                #[tokio::test]
                async fn $check() {
                    let net = Quic { silent: UdpSocket::bind(LOOPBACK).unwrap() };
                    within_a_minute(super::contract::$check(&net)).await;
                }
            )*
        }
        mod over_plain_quic {
            use super::*;
            $(
                // SPEC: LINK-3
                #[tokio::test]
                async fn $check() {
                    let net = PlainQuic(Quic { silent: UdpSocket::bind(LOOPBACK).unwrap() });
                    within_a_minute(super::contract::$check(&net)).await;
                }
            )*
        }
    };
}

use super::contract;

on_each!(
    frames_arrive_whole_and_in_order,
    a_frame_one_byte_too_long_ends_the_link,
    the_key_of_the_peer_is_proven,
    the_exporter_names_the_link,
    the_guard_refuses_and_the_dialer_hears_why,
    the_reason_of_a_close_arrives,
    a_clean_finish_gives_none,
    a_dropped_end_is_noticed_and_is_no_clean_finish,
    a_dial_to_nobody_fails_in_time,
    a_reader_that_waits_slows_the_writer,
    twenty_links_at_once,
    a_closed_transport_gives_everything_back,
    protocols_are_told_apart,
    a_receiver_that_stops_waiting_loses_nothing,
    a_frame_broken_off_is_never_read_as_another,
);

#[tokio::test]
async fn a_cut_line_in_memory_loses_links_and_heals() {
    let network = MemoryNetwork::default();
    let a = network.bind(device(1), anybody());
    let b = network.bind(device(2), anybody());
    let mut link = a.dial(b.device(), &b.addresses(), Protocol::Sync).await.unwrap();
    network.cut(b.device(), a.device());
    assert_eq!(link.receive().await, Err(LinkClosed::Lost));
    let dialed = a.dial(b.device(), &b.addresses(), Protocol::Sync).await;
    assert!(matches!(dialed, Err(DialError::Unreachable(_))));
    network.heal(a.device(), b.device());
    assert!(a.dial(b.device(), &b.addresses(), Protocol::Sync).await.is_ok());
}

/// A peer whose program stops dead: its socket stays, nobody serves it.
fn peer_that_stops() -> (mpsc::Receiver<Vec<SocketAddr>>, mpsc::Sender<()>) {
    let (tell, told) = mpsc::channel();
    let (stop, stopped) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let transport =
            runtime.block_on(IrohTransport::bind(&[2; 32], LOOPBACK, anybody())).expect("it binds");
        tell.send(transport.addresses()).unwrap();
        let link = runtime.block_on(transport.accept());
        stopped.recv().unwrap();
        // Nothing is dropped, so that no word of farewell is sent.
        runtime.shutdown_background();
        std::mem::forget((transport, link));
    });
    (told, stop)
}

#[tokio::test]
async fn a_peer_that_stops_dead_is_noticed_in_about_five_seconds() {
    let a = IrohTransport::bind(&[1; 32], LOOPBACK, anybody()).await.unwrap();
    let (told, stop) = peer_that_stops();
    let at = told.recv().unwrap();
    let mut link = a.dial(device(2), &at, Protocol::Sync).await.unwrap();
    stop.send(()).unwrap();
    let started = Instant::now();
    assert_eq!(link.receive().await, Err(LinkClosed::Lost));
    println!("noticed after {:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    a.close().await;
}

#[tokio::test]
async fn a_port_is_kept_over_a_restart_and_all_addresses_of_the_machine_are_told() {
    let unspecified = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    let first = IrohTransport::bind(&[1; 32], unspecified, anybody()).await.unwrap();
    let at = first.addresses();
    println!("{at:?}");
    assert!(at.iter().all(|at| at.port() != 0 && !at.ip().is_loopback()), "{at:?}");
    let Some(v4) = at.iter().find(|at| at.is_ipv4()).copied() else { return };
    let same = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), v4.port());
    let taken = IrohTransport::bind(&[2; 32], same, anybody()).await;
    assert!(taken.is_err_and(|error| error.at == same), "two programs cannot have one port");
    first.close().await;
    let again = IrohTransport::bind(&[1; 32], same, anybody()).await.unwrap();
    assert!(again.addresses().contains(&v4));
    let b = IrohTransport::bind(&[2; 32], unspecified, anybody()).await.unwrap();
    let link = b.dial(device(1), &[v4], Protocol::Sync).await.unwrap();
    println!("{:?}", link.path());
    assert!(link.path().address.is_some());
}

#[tokio::test]
async fn an_address_that_another_device_has_now_does_no_harm() {
    let bind = async |number| IrohTransport::bind(&[number; 32], LOOPBACK, anybody()).await;
    let (a, b, c) = (bind(1).await.unwrap(), bind(2).await.unwrap(), bind(3).await.unwrap());
    let silent = UdpSocket::bind(LOOPBACK).unwrap().local_addr().unwrap();
    let wrong = a.dial(b.device(), &[c.addresses()[0], silent], Protocol::Sync).await;
    assert!(matches!(wrong, Err(DialError::Unreachable(_))), "{wrong:?}");
    // iroh still knows both, and sends there too.
    for _ in 0..20 {
        let dialed = a.dial(b.device(), &b.addresses(), Protocol::Sync).await;
        assert_eq!(dialed.unwrap().peer, b.device());
    }
}

#[tokio::test]
async fn whoever_answers_without_the_key_is_found_out() {
    let impostor = ::iroh::Endpoint::builder(::iroh::endpoint::presets::Minimal)
        .alpns(vec![Protocol::Sync.alpn().to_vec()])
        .clear_ip_transports()
        .bind_addr(LOOPBACK)
        .unwrap()
        .bind()
        .await
        .unwrap();
    let at = impostor.bound_sockets();
    let answering = tokio::spawn(async move {
        while let Some(incoming) = impostor.accept().await {
            incoming.await.ok();
        }
    });
    let a = IrohTransport::bind(&[1; 32], LOOPBACK, anybody()).await.unwrap();
    let dialed = a.dial(device(2), &at, Protocol::Sync).await;
    assert_eq!(dialed.err(), Some(DialError::OtherDevice));
    answering.abort();
}

#[tokio::test]
async fn what_names_no_protocol_of_ours_is_no_link_in_either_direction() {
    // SPEC: LINK-1
    let foreign = ::iroh::Endpoint::builder(::iroh::endpoint::presets::Minimal)
        .secret_key(::iroh::SecretKey::from_bytes(&[2; 32]))
        .alpns(vec![b"kernelos/sync/0".to_vec()])
        .clear_ip_transports()
        .bind_addr(LOOPBACK)
        .unwrap()
        .bind()
        .await
        .unwrap();
    let answering = {
        let foreign = foreign.clone();
        tokio::spawn(async move {
            while let Some(incoming) = foreign.accept().await {
                incoming.await.ok();
            }
        })
    };
    let a = IrohTransport::bind(&[1; 32], LOOPBACK, anybody()).await.unwrap();
    let dialed = a.dial(device(2), &foreign.bound_sockets(), Protocol::Sync).await;
    let other = DialError::Refused("it does not speak this protocol".to_owned());
    assert_eq!(dialed.err(), Some(other), "an older protocol is not taken in place of this one");

    let id = ::iroh::EndpointId::from_bytes(&device(1).0).unwrap();
    let at = ::iroh::EndpointAddr::new(id).with_ip_addr(a.addresses()[0]);
    for alpn in [&b"kernelos/sync/0"[..], b"kernelos/sync/1 ", b"kernelos/sync/"] {
        assert!(foreign.connect(at.clone(), alpn).await.is_err());
    }
    let b = IrohTransport::bind(&[3; 32], LOOPBACK, anybody()).await.unwrap();
    b.dial(device(1), &a.addresses(), Protocol::Sync).await.unwrap();
    assert_eq!(a.accept().await.unwrap().peer, device(3), "nothing of it is accepted");
    answering.abort();
}

#[tokio::test]
async fn strangers_by_the_hundred_their_streams_and_made_up_packets_keep_no_member_out() {
    // SPEC: LINK-1
    within_a_minute(async {
        let guard: Guard =
            Arc::new(|peer, protocol| *peer == device(2) || protocol == Protocol::Pair);
        let a = IrohTransport::bind(&[1; 32], LOOPBACK, guard).await.unwrap();
        let b = IrohTransport::bind(&[2; 32], LOOPBACK, anybody()).await.unwrap();
        let at = a.addresses();
        let (link, held) = tokio::join!(b.dial(device(1), &at, Protocol::Sync), a.accept());
        let (mut link, mut held) = (link.unwrap(), held.unwrap());
        let (stop, stopped) = mpsc::channel::<()>();
        let target = at[0];
        let flood = std::thread::spawn(move || {
            let socket = UdpSocket::bind(LOOPBACK).unwrap();
            let mut sent = 0_u64;
            while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                // What looks like the first packet of a connection (RFC 9000 section 17.2.2).
                let mut packet = vec![0xc3, 0, 0, 0, 1, 8];
                packet.extend(sent.to_be_bytes());
                packet.resize(1_200, 0x44);
                socket.send_to(&packet, target).ok();
                sent += 1;
            }
            sent
        });
        let stranger = ::iroh::Endpoint::builder(::iroh::endpoint::presets::Minimal)
            .secret_key(::iroh::SecretKey::from_bytes(&[3; 32]))
            .clear_ip_transports()
            .bind_addr(LOOPBACK)
            .unwrap()
            .bind()
            .await
            .unwrap();
        let id = ::iroh::EndpointId::from_bytes(&device(1).0).unwrap();
        let to = ::iroh::EndpointAddr::new(id).with_ip_addr(target);
        let (mut idle, mut begun) = (Vec::new(), 0);
        for number in 0..100 {
            let protocol = if number % 2 == 0 { Protocol::Sync } else { Protocol::Pair };
            let Ok(connection) = stranger.connect(to.clone(), protocol.alpn()).await else {
                continue;
            };
            // Of a second stream and of any that nobody answers none begins.
            let (one, two) = (connection.open_bi().await.is_ok(), connection.open_bi());
            let two =
                tokio::select! { biased; _ = two => true, () = std::future::ready(()) => false };
            assert!(!(one && two) || connection.close_reason().is_some(), "two streams");
            begun += usize::from(one);
            idle.push(connection);
        }
        assert!(begun > 0, "the harness gets as far as that");
        // Who is a member goes on, and comes in again, among all of them.
        for number in 0..20_u8 {
            link.send(&[number]).await.unwrap();
            assert_eq!(held.receive().await, Ok(Some(vec![number])));
        }
        let (again, met) = tokio::join!(b.dial(device(1), &at, Protocol::Sync), async {
            loop {
                let met = a.accept().await.unwrap();
                if met.peer == device(2) {
                    break met;
                }
            }
        });
        assert_eq!((again.unwrap().peer, met.peer), (device(1), device(2)));
        drop(stop);
        assert!(flood.join().unwrap() > 1_000, "it was a flood");
        drop(idle);
    })
    .await;
}
