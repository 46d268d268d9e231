//! What a running workspace lets the rest of the node know of it, without being asked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use kernelos_protocol::id::{DeviceId, Incarnation};
use kernelos_protocol::sync::hint::Frontier;
use kernelos_protocol::sync::{KEPT_OUT, NOT_MEMBER, REVOKED, is_newer};

use super::Voice;
use crate::transport::Path;

/// What others may know of a running workspace without asking it.
#[derive(Debug, Default)]
pub struct Shared {
    /// What this device is called there.
    pub device: String,
    /// Every device that was ever granted a role: who of them is revoked is told so.
    pub granted: BTreeSet<DeviceId>,
    /// Its history is gone, and nothing says who could bring it. `SPEC: DUR-7`
    pub is_lost: bool,
    /// Its history is read still: who is a member is not known yet.
    pub is_starting: bool,
    /// The members.
    pub members: BTreeSet<DeviceId>,
    /// Where devices can be reached, as they say themselves.
    pub reachable: BTreeMap<DeviceId, Vec<SocketAddr>>,
    /// The devices that are connected, and over which path.
    pub connected: BTreeMap<DeviceId, Option<Path>>,
    /// Bytes of frames that were sent, by what they say.
    pub sent: BTreeMap<&'static str, u64>,
    /// Who broke a rule, and until when it is not met, in milliseconds of the monotonic clock.
    /// `SPEC: LINK-9`
    pub kept_out: BTreeMap<DeviceId, u64>,
    /// Why connections ended that a peer or this device ended, newest last.
    pub ended: BTreeMap<DeviceId, String>,
    /// Who was heard by gossip, where that is switched on.
    pub heard: BTreeMap<DeviceId, Voice>,
    /// How far this device is, in this life of its store; told for gossip alone.
    pub frontier: Option<(Incarnation, Frontier)>,
}

impl Shared {
    /// Is it not met now, since it broke a rule?
    pub(crate) fn keeps_out(&self, device: &DeviceId, now_ms: u64) -> bool {
        self.kept_out.get(device).is_some_and(|until| *until > now_ms)
    }

    /// Did the last connection end because the device does not know this one as a member?
    pub(crate) fn is_stranger_to(&self, device: &DeviceId) -> bool {
        self.ended.get(device).is_some_and(|reason| reason == NOT_MEMBER)
    }

    /// Did the last connection end because the device does not meet this one for a while, or knows
    /// nothing of the version it speaks, or the other way round? `SPEC: LINK-9`
    pub(crate) fn is_kept_out_by(&self, device: &DeviceId) -> bool {
        self.ended.get(device).is_some_and(|reason| reason == KEPT_OUT || is_newer(reason))
    }

    /// Did the last connection end because the device told this one that it was revoked?
    pub(crate) fn is_revoked_for(&self, device: &DeviceId) -> bool {
        self.ended.get(device).is_some_and(|reason| reason == REVOKED)
    }
}
