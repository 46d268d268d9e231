//! Hints: a device says, signed, that it is here and how far it is. They are gossiped, so that
//! they come from devices with which there is no link (SPEC: HINT-1).
//!
//! A hint decides nothing. It is no event and no receipt: nothing counts, is leased, acknowledged
//! or called synced by it. What it says is shown, and who is heard is dialed at once.

use crate::cbor::{self, Canonical, CborFault, Reader, Writer};
use crate::hash::{self, context};
use crate::id::{DeviceId, EventId, Incarnation, WorkspaceId};
use crate::key::{DeviceKey, verify};
use crate::limits::{GOSSIP_FRAME_BYTES_MAX, HINT_BYTES_MAX, HINT_HEADS_MAX};
use crate::sync::receipt::{read_set, write_set};
use crate::workspace::Workspace;

/// The one version of a hint that is known here.
const VERSION: u64 = 1;

/// The topic of a workspace's hints, by which neighbours ask for them. `SPEC: HINT-3`
#[must_use]
pub fn topic(workspace: &WorkspaceId) -> [u8; 32] {
    hash::hash(context::GOSSIP_TOPIC, &[&workspace.0])
}

/// How far a device is, in few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frontier {
    /// The root over its lanes: equal where the same is held. `SPEC: STATE-1`
    digest: [u8; 32],
    /// How many events it holds.
    events: u64,
    /// The newest of its heads, sorted by id.
    heads: Vec<EventId>,
}

impl Frontier {
    /// Of these heads, newest first, the first few.
    #[must_use]
    pub fn new(digest: [u8; 32], events: u64, mut heads: Vec<EventId>) -> Self {
        heads.truncate(HINT_HEADS_MAX);
        heads.sort_unstable();
        heads.dedup();
        Self { digest, events, heads }
    }

    /// How many events the device holds, as it says.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Does whoever is so far hold what is not here? Told by the heads alone: a number can be made
    /// up, and both may hold as many events that are not the same. `SPEC: HINT-5`
    #[must_use]
    pub fn is_ahead_of(&self, digest: &[u8; 32], holds: impl Fn(&EventId) -> bool) -> bool {
        self.digest != *digest && !self.heads.iter().all(holds)
    }
}

impl Workspace {
    /// How far this workspace is here: the heads of both lanes that came last. `SPEC: HINT-1`
    #[must_use]
    pub fn frontier(&self) -> Frontier {
        let mut heads = self.control().heads(&self.control().all());
        heads.extend(self.content().admitted_heads());
        heads.sort_by_key(|id| std::cmp::Reverse(self.position(id).map(|(_, at)| at)));
        Frontier::new(self.lanes_hash(), u64::try_from(self.len()).unwrap_or(u64::MAX), heads)
    }
}

/// What a device says of itself. `SPEC: HINT-1`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    workspace: WorkspaceId,
    device: DeviceId,
    incarnation: Incarnation,
    counter: u64,
    frontier: Frontier,
    signature: [u8; 64],
}

impl Hint {
    /// The hint of `key`'s device in this life of its store. The counter rises with every one of
    /// that life, over restarts too.
    #[must_use]
    pub fn sign(
        key: &DeviceKey,
        workspace: WorkspaceId,
        incarnation: Incarnation,
        counter: u64,
        frontier: Frontier,
    ) -> Self {
        let (device, signature) = (key.device(), [0; 64]);
        let mut hint = Self { workspace, device, incarnation, counter, frontier, signature };
        hint.signature = key.sign(hash::SIGN_HINT, &hint.digest());
        hint
    }

    /// Reads a hint. Who signed it is to be asked by [`Self::is_signed`]: that costs most, and is
    /// needed only where all else is in order.
    pub fn read_unproven(bytes: &[u8]) -> Result<Self, CborFault> {
        if bytes.len() > HINT_BYTES_MAX {
            return Err(CborFault::Malformed);
        }
        cbor::decode(bytes)
    }

    /// Reads a hint and checks its signature.
    pub fn decode(bytes: &[u8]) -> Result<Self, CborFault> {
        let hint = Self::read_unproven(bytes)?;
        if hint.is_signed() { Ok(hint) } else { Err(CborFault::Malformed) }
    }

    /// Of which workspace it speaks.
    #[must_use]
    pub fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// Whose it is.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// Of which life of the device's store.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Which one of that life.
    #[must_use]
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// How far the device is.
    #[must_use]
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// Did the device that it names sign it? `SPEC: EVT-6`
    #[must_use]
    pub fn is_signed(&self) -> bool {
        verify(&self.device, hash::SIGN_HINT, &self.digest(), &self.signature)
    }

    fn digest(&self) -> [u8; 32] {
        let mut writer = Writer::default();
        writer.array(8);
        self.write_signed(&mut writer);
        hash::hash(context::HINT, &[&writer.finish()])
    }

    fn write_signed(&self, to: &mut Writer) {
        to.uint(VERSION).bytes(&self.workspace.0).bytes(&self.device.0).bytes(&self.incarnation.0);
        to.uint(self.counter).uint(self.frontier.events).bytes(&self.frontier.digest);
        write_set(&self.frontier.heads, to);
    }
}

impl Canonical for Hint {
    fn write(&self, to: &mut Writer) {
        to.array(9);
        self.write_signed(to);
        to.bytes(&self.signature);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CborFault> {
        from.array_of(9)?;
        if from.uint()? != VERSION {
            return Err(CborFault::Malformed);
        }
        let (workspace, device) = (WorkspaceId(from.fixed()?), DeviceId(from.fixed()?));
        let (incarnation, counter) = (Incarnation(from.fixed()?), from.uint()?);
        let (events, digest) = (from.uint()?, from.fixed()?);
        let frontier = Frontier { digest, events, heads: read_set(from, HINT_HEADS_MAX)? };
        let signature = from.fixed()?;
        Ok(Self { workspace, device, incarnation, counter, frontier, signature })
    }
}

/// A hint fits a frame of gossip, with what that puts around it.
const _: () = assert!(4 * HINT_BYTES_MAX <= GOSSIP_FRAME_BYTES_MAX);
