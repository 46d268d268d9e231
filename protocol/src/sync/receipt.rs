//! Receipts: what a device holds for good, in its own words and signed.
//!
//! A receipt is no event, or an idle mesh would never be quiet. It names heads that stand for all
//! that is before them, and is made in the turn that makes them durable (SPEC: RCPT-1, RCPT-2).

use serde::{Deserialize, Serialize};

use crate::cbor::{self, Canonical, CborFault, Reader, Writer};
use crate::hash::{self, context};
use crate::id::{DeviceId, EventId, Incarnation, Signature, WorkspaceId};
use crate::key::{DeviceKey, verify};
use crate::limits::{
    FRAME_BYTES_MAX, RECEIPT_ARTIFACTS_MAX, RECEIPT_BYTES_MAX, RECEIPT_EPOCHS_MAX,
    RECEIPT_TIPS_MAX, RECEIPTS_MAX,
};
use crate::sync::renewal::Renewal;

/// The flag of a device that lets agents run on it.
const RUNS: u64 = 1;

/// What a receipt says. Each set is sorted and bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    control: Vec<EventId>,
    content: Vec<EventId>,
    epochs: Vec<EventId>,
    artifacts: Vec<EventId>,
    flags: u64,
}

impl Claims {
    /// Claims of these heads of both lanes, epochs whose keys are held, artifacts that are here
    /// whole, and whether agents may run. Of more heads or artifacts than a receipt holds, those
    /// with the lowest ids: it claims less then, and nothing that is not so. `SPEC: RCPT-2`
    #[must_use]
    pub fn new(
        control: Vec<EventId>,
        content: Vec<EventId>,
        epochs: Vec<EventId>,
        artifacts: Vec<EventId>,
        runs: bool,
    ) -> Self {
        let set = |mut ids: Vec<EventId>, max| {
            ids.sort_unstable();
            ids.dedup();
            ids.truncate(max);
            ids
        };
        Self {
            control: set(control, RECEIPT_TIPS_MAX),
            content: set(content, RECEIPT_TIPS_MAX),
            epochs: set(epochs, RECEIPT_EPOCHS_MAX),
            artifacts: set(artifacts, RECEIPT_ARTIFACTS_MAX),
            flags: if runs { RUNS } else { 0 },
        }
    }

    /// Heads of the control lane.
    #[must_use]
    pub fn control(&self) -> &[EventId] {
        &self.control
    }

    /// Heads of the admitted content.
    #[must_use]
    pub fn content(&self) -> &[EventId] {
        &self.content
    }

    /// Epochs that the device can open.
    #[must_use]
    pub fn epochs(&self) -> &[EventId] {
        &self.epochs
    }

    /// Is every chunk of this artifact durable there?
    #[must_use]
    pub fn holds_artifact(&self, id: &EventId) -> bool {
        self.artifacts.binary_search(id).is_ok()
    }

    /// In the order in which they are written.
    fn sets(&self) -> [&[EventId]; 4] {
        [&self.control, &self.content, &self.epochs, &self.artifacts]
    }

    /// Do these say something else beside the heads of both lanes?
    pub(super) fn differs_beside_heads(&self, other: &Self) -> bool {
        let beside = |claims: &Self| {
            let Self { epochs, artifacts, flags, .. } = claims.clone();
            (epochs, artifacts, flags)
        };
        beside(self) != beside(other)
    }

    /// Does the device let agents run on it?
    #[must_use]
    pub fn runs(&self) -> bool {
        self.flags & RUNS != 0
    }
}

/// What a device holds for good. `SPEC: RCPT-1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Receipt {
    workspace: WorkspaceId,
    device: DeviceId,
    incarnation: Incarnation,
    counter: u64,
    claims: Claims,
    signature: [u8; 64],
}

impl Receipt {
    /// The receipt of `key`'s device in this life of its store.
    #[must_use]
    pub fn sign(
        key: &DeviceKey,
        workspace: WorkspaceId,
        incarnation: Incarnation,
        counter: u64,
        claims: Claims,
    ) -> Self {
        let device = key.device();
        let signature = [0; 64];
        let mut receipt = Self { workspace, device, incarnation, counter, claims, signature };
        receipt.signature = key.sign(hash::SIGN_RECEIPT, &receipt.digest());
        receipt
    }

    /// Reads a receipt and checks its signature.
    pub fn decode(bytes: &[u8]) -> Result<Self, CborFault> {
        let receipt: Self = cbor::decode(bytes)?;
        if receipt.is_signed() { Ok(receipt) } else { Err(CborFault::Malformed) }
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

    /// What it says.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// What orders the receipts of one life. A copied store may have made two of one counter: the
    /// signature decides between them, on every device alike. `SPEC: RCPT-3`
    pub(super) fn version(&self) -> (u64, [u8; 64]) {
        (self.counter, self.signature)
    }

    /// What this receipt says else than the one before it of its life.
    #[must_use]
    pub fn renewal(&self, before: &Self) -> Renewal {
        let sets = self.claims.sets();
        let sets = std::array::from_fn(|set| {
            let (ids, known) = (sets.get(set)?, before.claims.sets().get(set).copied()?);
            (*ids != known).then(|| ids.to_vec())
        });
        let (counter, flags) = (self.counter, self.claims.flags);
        Renewal { counter, sets, flags, signature: Signature(self.signature) }
    }

    /// The receipt that follows this one by a renewal; none where its signature does not verify,
    /// or it says again what is known. `SPEC: SYNC-14`
    #[must_use]
    pub fn renewed(&self, renewal: &Renewal) -> Option<Self> {
        let mut known = self.claims.clone();
        let Claims { control, content, epochs, artifacts, flags } = &mut known;
        for (set, ids) in [control, content, epochs, artifacts].into_iter().zip(&renewal.sets) {
            match ids {
                Some(ids) if ids == set => return None,
                Some(ids) => set.clone_from(ids),
                None => {}
            }
        }
        *flags = renewal.flags;
        let (counter, signature) = (renewal.counter, renewal.signature.0);
        let receipt = Self { counter, claims: known, signature, ..self.clone() };
        receipt.is_signed().then_some(receipt)
    }

    fn is_signed(&self) -> bool {
        verify(&self.device, hash::SIGN_RECEIPT, &self.digest(), &self.signature)
    }

    fn digest(&self) -> [u8; 32] {
        let mut writer = Writer::default();
        writer.array(9);
        self.write_signed(&mut writer);
        hash::hash(context::RECEIPT, &[&writer.finish()])
    }

    fn write_signed(&self, to: &mut Writer) {
        to.bytes(&self.workspace.0).bytes(&self.device.0).bytes(&self.incarnation.0);
        to.uint(self.counter);
        for ids in self.claims.sets() {
            write_set(ids, to);
        }
        to.uint(self.claims.flags);
    }
}

impl Canonical for Receipt {
    fn write(&self, to: &mut Writer) {
        to.array(10);
        self.write_signed(to);
        to.bytes(&self.signature);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CborFault> {
        from.array_of(10)?;
        Ok(Self {
            workspace: WorkspaceId(from.fixed()?),
            device: DeviceId(from.fixed()?),
            incarnation: Incarnation(from.fixed()?),
            counter: from.uint()?,
            claims: Claims {
                control: read_set(from, RECEIPT_TIPS_MAX)?,
                content: read_set(from, RECEIPT_TIPS_MAX)?,
                epochs: read_set(from, RECEIPT_EPOCHS_MAX)?,
                artifacts: read_set(from, RECEIPT_ARTIFACTS_MAX)?,
                flags: from.uint()?,
            },
            signature: from.fixed()?,
        })
    }
}

pub(super) fn write_set(ids: &[EventId], to: &mut Writer) {
    to.array(ids.len());
    for id in ids {
        to.bytes(&id.0);
    }
}

pub(super) fn read_set(from: &mut Reader<'_>, max: usize) -> Result<Vec<EventId>, CborFault> {
    let len = from.array(max)?;
    let ids = (0..len).map(|_| Ok(EventId(from.fixed()?)));
    let ids = ids.collect::<Result<Vec<_>, CborFault>>()?;
    if ids.windows(2).all(|pair| pair[0] < pair[1]) { Ok(ids) } else { Err(CborFault::Malformed) }
}

impl TryFrom<Vec<u8>> for Receipt {
    type Error = CborFault;
    fn try_from(bytes: Vec<u8>) -> Result<Self, CborFault> {
        Self::decode(&bytes)
    }
}

impl From<Receipt> for Vec<u8> {
    fn from(receipt: Receipt) -> Self {
        cbor::encode(&receipt)
    }
}

/// A full message of receipts fits a frame.
const _: () = assert!(RECEIPTS_MAX * (RECEIPT_BYTES_MAX + 5) + 16 <= FRAME_BYTES_MAX);
