//! What the recovery key signs: that a device leads from here on, and that others are removed.
//!
//! The signature is over everything that the event says and over what its author had heard, so that
//! it is worth nothing in another event. It is checked where the genesis is known, which names the
//! key (SPEC: CTL-9).

use crate::cbor::{Canonical, CborFault, Reader, Writer, encode};
use crate::control::ControlFault;
use crate::control::shape::{read_cut, read_statement, sorted, write_cut, write_statement};
use crate::event::Header;
use crate::hash::{self, context};
use crate::id::{DeviceId, EventId};
use crate::key::{RecoveryKey, SealingStatement, verify};
use crate::limits::CONTROL_TEXT_MAX;

/// What a holder of the recovery key decides. `SPEC: CTL-9`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rescue {
    /// The author becomes an owner.
    Lead {
        /// Its sealing key, signed by it.
        sealing: SealingStatement,
    },
    /// A device is a member no longer, and no dispute about it is left.
    Remove {
        /// Whom.
        target: DeviceId,
        /// As in a revocation.
        cut: Vec<EventId>,
        /// Why, for people.
        reason: String,
    },
}

/// A decision with its signature. `SPEC: CTL-9`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recover {
    /// What is decided.
    pub rescue: Rescue,
    /// The recovery key's signature.
    pub signature: [u8; 64],
}

impl Recover {
    /// Signs a decision for the event that will have this header, but for its body.
    #[must_use]
    pub fn sign(rescue: Rescue, header: &Header, key: &RecoveryKey) -> Self {
        let signature = key.sign(hash::SIGN_RECOVERY, &digest(&rescue, header));
        Self { rescue, signature }
    }

    /// Did this key sign it for the event with this header?
    #[must_use]
    pub fn is_signed(&self, header: &Header, signing: &DeviceId) -> bool {
        verify(signing, hash::SIGN_RECOVERY, &digest(&self.rescue, header), &self.signature)
    }

    pub(super) fn check(&self, author: &DeviceId) -> Result<(), ControlFault> {
        match &self.rescue {
            Rescue::Lead { sealing } if sealing.is_of(author) => Ok(()),
            Rescue::Lead { .. } => Err(ControlFault::Sealing),
            Rescue::Remove { cut, .. } => sorted(cut),
        }
    }
}

/// What is signed: the decision, and of the header all but the body, whose part this is. So it
/// cannot be said again later, after its target was let in anew.
fn digest(rescue: &Rescue, header: &Header) -> [u8; 32] {
    hash::hash(context::RECOVERY, &[&header.associated_data(), &encode(rescue)])
}

impl Canonical for Rescue {
    fn write(&self, to: &mut Writer) {
        match self {
            Self::Lead { sealing } => {
                to.array(3).uint(0);
                write_statement(to, sealing);
            }
            Self::Remove { target, cut, reason } => {
                to.array(4).uint(1).bytes(&target.0);
                write_cut(to, cut);
                to.text(reason);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CborFault> {
        let len = from.array(4)?;
        match (from.uint()?, len) {
            (0, 3) => Ok(Self::Lead { sealing: read_statement(from)? }),
            (1, 4) => Ok(Self::Remove {
                target: DeviceId(from.fixed()?),
                cut: read_cut(from)?,
                reason: from.text(CONTROL_TEXT_MAX)?.to_owned(),
            }),
            _ => Err(CborFault::Malformed),
        }
    }
}
