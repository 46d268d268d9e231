//! Who the members are, beside the store: what a device still knows of them when all of its history
//! is lost, so that nobody else brings it another one. `SPEC: DUR-7`
//!
//! ```text
//! workspaces/<id>/members    a device id a line, mode 0600
//! ```

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kernelos_protocol::beside::{members_read, members_text};
use kernelos_protocol::id::DeviceId;
use kernelos_protocol::limits::BESIDE_BYTES_MAX;

use super::Loop;
use crate::home::{read_beside, replace_private};

/// The members, as the folder of a workspace has them.
pub(super) struct Known {
    at: PathBuf,
    members: Option<BTreeSet<DeviceId>>,
}

impl Known {
    /// What lies beside this store. A file that cannot be read says nothing.
    pub(super) fn beside(store: &Path) -> Self {
        let at = store.with_file_name("members");
        let text = read_beside(&at).ok();
        Self { members: text.and_then(|text| members_read(&text)), at }
    }

    /// May this device bring a history that is lost here?
    pub(super) fn may_bring(&self, device: &DeviceId) -> bool {
        self.members.as_ref().is_none_or(|members| members.contains(device))
    }

    /// Keeps who they are now. Where the disk takes nothing, who they were is kept.
    fn keep<'a>(&mut self, members: impl ExactSizeIterator<Item = &'a DeviceId> + Clone) {
        let is_kept = self.members.as_ref().is_some_and(|kept| kept.iter().eq(members.clone()));
        if is_kept || members.len() == 0 {
            return;
        }
        let members: BTreeSet<_> = members.copied().collect();
        let text = members_text(members.iter());
        if text.len() <= BESIDE_BYTES_MAX && replace_private(&self.at, text.as_bytes()).is_ok() {
            self.members = Some(members);
        }
    }
}

impl Loop {
    /// Tells what others may know without asking.
    pub(super) fn publish(&mut self) {
        let workspace = self.replica.workspace();
        let granted = workspace.granted_devices();
        let members = workspace.control().present_members();
        let connected = self.links.paths();
        let kept_out = self.replica.conduct().kept_out(crate::clock::now()).collect();
        let is_lost = self.replica.is_lost();
        let is_starting = self.replica.is_starting();
        if !is_lost && !is_starting {
            self.known.keep(members.keys());
        }
        // A rescue names the device anew, and a Replica that is loaded again knows it by that.
        self.replica.device_name().clone_into(&mut self.config.device_name);
        let device = &self.config.device_name;
        self.share(|shared| {
            device.clone_into(&mut shared.device);
            renew(&mut shared.granted, granted.iter().map(|(device, _)| device));
            shared.is_lost = is_lost;
            shared.is_starting = is_starting;
            renew(&mut shared.members, members.keys());
            shared.connected = connected;
            shared.kept_out = kept_out;
        });
        self.publish_voices();
    }
}

/// A set that is told every turn, and hardly ever another one.
fn renew<'a>(told: &mut BTreeSet<DeviceId>, now: impl Iterator<Item = &'a DeviceId> + Clone) {
    if !told.iter().eq(now.clone()) {
        *told = now.copied().collect();
    }
}

#[cfg(test)]
mod tests;
