//! The header of an event, and which fields fit together (SPEC: EVT-1, EVT-2, EVT-7).
//!
//! The header is all that authority reads of content, so it is never encrypted and never purged.

use crate::cbor::{self, Canonical, CborFault, Reader, Writer};
use crate::event::{EventFault, Signed, Verified};
use crate::hash::{self, context};
use crate::id::{ChainId, DeviceId, EventId, Incarnation, Lane, WorkspaceId};
use crate::limits::{BODY_BYTES_MAX, HEADER_BYTES_MAX, PARENTS_MAX, RUN_EVENTS_MAX};
use crate::time::Stamp;

/// The version that this program writes, and the only one that it knows.
pub const HEADER_VERSION: u64 = 1;

/// Bytes of the salt that stands before a shreddable body.
pub(crate) const SALT_BYTES: usize = 32;

/// How a body is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// In the clear: control bodies, and events without a body.
    Plain = 0,
    /// Sealed under a subkey of an epoch's key.
    Sealed = 1,
    /// Sealed under a key that a salt beside the body makes, so that it can be purged.
    Shreddable = 2,
}

impl Class {
    /// Bytes of a salt beside the stored body, which no hash covers: it can be destroyed.
    #[must_use]
    pub fn salt_bytes(self) -> usize {
        if self == Self::Shreddable { SALT_BYTES } else { 0 }
    }
}

/// The body that a header names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyRef {
    /// Hash of the stored body.
    pub hash: [u8; 32],
    /// Bytes of the stored body.
    pub len: u64,
}

impl BodyRef {
    /// Names `body`.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self { hash: hash::hash(context::BODY, &[body]), len: body.len() as u64 }
    }
}

/// What an event says about itself. `SPEC: EVT-1`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// 32 zero bytes in a genesis, whose id is the workspace.
    pub workspace: WorkspaceId,
    /// Control or content.
    pub lane: Lane,
    /// Who signs.
    pub author: DeviceId,
    /// The life of the author's store.
    pub incarnation: Incarnation,
    /// Place in the chain, from 0.
    pub seq: u64,
    /// The event before it in the chain; none exactly where `seq` is 0.
    pub prev: Option<EventId>,
    /// Heads of other chains of the lane, sorted.
    pub parents: Vec<EventId>,
    /// Content only: the control heads that the author knew, sorted.
    pub heard: Vec<EventId>,
    /// When, as the author says. Shown, never decides.
    pub stamp: Stamp,
    /// How the body is stored.
    pub class: Class,
    /// The epoch whose key seals the body.
    pub epoch: Option<EventId>,
    /// The body, if there is one.
    pub body: Option<BodyRef>,
}

impl Header {
    /// The chain that it stands in.
    #[must_use]
    pub fn chain(&self) -> ChainId {
        ChainId { author: self.author, incarnation: self.incarnation, lane: self.lane }
    }

    /// The events of its lane that it follows: prev and parents.
    pub fn before(&self) -> impl Iterator<Item = &EventId> {
        self.prev.iter().chain(&self.parents)
    }

    /// May the event come without its signature? One of the content lane, within a block of places.
    /// `SPEC: EVT-12`
    #[must_use]
    pub fn may_be_inside(&self) -> bool {
        self.lane == Lane::Content && self.seq % RUN_EVENTS_MAX != RUN_EVENTS_MAX - 1
    }

    /// Is this the header of the event behind `before`, whose id is `id`?
    #[must_use]
    pub fn follows(&self, id: &EventId, before: &Self) -> bool {
        self.prev.as_ref() == Some(id)
            && self.chain() == before.chain()
            && before.seq.checked_add(1) == Some(self.seq)
            && self.workspace == before.workspace
    }

    /// The first twelve fields: what a sealed body is bound to. `SPEC: SEAL-3`
    #[must_use]
    pub fn associated_data(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.array(12);
        self.write_bound(&mut writer);
        writer.finish()
    }

    /// Reads a header and checks that its fields fit together.
    pub fn decode(bytes: &[u8]) -> Result<Self, EventFault> {
        if bytes.len() > HEADER_BYTES_MAX {
            return Err(EventFault::Decode);
        }
        check_version(bytes)?;
        let header: Self = cbor::decode(bytes)?;
        header.check()?;
        Ok(header)
    }

    /// Reads one that was decoded before it was kept: not whether this is its one encoding.
    pub(super) fn decode_kept(bytes: &[u8]) -> Result<Self, EventFault> {
        check_version(bytes)?;
        let mut reader = Reader::new(bytes);
        let header = Self::read(&mut reader)?;
        reader.end()?;
        header.check()?;
        Ok(header)
    }

    /// Which fields fit together. `SPEC: EVT-7`
    pub fn check(&self) -> Result<(), EventFault> {
        let fits = |holds: bool, field| if holds { Ok(()) } else { Err(EventFault::Field(field)) };
        fits(self.prev.is_none() == (self.seq == 0), "prev")?;
        check_ids(&self.parents)?;
        check_ids(&self.heard)?;
        if self.prev.is_some_and(|prev| self.parents.contains(&prev)) {
            return Err(EventFault::Parents);
        }
        if self.body.is_some_and(|body| body.len > BODY_BYTES_MAX as u64) {
            return Err(EventFault::TooLarge);
        }
        fits((self.class == Class::Plain) == self.epoch.is_none(), "epoch")?;
        let unborn = self.workspace == WorkspaceId::UNBORN;
        match self.lane {
            Lane::Control => {
                fits(self.class == Class::Plain, "class")?;
                fits(self.heard.is_empty(), "heard")?;
                let first = self.before().next().is_none();
                fits(unborn == first, "workspace")?;
                fits(!unborn || self.body.is_some(), "body")
            }
            Lane::Content => {
                fits(!unborn, "workspace")?;
                fits(!self.heard.is_empty(), "heard")?;
                fits((self.class == Class::Plain) == self.body.is_none(), "body")
            }
        }
    }

    fn write_bound(&self, to: &mut Writer) {
        to.uint(HEADER_VERSION).bytes(&self.workspace.0).uint(self.lane as u64);
        to.bytes(&self.author.0).bytes(&self.incarnation.0).uint(self.seq);
        to.bytes_or_null(self.prev.as_ref().map(|id| id.0.as_slice()));
        write_ids(to, &self.parents);
        match self.lane {
            Lane::Control => {
                to.null();
            }
            Lane::Content => write_ids(to, &self.heard),
        }
        to.uint(self.stamp.0).uint(self.class as u64);
        to.bytes_or_null(self.epoch.as_ref().map(|id| id.0.as_slice()));
    }
}

impl Signed {
    /// [`Header::associated_data`] as it stands in the bytes of the header, behind a byte that says
    /// how many fields there are.
    fn associated_data(&self) -> Vec<u8> {
        let named = match &self.header.body {
            None => 2,
            Some(body) => 34 + uint_bytes(body.len),
        };
        let bound = self.header_bytes.len().saturating_sub(named);
        let mut bytes: Vec<u8> = self.header_bytes.iter().take(bound).copied().collect();
        bytes.iter_mut().take(1).for_each(|first| *first -= 2);
        debug_assert_eq!(bytes, self.header.associated_data(), "its first twelve fields");
        bytes
    }
}

impl Verified {
    /// What its sealed body is bound to: [`Header::associated_data`], not written once more.
    pub(crate) fn associated_data(&self) -> Vec<u8> {
        self.0.signed.associated_data()
    }
}

/// How many bytes a number takes in its one encoding.
fn uint_bytes(number: u64) -> usize {
    match number {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        0x1_0000..0x1_0000_0000 => 5,
        _ => 9,
    }
}

/// The version comes first, so that a newer header is told apart from a broken one.
fn check_version(bytes: &[u8]) -> Result<(), EventFault> {
    let mut reader = Reader::new(bytes);
    reader.array(usize::from(u8::MAX))?;
    match reader.uint()? {
        HEADER_VERSION => Ok(()),
        version => Err(EventFault::Version(version)),
    }
}

impl Canonical for Header {
    fn write(&self, to: &mut Writer) {
        to.array(14);
        self.write_bound(to);
        match &self.body {
            Some(body) => to.bytes(&body.hash).uint(body.len),
            None => to.null().null(),
        };
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CborFault> {
        from.array_of(14)?;
        from.uint()?;
        let workspace = WorkspaceId(from.fixed()?);
        let lane = match from.uint()? {
            0 => Lane::Control,
            1 => Lane::Content,
            _ => return Err(CborFault::Malformed),
        };
        Ok(Self {
            workspace,
            lane,
            author: DeviceId(from.fixed()?),
            incarnation: Incarnation(from.fixed()?),
            seq: from.uint()?,
            prev: read_id(from)?,
            parents: read_ids(from)?,
            heard: match lane {
                Lane::Control => {
                    if !from.is_null()? {
                        return Err(CborFault::Malformed);
                    }
                    Vec::new()
                }
                Lane::Content => read_ids(from)?,
            },
            stamp: Stamp(from.uint()?),
            class: match from.uint()? {
                0 => Class::Plain,
                1 => Class::Sealed,
                2 => Class::Shreddable,
                _ => return Err(CborFault::Malformed),
            },
            epoch: read_id(from)?,
            body: match read_id(from)? {
                Some(hash) => Some(BodyRef { hash: hash.0, len: from.uint()? }),
                None if from.is_null()? => None,
                None => return Err(CborFault::Malformed),
            },
        })
    }
}

fn check_ids(ids: &[EventId]) -> Result<(), EventFault> {
    let sorted = ids.windows(2).all(|pair| pair[0] < pair[1]);
    if sorted && ids.len() <= PARENTS_MAX { Ok(()) } else { Err(EventFault::Parents) }
}

fn write_ids(to: &mut Writer, ids: &[EventId]) {
    to.array(ids.len());
    for id in ids {
        to.bytes(&id.0);
    }
}

fn read_id(from: &mut Reader<'_>) -> Result<Option<EventId>, CborFault> {
    if from.is_null()? { Ok(None) } else { Ok(Some(EventId(from.fixed()?))) }
}

fn read_ids(from: &mut Reader<'_>) -> Result<Vec<EventId>, CborFault> {
    // A little above the limit, so that "too many parents" is told apart from "no event".
    let len = from.array(PARENTS_MAX * 2)?;
    (0..len).map(|_| Ok(EventId(from.fixed()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Unsigned;
    use crate::key::DeviceKey;

    #[test]
    fn what_a_body_is_bound_to_stands_in_the_bytes_of_the_header() {
        // SPEC: SEAL-3
        let key = DeviceKey::from_secret(&[1; 32]);
        for len in [None, Some(0), Some(23), Some(24), Some(255), Some(256), Some(65_536)] {
            let body = len.map(|len| vec![7; len]);
            let header = Header {
                workspace: WorkspaceId([2; 32]),
                lane: Lane::Content,
                author: key.device(),
                incarnation: Incarnation([3; 8]),
                seq: 70_000,
                prev: Some(EventId([4; 32])),
                parents: vec![EventId([5; 32])],
                heard: vec![EventId([6; 32])],
                stamp: Stamp(8),
                class: if body.is_some() { Class::Sealed } else { Class::Plain },
                epoch: body.as_ref().map(|_| EventId([9; 32])),
                body: body.as_deref().map(BodyRef::of),
            };
            let expected = header.associated_data();
            let event = Unsigned { header, body }.sign(&key).unwrap();
            assert_eq!(event.associated_data(), expected, "{len:?}");
        }
    }
}
