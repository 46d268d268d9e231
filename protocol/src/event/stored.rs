//! Events of our own store, and how they are written where it gave them or takes them, in recorded
//! turns: one without its signature stands beside what proves it, so it is trusted as a row is.

use std::sync::Arc;

use serde::{Deserialize as _, Deserializer, Serializer};

use crate::cbor::{self, CborFault, Reader};
use crate::event::{EventFault, Header, SALT_BYTES, Signed, Verified, id_of};
use crate::id::EventId;
use crate::limits::{BODY_BYTES_MAX, HEADER_BYTES_MAX};

/// The parts of an envelope.
pub(super) struct Parts<'a> {
    pub(super) header: &'a [u8],
    pub(super) signature: Option<[u8; 64]>,
    pub(super) body: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    pub(super) fn read(envelope: &'a [u8]) -> Result<Self, CborFault> {
        let mut reader = Reader::new(envelope);
        reader.array_of(3)?;
        let header = reader.bytes(HEADER_BYTES_MAX)?;
        let signature = if reader.is_null()? { None } else { Some(reader.fixed()?) };
        let body =
            if reader.is_null()? { None } else { Some(reader.bytes(SALT_BYTES + BODY_BYTES_MAX)?) };
        reader.end()?;
        Ok(Self { header, signature, body })
    }
}

impl Verified {
    /// The event of a row of our own store whose check was compared: these are the bytes that were
    /// written, of an event that was verified then. So only its parts are read. Not asked again are
    /// the signature, or what proves it without one, whether this is its one encoding, and whether
    /// the body is the one named: of a file that nobody vouches for, [`super::Proving`] asks them.
    pub fn of_row(envelope: &[u8]) -> Result<Self, EventFault> {
        Signed::read(envelope, Header::decode_kept)?.into_verified()
    }

    /// The same, where it is the event of this id, whose header is at hand: its bytes are compared
    /// and nothing of it is read. None where they are others. `SPEC: DUR-19`
    #[must_use]
    pub fn of_known_row(envelope: &[u8], id: EventId, header: &Arc<Header>) -> Option<Self> {
        let parts = Parts::read(envelope).ok()?;
        let header_bytes = cbor::encode(&**header);
        (header_bytes == parts.header).then_some(())?;
        debug_assert_eq!(id_of(&header_bytes), id, "the header of another event");
        let (signature, body) = (parts.signature, parts.body.map(<[u8]>::to_vec));
        let signed = Signed { header: Arc::clone(header), header_bytes, id, signature, body };
        signed.check_signature().ok()?;
        signed.into_verified().ok()
    }
}

fn read<E: serde::de::Error>(envelope: &[u8]) -> Result<Verified, E> {
    let event = Signed::decode(envelope).and_then(|event| match event.signature() {
        Some(_) => event.verify(),
        None => event.into_verified(),
    });
    event.map_err(E::custom)
}

pub(crate) fn serialize<S: Serializer>(event: &Verified, to: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&event.encode(), to)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Verified, D::Error> {
    read(&Vec::<u8>::deserialize(from)?)
}

/// The same of several.
pub(crate) mod all {
    use super::{Deserializer, Serializer, Verified, read};
    use serde::Deserialize as _;

    pub(crate) fn serialize<S: Serializer>(events: &[Verified], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(events.iter().map(Verified::encode))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Verified>, D::Error> {
        let envelopes = Vec::<Vec<u8>>::deserialize(from)?;
        envelopes.iter().map(|envelope| read(envelope)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Class, Unsigned};
    use crate::id::{Incarnation, Lane, WorkspaceId};
    use crate::key::DeviceKey;
    use crate::time::Stamp;

    /// The first event of a chain, which joins heads.
    fn event(stamp: u64) -> Verified {
        let key = DeviceKey::from_secret(&[1; 32]);
        let header = Header {
            workspace: WorkspaceId([2; 32]),
            lane: Lane::Content,
            author: key.device(),
            incarnation: Incarnation([3; 8]),
            seq: 0,
            prev: None,
            parents: vec![EventId([4; 32])],
            heard: vec![EventId([5; 32])],
            stamp: Stamp(stamp),
            class: Class::Plain,
            epoch: None,
            body: None,
        };
        Unsigned { header, body: None }.sign(&key).unwrap()
    }

    #[test]
    fn a_row_is_the_event_whose_header_is_at_hand_or_is_not_taken_for_it() {
        // SPEC: DUR-19
        let (one, other) = (event(1), event(2));
        let header = one.shared_header();
        let known = Verified::of_known_row(&one.encode(), one.id(), &header).unwrap();
        assert_eq!((known.id(), known.encode()), (one.id(), one.encode()));
        assert_eq!(Verified::of_row(&one.encode()).unwrap().encode(), known.encode());
        // Another of a fork, or of another place.
        assert_eq!(Verified::of_known_row(&other.encode(), one.id(), &header), None);
        let long = [one.encode(), vec![0]].concat();
        assert_eq!(Verified::of_known_row(&long, one.id(), &header), None);
    }
}
