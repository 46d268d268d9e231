//! Address cards: where a device can be reached, in its own words and signed.
//!
//! One newest card a device is kept and passed on with sync, so that two devices that a third one
//! paired find each other. A card says where to knock and nothing else: who opens is proven by the
//! handshake (SPEC: SYNC-7).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::cbor::{self, Canonical, CborFault, Reader, Writer};
use crate::hash::{self, context};
use crate::id::DeviceId;
use crate::key::{DeviceKey, verify};
use crate::limits::CARD_ADDRESSES_MAX;

/// Where a device can be reached. `SPEC: SYNC-7`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Card {
    device: DeviceId,
    counter: u64,
    addresses: Vec<SocketAddr>,
    signature: [u8; 64],
}

impl Card {
    /// The card of `key`'s device; of two the greater counter is newer.
    #[must_use]
    pub fn sign(key: &DeviceKey, counter: u64, mut addresses: Vec<SocketAddr>) -> Self {
        addresses.sort();
        addresses.dedup();
        addresses.truncate(CARD_ADDRESSES_MAX);
        let mut card = Self { device: key.device(), counter, addresses, signature: [0; 64] };
        card.signature = key.sign(hash::SIGN_CARD, &card.digest());
        card
    }

    /// Reads a card and checks its signature.
    pub fn decode(bytes: &[u8]) -> Result<Self, CborFault> {
        let card: Self = cbor::decode(bytes)?;
        if verify(&card.device, hash::SIGN_CARD, &card.digest(), &card.signature) {
            Ok(card)
        } else {
            Err(CborFault::Malformed)
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// Where the device can be reached.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    fn digest(&self) -> [u8; 32] {
        let mut writer = Writer::default();
        writer.array(3);
        self.write_signed(&mut writer);
        hash::hash(context::CARD, &[&writer.finish()])
    }

    fn write_signed(&self, to: &mut Writer) {
        to.bytes(&self.device.0).uint(self.counter);
        write_addresses(to, &self.addresses);
    }
}

/// Writes addresses.
pub(crate) fn write_addresses(to: &mut Writer, addresses: &[SocketAddr]) {
    to.array(addresses.len());
    for address in addresses {
        to.array(2);
        match address.ip() {
            IpAddr::V4(ip) => to.bytes(&ip.octets()),
            IpAddr::V6(ip) => to.bytes(&ip.octets()),
        };
        to.uint(u64::from(address.port()));
    }
}

/// Reads at most `max` addresses, which are strictly ascending.
pub(super) fn read_addresses(
    from: &mut Reader<'_>,
    max: usize,
) -> Result<Vec<SocketAddr>, CborFault> {
    let addresses = read_in_any_order(from, max)?;
    let is_sorted = addresses.iter().zip(addresses.iter().skip(1)).all(|(a, b)| a < b);
    if is_sorted { Ok(addresses) } else { Err(CborFault::Malformed) }
}

/// Reads at most `max` addresses.
pub(crate) fn read_in_any_order(
    from: &mut Reader<'_>,
    max: usize,
) -> Result<Vec<SocketAddr>, CborFault> {
    let len = from.array(max)?;
    let mut addresses: Vec<SocketAddr> = Vec::with_capacity(len);
    for _ in 0..len {
        from.array_of(2)?;
        let ip = from.bytes(16)?;
        let ip = match (<[u8; 4]>::try_from(ip), <[u8; 16]>::try_from(ip)) {
            (Ok(four), _) => IpAddr::V4(Ipv4Addr::from(four)),
            (_, Ok(sixteen)) => IpAddr::V6(Ipv6Addr::from(sixteen)),
            _ => return Err(CborFault::Malformed),
        };
        let port = u16::try_from(from.uint()?).map_err(|_| CborFault::Malformed)?;
        addresses.push(SocketAddr::new(ip, port));
    }
    Ok(addresses)
}

impl Canonical for Card {
    fn write(&self, to: &mut Writer) {
        to.array(4);
        self.write_signed(to);
        to.bytes(&self.signature);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CborFault> {
        from.array_of(4)?;
        let device = DeviceId(from.fixed()?);
        let counter = from.uint()?;
        let addresses = read_addresses(from, CARD_ADDRESSES_MAX)?;
        Ok(Self { device, counter, addresses, signature: from.fixed()? })
    }
}

impl TryFrom<Vec<u8>> for Card {
    type Error = CborFault;
    fn try_from(bytes: Vec<u8>) -> Result<Self, CborFault> {
        Self::decode(&bytes)
    }
}

impl From<Card> for Vec<u8> {
    fn from(card: Card) -> Self {
        cbor::encode(&card)
    }
}

/// The newest card of each device.
#[derive(Debug, Default)]
pub struct Cards(BTreeMap<DeviceId, Card>);

impl Cards {
    /// Keeps a card if it is newer than the one of its device; was it?
    pub fn keep(&mut self, card: &Card) -> bool {
        let newer = self.0.get(&card.device).is_none_or(|known| known.counter < card.counter);
        if newer {
            self.0.insert(card.device, card.clone());
        }
        newer
    }

    /// The next own card, if the addresses are other ones than those of the last.
    #[must_use]
    pub fn next(&self, key: &DeviceKey, addresses: Vec<SocketAddr>) -> Option<Card> {
        let last = self.0.get(&key.device());
        let counter = last.map_or(0, |card| card.counter.saturating_add(1));
        let card = Card::sign(key, counter, addresses);
        (last.map(|last| &last.addresses) != Some(&card.addresses)).then_some(card)
    }

    /// All cards.
    pub fn all(&self) -> impl Iterator<Item = &Card> {
        self.0.values()
    }
}
