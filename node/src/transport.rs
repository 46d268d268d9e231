//! Links between devices: who is at the other end is proven, frames arrive whole and in order.
//!
//! A link is one connection with one stream for one protocol. [`iroh`] carries it over QUIC with
//! paths that change, [`quinn`] over plain QUIC between fixed addresses, [`memory`] within a
//! process; `contract` checks that all mean the same by it. Nothing here
//! needs a service on the internet, and nothing decides anything but whether a peer may enter:
//! that is the guard's answer, given by the owner of the membership.

mod admission;
#[cfg(test)]
mod contract;
mod handshakes;
pub mod iroh;
pub mod link;
pub mod memory;
mod quic;
pub mod quinn;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use kernelos_protocol::id::DeviceId;

pub use link::{Link, LinkClosed, Path, PathKind, Receiver, Sender};

/// The longest frame: a sync frame of 256 KiB and room for what is wrapped around it.
pub const FRAME_BYTES_MAX: usize = 262_144 + 1_024;

/// How long a dial may take: a handshake needs three round trips, a slow mobile network a second
/// for each, and a person waits for a pairing no longer than this.
pub const DIAL_TIME_MAX: Duration = Duration::from_secs(10);

/// Addresses tried in one dial: each gets every packet of a handshake until one has answered.
pub const DIAL_ADDRESSES_MAX: usize = 16;

/// What a peer hears that the guard turns away.
pub const NOT_A_MEMBER: &str = "not a member";

/// What a peer hears that comes when all places are taken.
pub const BUSY: &str = "busy";

/// A future in a box, so that [`Transport`] can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// May this peer speak this protocol here? Asked for every incoming link, with its proven key.
pub type Guard = Arc<dyn Fn(&DeviceId, Protocol) -> bool + Send + Sync>;

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Two members exchange what they lack.
    Sync,
    /// A newcomer shows that it saw the secret of an invitation.
    Pair,
    /// A member shows its grant to who has not heard of it.
    Introduce,
    /// Members pass hints on, where that is switched on. Never a link. `SPEC: HINT-3`
    Gossip,
}

impl Protocol {
    /// All that links speak.
    pub const ALL: [Self; 3] = [Self::Sync, Self::Pair, Self::Introduce];

    /// Its name in the TLS handshake.
    #[must_use]
    pub const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Sync => b"kernelos/sync/1",
            Self::Pair => b"kernelos/pair/1",
            Self::Introduce => b"kernelos/introduce/1",
            Self::Gossip => b"kernelos/gossip/1",
        }
    }

    /// The protocol with this name in the TLS handshake.
    #[must_use]
    pub fn from_alpn(alpn: &[u8]) -> Option<Self> {
        let mut all = Self::ALL.into_iter().chain([Self::Gossip]);
        all.find(|protocol| protocol.alpn() == alpn)
    }
}

/// Why there is no link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// Nobody answered, or no address was known.
    #[error("the device cannot be reached: {0}")]
    Unreachable(String),
    /// Somebody answered who does not hold the device's key. (Other devices of ours keep silent.)
    #[error("another device answers at this address")]
    OtherDevice,
    /// The device answered and turned the link away, with these words.
    #[error("the device refuses: {0}")]
    Refused(String),
    /// The transport was closed here.
    #[error("the transport is closed")]
    Closed,
}

/// The transport could not be bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot bind {at}: {why}")]
pub struct BindError {
    /// Where.
    pub at: SocketAddr,
    /// What the system said.
    pub why: String,
}

impl DialError {
    /// Was it turned away because the device does not know it as a member?
    #[must_use]
    pub fn is_stranger(&self) -> bool {
        matches!(self, Self::Refused(why) if why == NOT_A_MEMBER)
    }

    /// Was it turned away because all places are taken?
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Refused(why) if why == BUSY)
    }
}

/// A way to other devices. `SPEC: LINK-1, LINK-2`
pub trait Transport: Send + Sync + 'static {
    /// Whose key it proves.
    fn device(&self) -> DeviceId;

    /// Where it can be reached now: loopback only if it was bound to loopback.
    fn addresses(&self) -> Vec<SocketAddr>;

    /// A link to the device `to`, which is looked for at these addresses, within
    /// [`DIAL_TIME_MAX`]. When there is a link, the peer has let it in.
    fn dial<'a>(
        &'a self,
        to: DeviceId,
        at: &'a [SocketAddr],
        protocol: Protocol,
    ) -> BoxFuture<'a, Result<Link, DialError>>;

    /// The next incoming link that the guard let in; `None` after [`Self::close`].
    fn accept(&self) -> BoxFuture<'_, Option<Link>>;

    /// Ends all links and gives the port back. Peers hear it. Ends of links that are still held
    /// hold the port too: whoever is told that a link ended should drop it.
    fn close(&self) -> BoxFuture<'_, ()>;
}
