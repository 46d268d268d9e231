//! Devices that miss each other on a local network: what one announces there, and what is made of
//! what is heard.
//!
//! An announcement is one message of multicast DNS that nobody asked for. It names its device by a
//! hash that only those can check who know the device, and covers its addresses with it: a stranger
//! learns that some device of this program is there, cannot follow it to another network, and can
//! change nothing but repeat it. It is a hint where to knock; who opens is proven by the handshake.
//! `SPEC: LINK-5, LINK-6`

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use super::card::{read_addresses, write_addresses};
use crate::cbor::{self, Canonical, CborFault, Reader, Writer};
use crate::hash::{context, hash};
use crate::id::DeviceId;
use crate::limits::{ANNOUNCE_MS, NEARBY_ADDRESSES_MAX, NEARBY_DIALS_MAX, NEARBY_DIALS_MS};

/// A response with one answer (RFC 1035 section 4.1.1, RFC 6762 section 18), which is a text of the
/// name `_kernelos._udp.local`, one of many (no cache flush), to be kept for ten seconds.
const BEFORE: &[u8] = b"\0\0\x84\0\0\0\0\x01\0\0\0\0\x09_kernelos\x04_udp\x05local\0\
                        \0\x10\0\x01\0\0\0\x0a";
/// The key of the text (RFC 6763 section 6.4).
const KEY: &[u8] = b"at=";

/// Where a device is on a local network, for those who know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    nonce: [u8; 8],
    tag: [u8; 16],
    addresses: Vec<SocketAddr>,
}

impl Announcement {
    /// Says where `device` is; `None` where it is nowhere. The nonce is random, a new one on every
    /// network.
    #[must_use]
    pub fn new(device: &DeviceId, nonce: [u8; 8], addresses: &[SocketAddr]) -> Option<Self> {
        let mut addresses: Vec<_> =
            addresses.iter().map(|at| SocketAddr::new(at.ip(), at.port())).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(NEARBY_ADDRESSES_MAX);
        let mut new = Self { nonce, tag: [0; 16], addresses };
        new.tag = new.tag_of(device);
        (!new.addresses.is_empty()).then_some(new)
    }

    /// The message of DNS; `None` never, since the bounds of what it says fit one text.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        let said = cbor::encode(self);
        let text = u8::try_from(KEY.len() + said.len()).ok()?;
        let record = (u16::from(text) + 1).to_be_bytes();
        Some([BEFORE, &record, &[text], KEY, &said].concat())
    }

    /// Reads a message. Nothing but what [`Self::encode`] makes is taken; everybody else's messages
    /// come to the same place.
    #[must_use]
    pub fn decode(message: &[u8]) -> Option<Self> {
        let (record, text) = message.strip_prefix(BEFORE)?.split_first_chunk()?;
        let (length, text) = text.split_first()?;
        if usize::from(*length) != text.len()
            || u16::from_be_bytes(*record) != u16::from(*length) + 1
        {
            return None;
        }
        let read: Self = cbor::decode(text.strip_prefix(KEY)?).ok()?;
        (!read.addresses.is_empty()).then_some(read)
    }

    /// Where it says that its device is.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Does it speak of this device?
    #[must_use]
    pub fn is_of(&self, device: &DeviceId) -> bool {
        self.tag == self.tag_of(device)
    }

    fn tag_of(&self, device: &DeviceId) -> [u8; 16] {
        let mut said = Writer::default();
        write_addresses(&mut said, &self.addresses);
        let whole = hash(context::NEARBY, &[&self.nonce, &device.0, &said.finish()]);
        let mut tag = [0; 16];
        tag.copy_from_slice(&whole[..16]);
        tag
    }
}

impl Canonical for Announcement {
    fn write(&self, to: &mut Writer) {
        to.array(3).bytes(&self.nonce).bytes(&self.tag);
        write_addresses(to, &self.addresses);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CborFault> {
        from.array_of(3)?;
        let (nonce, tag) = (from.fixed()?, from.fixed()?);
        Ok(Self { nonce, tag, addresses: read_addresses(from, NEARBY_ADDRESSES_MAX)? })
    }
}

/// What a device does about those that it misses. Times are milliseconds of a monotonic clock.
#[derive(Debug, Default)]
pub struct Nearby {
    missed: BTreeMap<DeviceId, Missed>,
    own: Vec<SocketAddr>,
    announced_ms: Option<u64>,
    wait_ms: u64,
}

/// A device that is missed.
#[derive(Debug, Default)]
struct Missed {
    /// Newest last.
    heard_at: Vec<SocketAddr>,
    is_to_be_dialed: bool,
    /// When it was dialed for what was heard.
    dialed_ms: VecDeque<u64>,
}

impl Nearby {
    /// Whom this device misses now, and where it is itself. True where it is to announce itself:
    /// soon after either changed, then ever more seldom, and never while it misses nobody.
    pub fn look(&mut self, now_ms: u64, missed: &BTreeSet<DeviceId>, own: &[SocketAddr]) -> bool {
        self.missed.retain(|device, _| missed.contains(device));
        let mut is_new = self.own != own;
        for device in missed {
            self.missed.entry(*device).or_insert_with(|| {
                is_new = true;
                Missed::default()
            });
        }
        if is_new {
            self.own = own.to_vec();
            self.wait_ms = ANNOUNCE_MS.0;
        }
        let due_ms = self.announced_ms.map_or(0, |last| last.saturating_add(self.wait_ms));
        let is_due = !self.missed.is_empty() && !own.is_empty() && due_ms <= now_ms;
        if is_due {
            if self.announced_ms.is_some() && !is_new {
                self.wait_ms = self.wait_ms.saturating_mul(2).min(ANNOUNCE_MS.1);
            }
            self.announced_ms = Some(now_ms);
        }
        is_due
    }

    /// What was heard; true where it is about a device that is missed. Addresses of other networks
    /// than those that `is_near` are not taken: nobody is sent anywhere else by a stranger's word.
    pub fn hear(&mut self, heard: &Announcement, is_near: impl Fn(&SocketAddr) -> bool) -> bool {
        let Some((_, missed)) = self.missed.iter_mut().find(|(device, _)| heard.is_of(device))
        else {
            return false;
        };
        for at in heard.addresses.iter().filter(|at| at.port() != 0 && is_near(at)) {
            missed.heard_at.retain(|known| known != at);
            missed.heard_at.push(*at);
            missed.is_to_be_dialed = true;
        }
        let extra = missed.heard_at.len().saturating_sub(NEARBY_ADDRESSES_MAX);
        missed.heard_at.drain(..extra);
        true
    }

    /// The devices to be dialed now for what was heard, and where.
    pub fn due(&mut self, now_ms: u64) -> BTreeMap<DeviceId, Vec<SocketAddr>> {
        let mut due = BTreeMap::new();
        for (device, missed) in &mut self.missed {
            let is_over = |dialed: &u64| dialed.saturating_add(NEARBY_DIALS_MS) <= now_ms;
            while missed.dialed_ms.front().is_some_and(is_over) {
                missed.dialed_ms.pop_front();
            }
            if missed.is_to_be_dialed && missed.dialed_ms.len() < NEARBY_DIALS_MAX {
                missed.is_to_be_dialed = false;
                missed.dialed_ms.push_back(now_ms);
                due.insert(*device, missed.heard_at.clone());
            }
        }
        due
    }
}

#[cfg(test)]
mod tests;
