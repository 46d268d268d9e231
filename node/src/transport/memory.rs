//! Links within one process: what tests and simulations put in the place of a network.
//!
//! The same meaning as over QUIC, with bounded pipes and invented addresses. What a network does
//! to links can be done here on purpose: [`MemoryNetwork::cut`].

mod pipe;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use kernelos_protocol::id::DeviceId;
use tokio::sync::mpsc;

use super::admission::Admission;
use super::{BUSY, BoxFuture, DIAL_ADDRESSES_MAX, DialError, Guard, Link, Protocol, Transport};
use crate::portable;
use pipe::{Ending, Line, Side};

/// Links that wait to be accepted. Beyond it a dial hears "busy".
const WAITING_MAX: usize = 64;

/// A network of one process. Its clones are the same network.
#[derive(Clone, Default)]
pub struct MemoryNetwork(Arc<Mutex<Registry>>);

#[derive(Default)]
struct Registry {
    /// Numbers both addresses and links.
    last: u64,
    bound: BTreeMap<SocketAddr, Bound>,
    lines: Vec<Entry>,
    cut: BTreeSet<(DeviceId, DeviceId)>,
    carried: Arc<AtomicU64>,
}

struct Bound {
    device: DeviceId,
    admission: Admission,
    waiting: mpsc::Sender<Link>,
}

/// A link that may still be open: of the dialer first.
struct Entry {
    devices: (DeviceId, DeviceId),
    ends: (SocketAddr, SocketAddr),
    line: Weak<Line>,
}

/// One device on a [`MemoryNetwork`].
pub struct MemoryTransport {
    network: MemoryNetwork,
    device: DeviceId,
    address: SocketAddr,
    waiting: tokio::sync::Mutex<mpsc::Receiver<Link>>,
    closed: AtomicBool,
}

impl MemoryNetwork {
    /// Puts a device on the network, at an address of its own.
    #[must_use]
    pub fn bind(&self, device: DeviceId, guard: Guard) -> MemoryTransport {
        let (sender, waiting) = mpsc::channel(WAITING_MAX);
        let mut registry = self.lock();
        let number = registry.next_number();
        // The discard prefix (RFC 6666): should it ever reach a real network, it goes nowhere.
        let ip = Ipv6Addr::from_bits((0x0100_u128 << 112) | u128::from(number));
        let address = SocketAddr::new(IpAddr::V6(ip), 1);
        let bound = Bound { device, admission: Admission::new(guard), waiting: sender };
        registry.bound.insert(address, bound);
        drop(registry);
        let waiting = tokio::sync::Mutex::new(waiting);
        let closed = AtomicBool::new(false);
        MemoryTransport { network: self.clone(), device, address, waiting, closed }
    }

    /// Cuts the line between two devices: links are lost, dials reach nobody, until
    /// [`Self::heal`].
    pub fn cut(&self, one: DeviceId, other: DeviceId) {
        let mut registry = self.lock();
        registry.cut.insert(pair(one, other));
        for entry in &registry.lines {
            if pair(entry.devices.0, entry.devices.1) == pair(one, other)
                && let Some(line) = entry.line.upgrade()
            {
                line.end(Ending::Lost);
            }
        }
    }

    /// Takes back a [`Self::cut`].
    pub fn heal(&self, one: DeviceId, other: DeviceId) {
        self.lock().cut.remove(&pair(one, other));
    }

    /// Is a device at this address?
    #[must_use]
    pub fn is_bound(&self, at: SocketAddr) -> bool {
        self.lock().bound.contains_key(&at)
    }

    /// Bytes that were handed to any of its links, with the lengths of frames.
    #[must_use]
    pub fn carried(&self) -> u64 {
        self.lock().carried.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn dial(
        &mut self,
        (from, own): (DeviceId, SocketAddr),
        to: DeviceId,
        at: &[SocketAddr],
        protocol: Protocol,
    ) -> Result<Link, DialError> {
        if !self.bound.contains_key(&own) {
            return Err(DialError::Closed);
        }
        if from == to {
            return Err(DialError::Unreachable("it is this device itself".to_owned()));
        }
        let number = self.next_number();
        let mut found = at.iter().take(DIAL_ADDRESSES_MAX).filter_map(|address| {
            // Another device at an address that was this one's keeps silent.
            let bound = self.bound.get(address).filter(|bound| bound.device == to)?;
            (!self.cut.contains(&pair(from, to))).then_some((*address, bound))
        });
        let Some((address, bound)) = found.next() else {
            return Err(DialError::Unreachable("nobody is at its addresses".to_owned()));
        };
        let place = bound
            .admission
            .admit(from, protocol)
            .map_err(|reason| DialError::Refused(reason.to_owned()))?;
        let slot = match bound.waiting.try_reserve() {
            Ok(slot) => slot,
            Err(mpsc::error::TrySendError::Full(())) => {
                return Err(DialError::Refused(BUSY.to_owned()));
            }
            Err(mpsc::error::TrySendError::Closed(())) => {
                return Err(DialError::Unreachable("nobody is at its addresses".to_owned()));
            }
        };
        let line = Arc::new(Line::new(Arc::clone(&self.carried)));
        let ([dialer, acceptor], [near, far]) = pipe::ends(&line, [address, own], place);
        let exporter = exporter(number, from, to);
        slot.send(Link::new((from, protocol, false), exporter, acceptor, far));
        self.lines.retain(|entry| entry.line.strong_count() > 0);
        let line = Arc::downgrade(&line);
        self.lines.push(Entry { devices: (from, to), ends: (own, address), line });
        Ok(Link::new((to, protocol, true), exporter, dialer, near))
    }
}

impl MemoryTransport {
    /// Takes the device off the network. Its links end as they do when a program ends.
    fn leave(&self) {
        self.closed.store(true, Ordering::Release);
        let mut registry = self.network.lock();
        let bound = registry.bound.remove(&self.address);
        for entry in &registry.lines {
            let side = if entry.ends.0 == self.address { Side::Dialer } else { Side::Acceptor };
            let own = entry.ends.0 == self.address || entry.ends.1 == self.address;
            if own && let Some(line) = entry.line.upgrade() {
                line.end(Ending::Left(side));
            }
        }
        drop(registry);
        // Last, because it wakes whoever waits for a link.
        drop(bound);
    }
}

impl Drop for MemoryTransport {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Transport for MemoryTransport {
    fn device(&self) -> DeviceId {
        self.device
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        if self.closed.load(Ordering::Acquire) { Vec::new() } else { vec![self.address] }
    }

    fn dial<'a>(
        &'a self,
        to: DeviceId,
        at: &'a [SocketAddr],
        protocol: Protocol,
    ) -> BoxFuture<'a, Result<Link, DialError>> {
        Box::pin(async move {
            // Over a network no dial is done at once, so whoever accepts gets a turn.
            portable::yield_now().await;
            self.network.lock().dial((self.device, self.address), to, at, protocol)
        })
    }

    fn accept(&self) -> BoxFuture<'_, Option<Link>> {
        Box::pin(async move {
            let link = self.waiting.lock().await.recv().await?;
            (!self.closed.load(Ordering::Acquire)).then_some(link)
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move { self.leave() })
    }
}

fn pair(one: DeviceId, other: DeviceId) -> (DeviceId, DeviceId) {
    (one.min(other), one.max(other))
}

/// Equal at both ends and different for each link, as TLS makes it; within one process it need
/// not be a secret.
fn exporter(number: u64, from: DeviceId, to: DeviceId) -> [u8; 32] {
    let mut exporter = [0; 32];
    exporter[..8].copy_from_slice(&number.to_be_bytes());
    exporter[8..20].copy_from_slice(&from.0[..12]);
    exporter[20..].copy_from_slice(&to.0[..12]);
    exporter
}
