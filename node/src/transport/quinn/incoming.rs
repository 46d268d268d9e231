//! From a packet of a stranger to a link: bounded at every step.

use std::sync::Arc;

use ::quinn::{Connection, Endpoint, Incoming, VarInt};
use tokio::sync::mpsc;

use super::{alpn, exporter, peer, stream};
use crate::portable;
use crate::transport::quic::{Door, HANDSHAKE_TIME_MAX, WINDOW_BYTES};
use crate::transport::{BUSY, Link, Protocol};

/// Takes connections until the endpoint is closed.
pub(super) async fn accept_all(endpoint: Endpoint, door: Arc<Door>, links: mpsc::Sender<Link>) {
    while let Some(incoming) = endpoint.accept().await {
        if door.handshakes.are_crowded() && !incoming.remote_address_validated() {
            incoming.retry().ok();
            continue;
        }
        let Some(handshake) = door.handshakes.begin(Some(incoming.remote_address().ip())) else {
            incoming.refuse();
            continue;
        };
        let door = Arc::clone(&door);
        let links = links.clone();
        portable::spawn(async move {
            // Whoever does not get through is heard of nowhere: a stranger must not fill a log.
            let work = handshake.during(let_in(incoming, &door, &links));
            portable::timeout(HANDSHAKE_TIME_MAX, work).await;
            drop(handshake);
        });
    }
}

/// One connection. `None` if it does not become a link; then it is closed when this returns.
async fn let_in(incoming: Incoming, door: &Door, links: &mpsc::Sender<Link>) -> Option<()> {
    // Resolves after the whole handshake: the peer's key is proven, its packets are no replay.
    let connection = incoming.accept().ok()?.await.ok()?;
    let peer = peer(&connection)?;
    let protocol = Protocol::from_alpn(&alpn(&connection)?)?;
    let place = match door.admission.admit(peer, protocol) {
        Ok(place) => place,
        Err(reason) => return refuse(&connection, reason),
    };
    let Ok(slot) = links.try_reserve() else {
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
