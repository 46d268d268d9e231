//! Who may come in, and how many: the same for every transport.
//!
//! Each protocol has places of its own, so that strangers who pair cannot keep members out, and
//! one device has a share of them, so that one member cannot keep the others out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kernelos_protocol::id::DeviceId;

use super::{BUSY, Guard, NOT_A_MEMBER, Protocol};

/// Incoming links of one device.
const fn places_per_device_max(protocol: Protocol) -> usize {
    match protocol {
        // One for each workspace that both are in, and for a moment the ones that they replace.
        Protocol::Sync | Protocol::Pair => 32,
        // SPEC: INTRO-5
        Protocol::Introduce => 1,
        // One, and for a moment the one that it replaces.
        Protocol::Gossip => 2,
    }
}

/// Incoming links of all devices: what a small machine can hold, see the windows of `iroh`.
const fn places_max(protocol: Protocol) -> usize {
    match protocol {
        Protocol::Sync => 256,
        // Whoever knows an address may try.
        Protocol::Pair => 8,
        Protocol::Introduce => 16,
        Protocol::Gossip => 32,
    }
}

type Taken = BTreeMap<(Protocol, DeviceId), usize>;

/// The door of one transport.
pub(super) struct Admission {
    guard: Guard,
    taken: Arc<Mutex<Taken>>,
}

/// A place of one incoming link, free again when it is dropped.
pub(super) struct Place {
    taken: Arc<Mutex<Taken>>,
    key: (Protocol, DeviceId),
}

impl Admission {
    pub(super) fn new(guard: Guard) -> Self {
        Self { guard, taken: Arc::default() }
    }

    /// A place for this peer, or the words that turn it away.
    pub(super) fn admit(&self, peer: DeviceId, protocol: Protocol) -> Result<Place, &'static str> {
        if !(self.guard)(&peer, protocol) {
            return Err(NOT_A_MEMBER);
        }
        let key = (protocol, peer);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.get(&key).copied().unwrap_or(0);
        let all: usize =
            taken.iter().filter(|((of, _), _)| *of == protocol).map(|(_, count)| count).sum();
        if own >= places_per_device_max(protocol) || all >= places_max(protocol) {
            return Err(BUSY);
        }
        taken.insert(key, own + 1);
        Ok(Place { taken: Arc::clone(&self.taken), key })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_who_pair_take_no_place_of_a_member_and_a_place_is_given_back() {
        let admission = Admission::new(Arc::new(|_, _| true));
        let device = |number| DeviceId([number; 32]);
        let pairing: Vec<_> =
            (0..8).map(|number| admission.admit(device(number), Protocol::Pair)).collect();
        assert!(pairing.iter().all(Result::is_ok));
        assert_eq!(admission.admit(device(9), Protocol::Pair).err(), Some(BUSY));
        let member: Vec<_> = (0..places_per_device_max(Protocol::Sync))
            .map(|_| admission.admit(device(1), Protocol::Sync))
            .collect();
        assert!(member.iter().all(Result::is_ok));
        assert_eq!(admission.admit(device(1), Protocol::Sync).err(), Some(BUSY));
        assert!(admission.admit(device(2), Protocol::Sync).is_ok(), "others still come in");
        let introducing = admission.admit(device(1), Protocol::Introduce);
        assert!(introducing.is_ok());
        assert_eq!(admission.admit(device(1), Protocol::Introduce).err(), Some(BUSY));
        assert!(admission.admit(device(2), Protocol::Introduce).is_ok());
        drop((pairing, member, introducing));
        assert!(admission.taken.lock().unwrap().is_empty(), "nothing of them stays");
    }

    #[test]
    fn ten_thousand_who_come_at_once_have_no_more_places_than_there_are() {
        // SPEC: LINK-1
        let member = |number: u32| {
            let mut id = [1; 32];
            id[..4].copy_from_slice(&number.to_be_bytes());
            DeviceId(id)
        };
        let admission = Admission::new(Arc::new(|_, _| true));
        for protocol in [Protocol::Sync, Protocol::Pair, Protocol::Introduce] {
            let places: Vec<_> =
                (0..10_000).filter_map(|n| admission.admit(member(n), protocol).ok()).collect();
            assert_eq!(places.len(), places_max(protocol));
            assert_eq!(admission.taken.lock().unwrap().len(), places.len(), "nothing of the rest");
        }
        // One member at two hundred addresses is one member.
        let places: Vec<_> =
            (0..200).filter_map(|_| admission.admit(member(0), Protocol::Sync).ok()).collect();
        assert_eq!(places.len(), places_per_device_max(Protocol::Sync));
        let strangers = Admission::new(Arc::new(|_, _| false));
        assert!((0..10_000).all(|n| strangers.admit(member(n), Protocol::Sync).is_err()));
        assert!(strangers.taken.lock().unwrap().is_empty());
    }
}
