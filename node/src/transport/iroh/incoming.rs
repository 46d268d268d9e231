//! From a packet of a stranger to a link: bounded at every step.

use std::sync::Arc;
use std::time::Duration;

use ::iroh::Endpoint;
use ::iroh::endpoint::{Connection, Incoming, VarInt};
use kernelos_protocol::id::DeviceId;
use tokio::sync::{Semaphore, mpsc};

use super::{WINDOW_BYTES, callee, exporter, stream};
use crate::portable;
use crate::transport::admission::Admission;
use crate::transport::{BUSY, Guard, Link, Protocol};

/// Handshakes under way. Each holds some 100 KiB at most and is over within
/// [`HANDSHAKE_TIME_MAX`]; further ones are refused at once.
const HANDSHAKES_MAX: u32 = 64;

/// From this many on, a newcomer must show that it receives at the address it claims: senders of
/// packets with invented addresses cannot take the places of the others.
const HANDSHAKES_UNPROVEN_MAX: usize = 8;

const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// What incoming connections have to pass.
pub(super) struct Door {
    own: DeviceId,
    admission: Admission,
    handshakes: Arc<Semaphore>,
}

impl Door {
    pub(super) fn new(own: DeviceId, guard: Guard) -> Self {
        let handshakes = usize::try_from(HANDSHAKES_MAX).unwrap_or(1);
        let handshakes = Arc::new(Semaphore::new(handshakes));
        Self { own, admission: Admission::new(guard), handshakes }
    }

    /// Waits until no handshake is under way.
    pub(super) async fn all_ended(&self) {
        // An error would say that the semaphore is closed, which never happens.
        self.handshakes.acquire_many(HANDSHAKES_MAX).await.ok();
    }
}

/// Takes connections until the endpoint is closed.
pub(super) async fn accept_all(endpoint: Endpoint, door: Arc<Door>, links: mpsc::Sender<Link>) {
    while let Some(incoming) = endpoint.accept().await {
        if callee::is_another(&incoming, &door.own) {
            incoming.ignore();
            continue;
        }
        let Ok(handshake) = Arc::clone(&door.handshakes).try_acquire_owned() else {
            incoming.refuse();
            continue;
        };
        let all = usize::try_from(HANDSHAKES_MAX).unwrap_or(1);
        let under_way = all.saturating_sub(door.handshakes.available_permits());
        if under_way > HANDSHAKES_UNPROVEN_MAX && !incoming.remote_addr_validated() {
            incoming.retry().ok();
            continue;
        }
        let door = Arc::clone(&door);
        let links = links.clone();
        portable::spawn(async move {
            // Whoever does not get through is heard of nowhere: a stranger must not fill a log.
            portable::timeout(HANDSHAKE_TIME_MAX, let_in(incoming, &door, &links)).await;
            drop(handshake);
        });
    }
}

/// One connection. `None` if it does not become a link; then it is closed when this returns.
async fn let_in(incoming: Incoming, door: &Door, links: &mpsc::Sender<Link>) -> Option<()> {
    // Resolves after the whole handshake: the peer's key is proven, its packets are no replay.
    let connection = incoming.accept().ok()?.await.ok()?;
    let peer = DeviceId(*connection.remote_id().as_bytes());
    let protocol = Protocol::from_alpn(connection.alpn())?;
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
