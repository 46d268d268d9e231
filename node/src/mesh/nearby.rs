//! Members on the same local network, found by multicast DNS: the sockets around what the protocol
//! decides. `SPEC: LINK-5, LINK-6`
//!
//! Each interface that members can come by has a socket of each family, bound to the group's own
//! address: it takes nothing from another program that answers on this machine. Nothing that comes
//! is answered.

mod interfaces;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::{Arc, Mutex};

use kernelos_protocol::id::DeviceId;
use kernelos_protocol::sync::nearby::{self, Announcement};
use socket2::{Domain, Socket, Type};
use tokio::net::UdpSocket;

use self::interfaces::{Interface, interfaces};
use crate::pairing::lock;
use crate::portable::{Task, spawn};

/// RFC 6762 section 3.
const PORT: u16 = 5353;
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);

/// RFC 6762 section 11.
const HOPS: u32 = 255;

/// A message that is one packet on every network; no announcement is longer.
const MESSAGE_BYTES_MAX: usize = 1_024;

/// Sockets, one for each family on an interface. More have only machines full of virtual ones.
const EARS_MAX: usize = 32;

/// What is heard and said on the local networks of this device.
pub(super) struct Nearby {
    device: DeviceId,
    state: Arc<Mutex<nearby::Nearby>>,
    /// A nonce, and the addresses that it was made for.
    nonce: Option<([u8; 8], Vec<SocketAddr>)>,
    /// Open while somebody is missed.
    ears: Vec<Ear>,
}

/// A socket on one interface.
struct Ear {
    socket: Arc<UdpSocket>,
    group: SocketAddr,
    /// What is said there: the addresses that this device has on this interface alone.
    said: Vec<u8>,
    listening: Task,
}

impl Nearby {
    pub(super) fn new(device: DeviceId) -> Self {
        Self { device, state: Arc::default(), nonce: None, ears: Vec::new() }
    }

    /// Says where this device is, where that is due; whom to dial now of those that are missed, and
    /// where they said that they are.
    pub(super) async fn look(
        &mut self,
        now_ms: u64,
        missed: &BTreeSet<DeviceId>,
        own: &[SocketAddr],
    ) -> BTreeMap<DeviceId, Vec<SocketAddr>> {
        // The next network may give it the same addresses: what was said here is not said there.
        if self.nonce.as_ref().is_some_and(|(_, of)| of != own) {
            self.nonce = None;
        }
        let (is_due, to_dial) = {
            let mut state = lock(&self.state);
            (state.look(now_ms, missed, own), state.due(now_ms))
        };
        if missed.is_empty() {
            self.ears.clear();
        }
        if is_due {
            // Anew each time: an interface may have gone and come with the same address.
            self.open(own);
            for ear in &self.ears {
                // A network that takes nothing now is told the next time.
                ear.socket.send_to(&ear.said, ear.group).await.ok();
            }
        }
        to_dial
    }

    /// Listens on the interfaces that this device is reached by.
    fn open(&mut self, own: &[SocketAddr]) {
        self.ears.clear();
        if self.nonce.is_none() {
            let mut nonce = [0; 8];
            let made = getrandom::fill(&mut nonce);
            self.nonce = made.is_ok().then(|| (nonce, own.to_vec()));
        }
        // Without randomness a device could be followed by what it says; then it says nothing.
        let Some((nonce, _)) = &self.nonce else { return };
        let all = interfaces();
        let networks: Arc<[_]> = all.iter().flat_map(|of| of.networks.clone()).collect();
        for interface in &all {
            let here: Vec<_> = own.iter().filter(|at| interface.has(at.ip())).copied().collect();
            let said = Announcement::new(&self.device, *nonce, &here);
            let Some(said) = said.and_then(|said| said.encode()) else { continue };
            let sockets = [via_v4(interface), via_v6(interface)].into_iter().flatten();
            for (socket, group) in sockets.filter_map(Result::ok) {
                if self.ears.len() >= EARS_MAX {
                    return;
                }
                let socket = Arc::new(socket);
                let (state, networks) = (Arc::clone(&self.state), Arc::clone(&networks));
                let listening = spawn(listen(Arc::clone(&socket), state, networks));
                self.ears.push(Ear { socket, group, said: said.clone(), listening });
            }
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(
    socket: Arc<UdpSocket>,
    state: Arc<Mutex<nearby::Nearby>>,
    networks: Arc<[interfaces::Network]>,
) {
    let mut message = [0; MESSAGE_BYTES_MAX];
    // An error is that of the interface; a socket is made anew when something is said next.
    while let Ok(length) = socket.recv(&mut message).await {
        let Some(heard) = message.get(..length).and_then(Announcement::decode) else { continue };
        let is_near = |at: &SocketAddr| networks.iter().any(|network| network.has(at.ip()));
        lock(&state).hear(&heard, is_near);
    }
}

/// A socket for IPv4, where the interface has an address of it.
fn via_v4(interface: &Interface) -> Option<std::io::Result<(UdpSocket, SocketAddr)>> {
    let own = interface.v4()?;
    let group = SocketAddr::new(GROUP_V4.into(), PORT);
    let open = || {
        let socket = shared(Domain::IPV4)?;
        socket.bind(&group.into())?;
        socket.join_multicast_v4(&GROUP_V4, &own)?;
        socket.set_multicast_if_v4(&own)?;
        socket.set_multicast_ttl_v4(HOPS)?;
        UdpSocket::from_std(socket.into())
    };
    Some(open().map(|socket| (socket, group)))
}

/// The same for IPv6.
fn via_v6(interface: &Interface) -> Option<std::io::Result<(UdpSocket, SocketAddr)>> {
    let index = interface.v6_index()?;
    let group = SocketAddr::V6(SocketAddrV6::new(GROUP_V6, PORT, 0, index));
    let open = || {
        let socket = shared(Domain::IPV6)?;
        socket.set_only_v6(true)?;
        socket.bind(&group.into())?;
        socket.join_multicast_v6(&GROUP_V6, index)?;
        socket.set_multicast_if_v6(index)?;
        socket.set_multicast_hops_v6(HOPS)?;
        UdpSocket::from_std(socket.into())
    };
    Some(open().map(|socket| (socket, group)))
}

/// The port of multicast DNS is everybody's. (Loopback of what is sent is on by itself: another
/// device of this machine hears it too.)
fn shared(domain: Domain) -> std::io::Result<Socket> {
    let socket = Socket::new(domain, Type::DGRAM, None)?;
    socket.set_reuse_address(true)?;
    // Systems of the BSD family share a port by this option alone.
    #[cfg(not(target_os = "linux"))]
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests;
