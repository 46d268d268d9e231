//! What control events say, and why one is refused.

use std::fmt;

use crate::id::{DeviceId, EventId};
use crate::role::Role;

/// What a control event says, as far as authority looks at it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ControlFact {
    /// Founds the workspace; its author is its first owner.
    Genesis,
    /// Gives a device a role.
    Grant {
        /// Who gets it.
        device: DeviceId,
        /// Which one.
        role: Role,
    },
    /// Ends every grant of a device that did not hear this.
    Revoke {
        /// Whose grants end.
        target: DeviceId,
        /// Per content chain of the target, the last event that the revoker had admitted.
        cut: Vec<EventId>,
        /// It carries the recovery signature.
        recovery: bool,
    },
    /// By the recovery signature, makes its author an owner.
    Recover,
    /// Brings content back that revocations left out.
    Readmit {
        /// Whose content, sorted.
        authors: Vec<DeviceId>,
        /// Per content chain, the last event that comes back, sorted.
        tips: Vec<EventId>,
    },
    /// Takes the effect of content.
    Strike {
        /// Whose content, sorted.
        authors: Vec<DeviceId>,
        /// Which events of theirs, sorted.
        events: Vec<EventId>,
    },
    /// Gives the workspace a newer format.
    Upgrade,
    /// Says what its author has heard; the voice of a witness.
    Join,
    /// Starts a key epoch.
    Epoch,
    /// Hands a key to a device.
    Wrap,
}

impl ControlFact {
    /// The content events whose chains it limits or brings back, and whose they are.
    pub(in crate::authority) fn names(&self) -> Option<(&[DeviceId], &[EventId])> {
        match self {
            Self::Revoke { target, cut, .. } => Some((std::slice::from_ref(target), cut)),
            Self::Readmit { authors, tips } => Some((authors, tips)),
            _ => None,
        }
    }

    /// Whether the recovery key vouches for it, and no grant of its author.
    pub(super) fn is_by_recovery(&self) -> bool {
        matches!(self, Self::Recover | Self::Revoke { recovery: true, .. })
    }
}

/// Why an event is none of its lane.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// This ancestor is not here; ask for it first.
    Missing(EventId),
    /// The author is no member in the event's past; of content: it holds no grant to write there.
    NotMember,
    /// The author's role in the event's past does not allow this.
    RankTooLow,
    /// Whom it revokes is no member in the event's past.
    TargetNotMember,
    /// Whom it readmits, or revokes by the recovery signature, was never granted a role.
    NeverMember,
    /// The lane has a genesis already.
    SecondGenesis,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(id) => {
                f.write_str("an event that it names is not here: ")?;
                id.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::NotMember => f.write_str("its author was no member when it was written"),
            Self::RankTooLow => f.write_str("its author's role does not allow it"),
            Self::TargetNotMember => f.write_str("the device it revokes was no member"),
            Self::NeverMember => f.write_str("the device it names never was a member"),
            Self::SecondGenesis => f.write_str("the workspace is founded already"),
        }
    }
}

impl std::error::Error for Refusal {}

/// The role that may give or take `role`.
pub(super) fn over(role: Role) -> Role {
    if role >= Role::Admin { Role::Owner } else { Role::Admin }
}

/// Whom an event makes what.
pub(super) fn granted(author: &DeviceId, fact: &ControlFact) -> Option<(DeviceId, Role)> {
    match fact {
        ControlFact::Genesis | ControlFact::Recover => Some((*author, Role::Owner)),
        ControlFact::Grant { device, role } => Some((*device, *role)),
        _ => None,
    }
}
