//! Who is no member, by the dozen: handshakes that stop half way and whole ones, and keys that show
//! events which let nobody in.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use kernelos_protocol::command::Failure;
use kernelos_protocol::event::Verified;
use kernelos_protocol::sync::{introduce, workspace_tag};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::super::device::{everybody, failed};
use super::{PATIENCE, Target, paced};
use crate::home::random;
use crate::transport::quinn::QuinnTransport;
use crate::transport::{Protocol, Transport as _};

/// Handshakes that are begun at once: 160 a second.
pub(super) const AT_ONCE: usize = 8;

/// Addresses from which they come, each of its own as LINK-8 counts them.
const ADDRESSES: usize = 200;

/// Packets at once that only look like the beginning of something: 10,000 a second.
pub(super) const PACKETS: usize = 500;

/// Bytes of a datagram, at most.
const DATAGRAM_MAX: usize = 2_048;

/// Bytes of the first packet of a connection, at least (RFC 9000 section 14.1).
const FIRST_PACKET_BYTES: usize = 1_200;

/// Strangers with keys of their own.
pub(super) struct Strangers {
    target: Target,
    transports: Vec<QuinnTransport>,
}

impl Strangers {
    pub(super) fn new(target: Target) -> Result<Self, Failure> {
        let bind = |number: usize| {
            let secret = random()?;
            QuinnTransport::bind(&secret, own_address(number), everybody()).map_err(failed)
        };
        Ok(Self { target, transports: (0..AT_ONCE).map(bind).collect::<Result<_, _>>()? })
    }

    pub(super) async fn close(&self) {
        for transport in &self.transports {
            transport.close().await;
        }
    }

    /// Dials, and is turned away by the node, which knows none of them.
    pub(super) async fn dial(self: Arc<Self>, times: usize) -> Result<usize, Failure> {
        let target = self.target;
        paced(times, |_| {
            self.all(move |of, number| async move {
                let transport = of.transports.get(number).ok_or_else(|| failed("nobody dials"))?;
                let dialed = transport.dial(target.node, &[target.at], Protocol::Sync).await;
                dialed.err().map(drop).ok_or_else(|| failed("a stranger was let in"))
            })
        })
        .await
    }

    /// Sends what looks like the first packet of a connection (RFC 9000 section 17.2.2) and holds
    /// nothing that its keys open, from as many addresses as there are.
    pub(super) async fn make_up_packets(self: Arc<Self>, times: usize) -> Result<usize, Failure> {
        let mut from = Vec::new();
        for number in 0..ADDRESSES {
            from.push(UdpSocket::bind(own_address(number)).await.map_err(failed)?);
        }
        let (from, target) = (&from, self.target.at);
        paced(times, |turn| async move {
            for number in turn * PACKETS..(turn + 1) * PACKETS {
                let mut packet = vec![0xc3, 0, 0, 0, 1, 8];
                packet.extend((number as u64).to_be_bytes());
                packet.resize(FIRST_PACKET_BYTES, 0x44);
                let socket = from.get(number % ADDRESSES).ok_or_else(|| failed("no address"))?;
                socket.send_to(&packet, target).await.map_err(failed)?;
            }
            Ok(())
        })
        .await
    }

    /// Begins handshakes, each from another address, and says nothing more once the node answered:
    /// it waits for the rest.
    pub(super) async fn stop_half_way(self: Arc<Self>, times: usize) -> Result<usize, Failure> {
        paced(times, |turn| {
            self.all(move |of, number| async move {
                let transport = of.transports.get(number).ok_or_else(|| failed("nobody dials"))?;
                let (near, far) = gate(turn * AT_ONCE + number, of.target).await?;
                let to = [near.local_addr().map_err(failed)?];
                let dial = transport.dial(of.target.node, &to, Protocol::Sync);
                tokio::select! {
                    _ = dial => Err(failed("nobody answered a handshake")),
                    carried = carry_until_answered(&near, &far) => carried,
                }
            })
        })
        .await
    }

    /// One of them shows the node events that let nobody in, and hears so.
    pub(super) async fn introduce(
        self: Arc<Self>,
        times: usize,
        events: Vec<Verified>,
    ) -> Result<usize, Failure> {
        let (of, events) = (&self, &events);
        paced(times, |turn| async move {
            let Target { at, node, workspace } = of.target;
            let transport = of.transports.get(turn % AT_ONCE);
            let transport = transport.ok_or_else(|| failed("nobody dials"))?;
            let at = [at];
            let dial = transport.dial(node, &at, Protocol::Introduce);
            let mut link = timeout(PATIENCE, dial).await.map_err(failed)?.map_err(failed)?;
            let tag = workspace_tag(&link.exporter, &workspace);
            let frame = introduce::encode(&tag, events).ok_or_else(|| failed("too many events"))?;
            link.send(&frame).await.map_err(failed)?;
            match timeout(PATIENCE, link.receive()).await.map_err(failed)?.map_err(failed)? {
                Some(answer) => match introduce::Answer::decode(&answer).map_err(failed)? {
                    introduce::Answer::Refused(_) => Ok(()),
                    _ => Err(failed("a stranger was let in")),
                },
                None => Err(failed("the node did not answer")),
            }
        })
        .await
    }

    /// All of them do it at once.
    async fn all<F>(self: &Arc<Self>, what: impl Fn(Arc<Self>, usize) -> F) -> Result<(), Failure>
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let mut doing = JoinSet::new();
        for number in 0..AT_ONCE {
            doing.spawn(what(Arc::clone(self), number));
        }
        while let Some(done) = doing.join_next().await {
            done.map_err(failed)??;
        }
        Ok(())
    }
}

/// One of the addresses of this computer alone, by number.
fn own_address(number: usize) -> SocketAddr {
    let last = u8::try_from(number % ADDRESSES).unwrap_or_default().saturating_add(2);
    SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0))
}

/// What a handshake goes through: where it is dialed, and from where the node is.
async fn gate(number: usize, target: Target) -> Result<(UdpSocket, UdpSocket), Failure> {
    let near = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
    let far = UdpSocket::bind(own_address(number)).await.map_err(failed)?;
    far.connect(target.at).await.map_err(failed)?;
    Ok((near, far))
}

/// Carries packets until the node answered with more than the wish to see that its answers arrive.
async fn carry_until_answered(near: &UdpSocket, far: &UdpSocket) -> Result<(), Failure> {
    let (mut out, mut back) = (vec![0; DATAGRAM_MAX], vec![0; DATAGRAM_MAX]);
    let mut dialer = None;
    loop {
        tokio::select! {
            came = near.recv_from(&mut out) => {
                let (count, from) = came.map_err(failed)?;
                dialer = Some(from);
                far.send(out.get(..count).unwrap_or_default()).await.map_err(failed)?;
            }
            came = far.recv(&mut back) => {
                let packet = back.get(..came.map_err(failed)?).unwrap_or_default();
                // A long header of the type Retry: RFC 9000 section 17.2.5.
                let is_retry = packet.first().is_some_and(|first| first & 0xf0 == 0xf0);
                match dialer {
                    Some(dialer) if is_retry => {
                        near.send_to(packet, dialer).await.map_err(failed)?;
                    }
                    _ => return Ok(()),
                }
            }
        }
    }
}
