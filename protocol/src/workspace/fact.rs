//! From the bodies of control events to what authority reads of them (SPEC: AUTH-4).

use crate::authority::ControlFact;
use crate::control::{ControlBody, Recover, Rescue};
use crate::event::Verified;

/// Why it was decided, where the event takes something: in its author's words.
pub(super) fn reason(event: &Verified) -> Option<&str> {
    let reason = match event.control()? {
        ControlBody::Revoke(revoke) => &revoke.reason,
        ControlBody::Strike(strike) => &strike.reason,
        ControlBody::Recover(Recover { rescue: Rescue::Remove { reason, .. }, .. }) => reason,
        _ => return None,
    };
    Some(reason.as_str()).filter(|reason| !reason.is_empty())
}

/// What authority reads of a control event.
pub(super) fn fact(event: &Verified) -> ControlFact {
    match event.control() {
        Some(ControlBody::Genesis(_)) => ControlFact::Genesis,
        Some(ControlBody::Grant(grant)) => {
            ControlFact::Grant { device: grant.device, role: grant.role }
        }
        Some(ControlBody::Revoke(revoke)) => {
            let (target, cut) = (revoke.target, revoke.cut.clone());
            ControlFact::Revoke { target, cut, recovery: false }
        }
        Some(ControlBody::Readmit(readmit)) => {
            ControlFact::Readmit { authors: readmit.authors.clone(), tips: readmit.tips.clone() }
        }
        Some(ControlBody::Strike(strike)) => {
            let (authors, events) = (strike.authors.clone(), strike.events.clone());
            ControlFact::Strike { authors, events }
        }
        Some(ControlBody::Upgrade(_)) => ControlFact::Upgrade,
        Some(ControlBody::Recover(recover)) => match &recover.rescue {
            Rescue::Lead { .. } => ControlFact::Recover,
            Rescue::Remove { target, cut, .. } => {
                ControlFact::Revoke { target: *target, cut: cut.clone(), recovery: true }
            }
        },
        Some(ControlBody::Epoch(_)) => ControlFact::Epoch,
        Some(ControlBody::Wrap(_)) => ControlFact::Wrap,
        None => ControlFact::Join,
    }
}
