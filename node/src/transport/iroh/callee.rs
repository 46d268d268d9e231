//! Who a connection is meant for, said in its first packet.
//!
//! A packet to a new peer goes to all its addresses at once, and the first answer is taken. If one
//! of them belongs to another device by now, its answer would end the handshake, again and again,
//! because iroh keeps the address. So a dialer names the device it means, and every other one
//! keeps silent.
//!
//! The first packet can be read on its way, so it holds no id: a random number, and a hash of it
//! with the id, which only those can check who know the id. It travels as one more name in the
//! list of protocols (ALPN, RFC 7301), which a server that does not know it passes over.

use ::iroh::endpoint::Incoming;
use kernelos_protocol::id::DeviceId;

const PREFIX: &[u8; 14] = b"kernelos/to/1/";
const CONTEXT: &str = "kernelos/1/called device";

/// Names in a first packet that are looked at: hashing is cheap, not free.
const NAMES_MAX: usize = 8;

/// What names this device to itself and to nobody else. `None` without randomness: then the
/// handshake alone decides.
pub(super) fn name(device: &DeviceId) -> Option<Vec<u8>> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).ok()?;
    Some([&PREFIX[..], &random, &tag(random, device)].concat())
}

/// Was another device named? A packet that names none, or cannot be read, is let on.
pub(super) fn is_another(incoming: &Incoming, own: &DeviceId) -> bool {
    let names = incoming.decrypt().and_then(|packet| packet.alpns());
    names.is_some_and(|names| {
        names.take(NAMES_MAX).flatten().any(|called| names_another(&called, own))
    })
}

fn names_another(called: &[u8], own: &DeviceId) -> bool {
    called
        .strip_prefix(PREFIX)
        .and_then(<[u8]>::split_first_chunk)
        .is_some_and(|(random, named)| named != tag(*random, own))
}

fn tag(random: [u8; 8], device: &DeviceId) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(&random).update(&device.0);
    let mut tag = [0; 8];
    hasher.finalize_xof().fill(&mut tag);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_to_its_device_alone_and_never_the_same() {
        let (own, other) = (DeviceId([1; 32]), DeviceId([2; 32]));
        let (first, second) = (name(&own).unwrap(), name(&own).unwrap());
        assert!(!names_another(&first, &own) && !names_another(&second, &own));
        assert!(names_another(&first, &other));
        assert_ne!(first, second, "nobody can follow a device by it");
        assert!(!names_another(b"kernelos/sync/1", &own), "no name at all");
        assert!(!names_another(b"kernelos/to/1/short", &own));
    }
}
