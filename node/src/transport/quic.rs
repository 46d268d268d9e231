//! What all transports over QUIC have in common: limits, codes, addresses and the door.
//!
//! Which library carries the packets is the business of [`super::iroh`] and [`super::quinn`].

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::admission::Admission;
use super::handshakes::Handshakes;
use super::{BUSY, DialError, Guard, PathKind};
use crate::portable;

/// A peer that says nothing for so long is gone. Both sides speak at least every
/// [`KEEP_ALIVE`], so two packets in a row may be lost.
pub(super) const IDLE_TIME_MAX: Duration = Duration::from_secs(5);
pub(super) const KEEP_ALIVE: Duration = Duration::from_millis(1_500);

/// What a link buffers in each direction: four of the longest frames, 80 Mbit/s over a round trip
/// of 100 ms. More is slower where it is fast: a system's own buffer for packets is smaller yet,
/// and what does not fit is lost and sent again.
pub(super) const WINDOW_BYTES: u32 = 1_048_576;

/// What a peer may make this device buffer before it was let in.
pub(super) const STRANGER_WINDOW_BYTES: u32 = 65_536;

/// Links that wait to be accepted. Beyond it a dial hears "busy".
pub(super) const WAITING_MAX: usize = 64;

/// How long a close waits for the owners of links to drop them, and for the system.
const GIVE_BACK_TIME_MAX: Duration = Duration::from_secs(1);

/// How long a handshake may take. One may have to give way before (SPEC: LINK-8).
pub(super) const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// The label under which both ends export the name of a channel. `SPEC: LINK-2`
pub(super) const EXPORTER_LABEL: &[u8] = b"kernelos/1/channel";

/// The first byte of a stream in each direction: nobody sees a stream that nothing was written
/// to, and the answer says that the peer was let in.
pub(super) const OPENER: [u8; 1] = [1];

/// Codes of a QUIC close. 0 is what a connection ends with that is dropped without a word.
pub(super) const LEFT: u32 = 0;
pub(super) const CLOSED: u32 = 1;
pub(super) const REFUSED: u32 = 2;

/// What a dialer hears where the other end knows no such protocol.
pub(super) const OTHER_PROTOCOL: &str = "it does not speak this protocol";

/// TLS alerts as QUIC carries them: 0x100 and the alert's number (RFC 9001 section 4.8).
const UNKNOWN_CA: u64 = 0x100 + 48;
const NO_APPLICATION_PROTOCOL: u64 = 0x100 + 120;

/// What incoming connections have to pass.
pub(super) struct Door {
    pub(super) admission: Admission,
    pub(super) handshakes: Handshakes,
}

impl Door {
    pub(super) fn new(guard: Guard) -> Self {
        Self { admission: Admission::new(guard), handshakes: Handshakes::new() }
    }
}

/// Why there is no connection that ended with this code of QUIC.
pub(super) fn not_let_in(code: u64, words: String) -> DialError {
    match code {
        UNKNOWN_CA => DialError::OtherDevice,
        NO_APPLICATION_PROTOCOL => DialError::Refused(OTHER_PROTOCOL.to_owned()),
        // CONNECTION_REFUSED: it has no place for another handshake.
        2 => DialError::Refused(BUSY.to_owned()),
        _ => DialError::Unreachable(words),
    }
}

/// An address that packets may be sent to because somebody named it.
pub(super) fn may_be_dialed(at: &SocketAddr) -> bool {
    let ip = at.ip().to_canonical();
    at.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && ip != Ipv4Addr::BROADCAST
}

/// An address that means the same on another machine: a link-local one needs the name of an
/// interface, which differs.
pub(super) fn may_be_told(at: &SocketAddr) -> bool {
    let local = match at.ip().to_canonical() {
        IpAddr::V4(_) => false,
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    may_be_dialed(at) && !local
}

pub(super) fn kind_of(address: &SocketAddr) -> PathKind {
    let lan = match address.ip().to_canonical() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local(),
    };
    if lan { PathKind::Lan } else { PathKind::Direct }
}

/// Waits until these addresses can be bound again: the sockets are closed on another thread some
/// time after the last end of a link is dropped, and nobody is told.
pub(super) async fn given_back(bound: &[SocketAddr]) {
    let started = Instant::now();
    let free = |at: &SocketAddr| UdpSocket::bind(at).is_ok();
    while !bound.iter().all(free) && started.elapsed() < GIVE_BACK_TIME_MAX {
        portable::sleep(Duration::from_millis(1)).await;
    }
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
