//! How events are written where a store gave them or takes them, in recorded turns: one without
//! its signature stands beside what proves it, so it is trusted as a row of the store is.

use serde::{Deserialize as _, Deserializer, Serializer};

use crate::event::{Signed, Verified};

fn read<E: serde::de::Error>(envelope: &[u8]) -> Result<Verified, E> {
    let event = Signed::decode(envelope).and_then(|event| match event.signature() {
        Some(_) => event.verify(),
        None => event.trust_stored(),
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
