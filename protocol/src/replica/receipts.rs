//! The Replica's side of receipts: what this device claims, when, and how far others are.

use crate::id::{DeviceId, EventId, Incarnation, Lane};
use crate::limits::{RECEIPT_ARTIFACTS_MAX, RECEIPT_EPOCHS_MAX, RECEIPTS_EARLY_MAX};
use crate::replica::Replica;
use crate::store::Record;
use crate::sync::hint::Frontier;
use crate::sync::{Claims, LinkId, Own, PeerState, Receipt, Receipts, Renewal};

impl Replica {
    /// What other devices hold for good, by their own words.
    #[must_use]
    pub fn receipts(&self) -> &Receipts {
        &self.receipts
    }

    /// How far this device is, in this life of its store; none where it does not know, or is no
    /// member. `SPEC: HINT-1`
    #[must_use]
    pub fn frontier(&self) -> Option<(Incarnation, Frontier)> {
        let is_member = self.workspace.control().present_members().contains_key(&self.key.device());
        (is_member && !self.is_starting() && !self.is_lost())
            .then(|| (self.config.incarnation, self.workspace.frontier()))
    }

    pub(super) fn on_receipts(&mut self, link: LinkId, receipts: &[Receipt]) {
        for receipt in receipts {
            if receipt.workspace() != self.workspace.id() {
                self.misbehaved(link, "wrong_workspace");
                return;
            }
            if self.sync.device_of(link) == Some(receipt.device()) {
                self.receipts.hear_from(link, receipt);
            }
            self.hear_receipt(link, receipt);
        }
    }

    /// A peer says what is new of itself since it said so last on this connection.
    /// `SPEC: SYNC-14`
    pub(super) fn on_renewal(&mut self, link: LinkId, renewal: &Renewal) {
        match self.receipts.renewed(link, renewal) {
            Some(receipt) => self.on_receipts(link, &[receipt]),
            None => self.misbehaved(link, "renewal"),
        }
    }

    /// Keeps a receipt of a member if it is newer. `SPEC: RCPT-3`
    fn hear_receipt(&mut self, link: LinkId, receipt: &Receipt) {
        let control = self.workspace.control();
        if control.role(&receipt.device(), &control.all()).is_none() {
            // The grant may be on its way; a stranger's receipt is worth nothing.
            if self.early_receipts.len() < RECEIPTS_EARLY_MAX {
                self.early_receipts.push((link, receipt.clone()));
            }
            return;
        }
        if self.receipts.hear(link, receipt, &self.workspace) {
            self.persist.push(Record::Receipt(receipt.clone()));
        }
    }

    /// Receipts that came before the grants of their devices.
    pub(super) fn keep_early_receipts(&mut self) {
        for (link, receipt) in std::mem::take(&mut self.early_receipts) {
            self.hear_receipt(link, &receipt);
        }
    }

    /// Says at the end of a turn what there is to say of receipts. All that an own one claims is
    /// durable already or becomes so with this turn, before it is sent. `SPEC: RCPT-2, RCPT-4`
    pub(super) fn speak_receipts(&mut self) {
        let mut links = self.sync.links();
        links.retain(|link| self.sync.is_greeted(*link) && !self.sync.is_parting(*link));
        let claims = if links.is_empty() { None } else { self.claims() };
        let own = Own {
            key: &self.key,
            incarnation: self.config.incarnation,
            claims,
            is_doubtful: self.mending.has_faded(),
        };
        let said = self.receipts.speak(self.now, own, &links, &self.workspace);
        self.persist.extend(said.made.map(Record::Receipt));
        for (link, message) in said.send {
            self.send(link, &message);
        }
    }

    /// What this device holds: nothing is claimed while a body of it is missing, or what went in
    /// cannot be read any more.
    fn claims(&self) -> Option<Claims> {
        let control = self.workspace.control();
        let role = control.role(&self.key.device(), &control.all());
        if role.is_none() || self.workspace.lacks_bodies() || self.mending.has_faded() {
            return None;
        }
        let [control, content] =
            [Lane::Control, Lane::Content].map(|lane| self.workspace.heads(lane));
        let mut epochs = self.workspace.held_epochs();
        let old = epochs.len().saturating_sub(RECEIPT_EPOCHS_MAX);
        epochs.drain(..old);
        let artifacts = self.whole_artifacts();
        Some(Claims::new(control, content, epochs, artifacts, self.config.runs))
    }

    /// The artifacts that are here whole, the newest of them, sorted by id.
    fn whole_artifacts(&self) -> Vec<EventId> {
        let mut whole: Vec<_> = self.artifacts.complete().collect();
        if whole.len() > RECEIPT_ARTIFACTS_MAX {
            whole.sort_by_key(|id| std::cmp::Reverse(self.workspace.position(id)));
            whole.truncate(RECEIPT_ARTIFACTS_MAX);
            whole.sort_unstable();
        }
        whole
    }

    /// A peer says something: it was here now.
    pub(super) fn saw(&mut self, device: DeviceId) {
        self.seen.insert(device, self.now.monotonic_ms);
    }

    /// Who is gone and no member is forgotten.
    pub(super) fn forget_stranger(&mut self, link: LinkId) {
        let Some(device) = self.sync.device_of(link) else { return };
        let control = self.workspace.control();
        if control.role(&device, &control.all()).is_none() {
            self.seen.remove(&device);
        }
    }

    /// How far every other member is. `SPEC: RCPT-5`
    pub(super) fn peers(&self) -> Vec<PeerState> {
        let control = self.workspace.control();
        let own = self.key.device();
        let members = control.members(&control.all()).into_keys();
        let of = self.workspace.count_covered(&[], false);
        let state = |device: DeviceId| PeerState {
            acked: self.receipts.count(&self.workspace, &device),
            of,
            last_seen_s: self
                .seen
                .get(&device)
                .map(|at| self.now.monotonic_ms.saturating_sub(*at) / 1_000),
            path: None,
            rtt_ms: None,
            heard: None,
            strikes: self.conduct.strikes(self.now, &device),
            kept_out_s: Some(self.conduct.kept_out_ms(self.now, &device).div_ceil(1_000))
                .filter(|seconds| *seconds > 0),
            device,
        };
        members.filter(|device| *device != own).map(state).collect()
    }
}
