//! Names of things: devices, workspaces, events, incarnations, documents, chains.
//!
//! Every id is bytes of a fixed size, printed and read as lower-case hex. An id is compared as
//! bytes, so "the lowest id" means the same on every device.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Text that is not the hex of an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} hex digits, lower case, for {what}")]
pub struct BadId {
    /// What was to be read, such as "event id".
    pub what: &'static str,
    /// How many hex digits it has.
    pub expected: usize,
}

/// Lower-case hex of `bytes`.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}

/// The bytes of lower-case hex `text`, if it is exactly `N` bytes.
#[must_use]
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != N * 2 {
        return None;
    }
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(out)
}

/// The first eight bytes as a number, which orders as they do. Nearly all ids differ in it, and it
/// is compared in place: maps by id are looked into dozens of times for each event.
fn beginning(id: &[u8]) -> u64 {
    id.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $size:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub [u8; $size]);

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                beginning(&self.0)
                    .cmp(&beginning(&other.0))
                    .then_with(|| self.0.cmp(&other.0))
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl $name {
            /// How many hex digits it is printed with.
            pub const DIGITS: usize = $size * 2;

            /// The first eight hex digits: for people, never for decisions.
            #[must_use]
            pub fn short(&self) -> String {
                to_hex(&self.0[..4])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&to_hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.short())
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                from_hex(text).map(Self).ok_or(BadId { what: $what, expected: $size * 2 })
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

id! {
    /// A device: its ed25519 public key, which is also its endpoint id on the network.
    DeviceId, 32, "device id"
}
id! {
    /// A workspace: the id of its genesis event.
    WorkspaceId, 32, "workspace id"
}
id! {
    /// An event: BLAKE3 of its header under a domain tag (SPEC: EVT-4).
    EventId, 32, "event id"
}
id! {
    /// One life of a store file: made with it, and made anew when it was restored from a copy.
    Incarnation, 8, "incarnation"
}
id! {
    /// An Automerge document: a hash of what names the event that makes it (SPEC: PRJ-1).
    DocumentId, 32, "document id"
}
id! {
    /// A conflict of a document: half a hash of its place and sides (SPEC: CFL-1).
    ConflictId, 16, "conflict id"
}
id! {
    /// An Automerge change: SHA-256 of its chunk, as Automerge computes it.
    ChangeHash, 32, "change hash"
}

id! {
    /// A chunk of an artifact: a hash of its sealed bytes (SPEC: ART-2).
    ChunkHash, 32, "chunk hash"
}

id! {
    /// The public half of an X25519 key that epoch keys are sealed to.
    SealingKey, 32, "sealing key"
}
id! {
    /// An ed25519 signature.
    Signature, 64, "signature"
}

impl WorkspaceId {
    /// What stands in a genesis header in the place of the id that is not known yet.
    pub const UNBORN: Self = Self([0; 32]);

    /// The genesis event that this workspace is named after.
    #[must_use]
    pub fn genesis(&self) -> EventId {
        EventId(self.0)
    }
}

/// Which of an author's two kinds of chain an event belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Lane {
    /// Who may do what. Readable by all who may hold the workspace; refers to itself only.
    Control = 0,
    /// Everything else, sealed.
    Content = 1,
}

/// One append-only chain: an author, one life of its store, a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChainId {
    /// Who signs it.
    pub author: DeviceId,
    /// The author's store.
    pub incarnation: Incarnation,
    /// Control or content.
    pub lane: Lane,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_as_it_is_printed_and_nothing_else_is() {
        let id = EventId([0xa7; 32]);
        assert_eq!(id.to_string().parse(), Ok(id));
        let upper = id.to_string().to_uppercase();
        assert!(upper.parse::<EventId>().is_err(), "upper case would give one id two names");
        assert!("00".parse::<EventId>().is_err());
    }
}
