//! Connections for gossip: the same endpoint and the same door as links have, but streams that the
//! library of gossip opens, and no link at the end. `SPEC: HINT-3`
//!
//! The library is kept to what it does well, passing messages on. It dials nobody: whom it wants to
//! dial, and where, may be any neighbour's word, so its dials are turned down before a packet is
//! sent, and connections are made here, to members alone. Nor may it tell the endpoint addresses.

use std::net::SocketAddr;
use std::time::Duration;

use ::iroh::endpoint::{BeforeConnectOutcome, Connection, EndpointHooks, VarInt};
use ::iroh::{Endpoint, EndpointAddr, EndpointId};
use futures::StreamExt as _;
use iroh_gossip::TopicId;
use iroh_gossip::api::{Event, GossipReceiver, GossipSender};
use iroh_gossip::proto::HyparviewConfig;
use kernelos_protocol::id::DeviceId;
use kernelos_protocol::limits::GOSSIP_FRAME_BYTES_MAX;
use tokio::sync::mpsc;

use super::stream::{CLOSED, REFUSED};
use super::{NOT_A_MEMBER, handshake};
use crate::portable::timeout;
use crate::transport::admission::Place;
use crate::transport::{DialError, Protocol};

/// Under this name the library would dial. Nobody answers to it, and nothing is sent.
const NEVER_DIALED: &[u8] = b"kernelos/gossip/none";

/// Streams that a neighbour may have open: one for each workspace that both are in, and those that
/// are ending.
const STREAMS_MAX: u32 = 64;

/// Neighbours of one topic that are told at once, as long as there are not more of them: a person's
/// devices all are.
const NEIGHBOURS_TOLD_MAX: usize = 8;

/// The library answers at once, or it has stopped: it waits for whoever takes nothing of what it is
/// sent, and everybody else with it.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(1);

/// Turns down what the library wants to dial.
#[derive(Debug)]
pub(super) struct DialsNobody;

impl EndpointHooks for DialsNobody {
    async fn before_connect<'a>(
        &'a self,
        _: &'a EndpointAddr,
        alpn: &'a [u8],
    ) -> BeforeConnectOutcome {
        if alpn == NEVER_DIALED {
            return BeforeConnectOutcome::Reject;
        }
        BeforeConnectOutcome::Accept
    }
}

/// A device that gossip goes over directly: its key is proven, it was let in.
pub(crate) struct Neighbour {
    pub(crate) device: DeviceId,
    connection: Connection,
    _place: Option<Place>,
}

impl Neighbour {
    pub(super) fn new(connection: Connection, place: Option<Place>) -> Self {
        connection.set_max_concurrent_uni_streams(VarInt::from_u32(STREAMS_MAX));
        connection.set_max_concurrent_bi_streams(VarInt::from_u32(0));
        let device = DeviceId(*connection.remote_id().as_bytes());
        Self { device, connection, _place: place }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.connection.close_reason().is_none()
    }

    /// Why it ended, by the word of whoever ended it.
    #[cfg(test)]
    pub(crate) fn ended(&self) -> Option<String> {
        let close = self.connection.close_reason()?;
        let ::iroh::endpoint::ConnectionError::ApplicationClosed(close) = close else {
            return Some(close.to_string());
        };
        Some(crate::transport::link::readable(&close.reason))
    }

    /// The connection itself, for who does not keep to what the library would send.
    #[cfg(test)]
    pub(crate) fn raw(&self) -> Connection {
        self.connection.clone()
    }

    /// Bytes of packets that came from it.
    pub(crate) fn received_bytes(&self) -> u64 {
        self.connection.stats().udp_rx.bytes
    }

    /// Ends it: it is told why.
    pub(crate) fn close(&self, reason: &str) {
        self.connection.close(CLOSED, reason.as_bytes());
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.close("");
    }
}

/// Gossip on this endpoint.
pub(crate) struct Gossip {
    endpoint: Endpoint,
    gossip: iroh_gossip::Gossip,
}

impl Gossip {
    /// Begins it. None where the endpoint is closed.
    pub(super) fn begin(endpoint: Endpoint) -> Option<Self> {
        let membership = HyparviewConfig {
            active_view_capacity: NEIGHBOURS_TOLD_MAX,
            ..HyparviewConfig::default()
        };
        let gossip = iroh_gossip::Gossip::builder()
            .max_message_size(GOSSIP_FRAME_BYTES_MAX)
            .membership_config(membership)
            .alpn(NEVER_DIALED)
            .spawn(endpoint.clone());
        // It would tell where others are, by anybody's word, to whoever dials here.
        endpoint.address_lookup().ok()?.clear();
        Some(Self { endpoint, gossip })
    }

    /// Knocks at a device for gossip.
    pub(crate) fn dial(
        &self,
        to: DeviceId,
        at: SocketAddr,
    ) -> impl Future<Output = Result<Neighbour, DialError>> + Send + use<> {
        let endpoint = self.endpoint.clone();
        async move {
            let shaken = handshake(&endpoint, to, &[at], Protocol::Gossip.alpn()).await?;
            Ok(Neighbour::new(shaken, None))
        }
    }

    /// Gossip goes over this connection from now on; false where it has ended.
    pub(crate) async fn take(&self, neighbour: &Neighbour) -> bool {
        let taken = self.gossip.handle_connection(neighbour.connection.clone());
        timeout(ANSWER_TIME_MAX, taken).await.is_some_and(|taken| taken.is_ok())
    }

    /// Joins a topic, with nobody yet; none where gossip has ended.
    pub(crate) async fn join(&self, topic: [u8; 32]) -> Option<(Teller, Listener)> {
        let joined = self.gossip.subscribe(TopicId::from_bytes(topic), Vec::new());
        let joined = timeout(ANSWER_TIME_MAX, joined).await?.ok()?;
        let (sender, receiver) = joined.split();
        Some((Teller(sender), Listener(receiver)))
    }
}

/// Says something on a topic.
pub(crate) struct Teller(GossipSender);

impl Teller {
    /// Tells everybody; false where the topic has ended.
    pub(crate) async fn tell(&self, bytes: Vec<u8>) -> bool {
        let told = self.0.broadcast(bytes.into());
        timeout(ANSWER_TIME_MAX, told).await.is_some_and(|told| told.is_ok())
    }

    /// Meets these on the topic; false where it has ended.
    pub(crate) async fn meet(&self, devices: &[DeviceId]) -> bool {
        let ids = devices.iter().filter_map(|device| EndpointId::from_bytes(&device.0).ok());
        let met = self.0.join_peers(ids.collect());
        timeout(ANSWER_TIME_MAX, met).await.is_some_and(|met| met.is_ok())
    }
}

/// What comes on a topic.
pub(crate) struct Listener(GossipReceiver);

/// What came on a topic.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// A device joined it here.
    Up(DeviceId),
    /// A device is there no more.
    Down(DeviceId),
    /// These bytes, by this neighbour; who wrote them is another question.
    Said(DeviceId, Vec<u8>),
}

impl Listener {
    /// The next; none where the topic has ended, as it does for who listens too slowly.
    pub(crate) async fn next(&mut self) -> Option<Came> {
        let device = |id: EndpointId| DeviceId(*id.as_bytes());
        match self.0.next().await?.ok()? {
            Event::NeighborUp(id) => Some(Came::Up(device(id))),
            Event::NeighborDown(id) => Some(Came::Down(device(id))),
            Event::Received(message) => {
                Some(Came::Said(device(message.delivered_from), message.content.to_vec()))
            }
            Event::Lagged => None,
        }
    }
}

/// A connection that came for gossip, once it was let in: it goes to whoever listens there.
pub(super) fn let_in(
    connection: Connection,
    place: Place,
    to: Option<&mpsc::Sender<Neighbour>>,
) -> Option<()> {
    let Some(to) = to else {
        connection.close(REFUSED, NOT_A_MEMBER.as_bytes());
        return None;
    };
    // Where too many wait it is dropped, and closed by that.
    to.try_send(Neighbour::new(connection, Some(place))).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ::iroh::endpoint::ConnectError;
    use kernelos_protocol::key::DeviceKey;

    use super::*;
    use crate::transport::iroh::IrohTransport;

    #[tokio::test]
    async fn the_library_dials_nobody_and_tells_no_addresses() {
        // SPEC: HINT-3
        let (neighbours, _arrived) = mpsc::channel(1);
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        let open = Arc::new(|_: &DeviceId, _| true);
        let bound = IrohTransport::bind_with(&[1; 32], at, open, Some(neighbours)).await.unwrap();
        let gossip = bound.gossip().unwrap();
        assert!(gossip.endpoint.address_lookup().unwrap().is_empty());
        let other = DeviceKey::from_secret(&[2; 32]).device();
        let other = EndpointAddr::new(EndpointId::from_bytes(&other.0).unwrap()).with_ip_addr(at);
        let dialed = gossip.endpoint.connect(other, NEVER_DIALED).await;
        let is_turned_down =
            |error: &ConnectError| format!("{error:?}").contains("rejected locally");
        assert!(dialed.as_ref().is_err_and(is_turned_down), "{dialed:?}");
    }
}
