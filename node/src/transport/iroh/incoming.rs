//! From a packet of a stranger to a link: bounded at every step.

use std::sync::Arc;

use ::iroh::Endpoint;
use ::iroh::endpoint::{Connection, Incoming, IncomingAddr, VarInt};
use kernelos_protocol::id::DeviceId;
use tokio::sync::mpsc;

use super::gossip::{self, Neighbour};
use super::{callee, exporter, stream};
use crate::portable;
use crate::transport::quic::{Door, HANDSHAKE_TIME_MAX, WINDOW_BYTES};
use crate::transport::{BUSY, Link, Protocol};

/// Where those go that were let in.
#[derive(Clone)]
pub(super) struct Rooms {
    pub(super) links: mpsc::Sender<Link>,
    /// None where gossip is switched off.
    pub(super) neighbours: Option<mpsc::Sender<Neighbour>>,
}

/// Takes connections until the endpoint is closed.
pub(super) async fn accept_all(endpoint: Endpoint, own: DeviceId, door: Arc<Door>, rooms: Rooms) {
    while let Some(incoming) = endpoint.accept().await {
        if callee::is_another(&incoming, &own) {
            incoming.ignore();
            continue;
        }
        if door.handshakes.are_crowded() && !incoming.remote_addr_validated() {
            incoming.retry().ok();
            continue;
        }
        // Who comes by a relay shares what comes by relays: a key is made for nothing.
        let from = match incoming.remote_addr() {
            IncomingAddr::Ip(at) => Some(at.ip()),
            _ => None,
        };
        let Some(handshake) = door.handshakes.begin(from) else {
            incoming.refuse();
            continue;
        };
        let door = Arc::clone(&door);
        let rooms = rooms.clone();
        portable::spawn(async move {
            // Whoever does not get through is heard of nowhere: a stranger must not fill a log.
            let work = handshake.during(let_in(incoming, &door, &rooms));
            portable::timeout(HANDSHAKE_TIME_MAX, work).await;
            drop(handshake);
        });
    }
}

/// One connection. `None` if it does not become a link; then it is closed when this returns.
async fn let_in(incoming: Incoming, door: &Door, rooms: &Rooms) -> Option<()> {
    // Resolves after the whole handshake: the peer's key is proven, its packets are no replay.
    let connection = incoming.accept().ok()?.await.ok()?;
    let peer = DeviceId(*connection.remote_id().as_bytes());
    let protocol = Protocol::from_alpn(connection.alpn())?;
    let place = match door.admission.admit(peer, protocol) {
        Ok(place) => place,
        Err(reason) => return refuse(&connection, reason),
    };
    if protocol == Protocol::Gossip {
        return gossip::let_in(connection, place, rooms.neighbours.as_ref());
    }
    let Ok(slot) = rooms.links.try_reserve() else {
        return refuse(&connection, BUSY);
    };
    let opened = stream::answer(&connection, || {
        connection.set_receive_window(VarInt::from_u32(WINDOW_BYTES));
    });
    let (writer, reader) = opened.await?;
    let exporter = exporter(&connection)?;
    let control = stream::control(connection, Some(place));
    let halves = (Box::new(writer) as _, Box::new(reader) as _);
    slot.send(Link::new((peer, protocol, false), exporter, halves, control));
    Some(())
}

fn refuse(connection: &Connection, reason: &str) -> Option<()> {
    connection.close(stream::REFUSED, reason.as_bytes());
    None
}
