//! Who is heard by gossip, beside the Replica: shown, and dialed, and nothing else (SPEC: HINT-5).

use std::collections::BTreeMap;

use kernelos_protocol::id::DeviceId;
use kernelos_protocol::limits::HINT_ABSENT_MS;
use kernelos_protocol::sync::hint::{Frontier, Hint};

use super::{Engine, Loop, Wake};
use crate::clock;

/// A device that was heard, with which there need not be a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voice {
    /// When it was heard last, in milliseconds of the monotonic clock.
    pub at_ms: u64,
    /// Since when it is there, by the same clock.
    pub since_ms: u64,
    /// It says that it holds something that is not here.
    pub is_ahead: bool,
}

/// Everybody who was heard, and how far they say that they are. Who is no member any more is
/// forgotten.
#[derive(Debug, Default)]
pub(super) struct Voices {
    /// Gossip is switched on: how far this device is, is told.
    is_on: bool,
    heard: BTreeMap<DeviceId, (Voice, Frontier)>,
}

impl Voices {
    pub(super) fn switch_on(&mut self) {
        self.is_on = true;
    }

    pub(super) fn hear(&mut self, now_ms: u64, hint: &Hint) {
        let before = self.heard.get(&hint.device()).map(|(voice, _)| *voice);
        let stays = before.filter(|voice| voice.at_ms.saturating_add(HINT_ABSENT_MS) >= now_ms);
        let since_ms = stays.map_or(now_ms, |voice| voice.since_ms);
        let voice = Voice { at_ms: now_ms, since_ms, is_ahead: false };
        self.heard.insert(hint.device(), (voice, hint.frontier().clone()));
    }
}

impl Engine {
    /// From now on [`super::Shared::frontier`] is told.
    pub(crate) fn gossips(&self) {
        self.inbox.try_send(Wake::Gossips).ok();
    }

    /// A hint of a member came; where the loop has much to do it is forgotten.
    pub(crate) fn hear(&self, hint: Box<Hint>) {
        self.inbox.try_send(Wake::Heard(hint)).ok();
    }
}

impl Loop {
    /// Tells how far this device is, and who is heard.
    pub(super) fn publish_voices(&mut self) {
        if !self.voices.is_on {
            return;
        }
        let workspace = self.replica.workspace();
        let members = workspace.control().present_members();
        self.voices.heard.retain(|device, _| members.contains_key(device));
        let digest = workspace.lanes_hash();
        for (voice, frontier) in self.voices.heard.values_mut() {
            voice.is_ahead = frontier.is_ahead_of(&digest, |id| workspace.contains(id));
        }
        let heard = self.voices.heard.iter().map(|(device, (voice, _))| (*device, *voice));
        let (heard, frontier) = (heard.collect(), self.replica.frontier());
        self.share(|shared| (shared.heard, shared.frontier) = (heard, frontier));
    }

    pub(super) fn heard(&mut self, hint: &Hint) {
        self.voices.hear(clock::now().monotonic_ms, hint);
    }
}

#[cfg(test)]
mod tests {
    use kernelos_protocol::id::{EventId, Incarnation, WorkspaceId};
    use kernelos_protocol::key::DeviceKey;

    use super::*;

    #[test]
    fn who_was_not_heard_for_three_hints_has_come_back_and_who_was_has_stayed() {
        // SPEC: HINT-5
        let key = DeviceKey::from_secret(&[1; 32]);
        let hint = |counter| {
            let frontier = Frontier::new([0; 32], 1, vec![EventId([1; 32])]);
            Hint::sign(&key, WorkspaceId([2; 32]), Incarnation([3; 8]), counter, frontier)
        };
        let mut voices = Voices::default();
        let mut since = |now_ms, counter| {
            voices.hear(now_ms, &hint(counter));
            voices.heard[&key.device()].0.since_ms
        };
        assert_eq!(since(1_000, 1), 1_000);
        assert_eq!(since(1_000 + HINT_ABSENT_MS, 2), 1_000);
        let late = 1_001 + 2 * HINT_ABSENT_MS;
        assert_eq!(since(late, 3), late);
    }
}
