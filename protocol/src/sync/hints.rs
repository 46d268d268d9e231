//! What was heard by gossip: the newest hint of each member, and how its neighbours behave.
//!
//! Gossip tells who delivered a message, not who wrote it, and passes everything on before anybody
//! looks. So a hint counts by its own signature and a member's key alone, older ones are refused by
//! their counter, and neighbours have a budget (SPEC: HINT-2, HINT-4). Bounded by the members.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{DeviceId, Incarnation, WorkspaceId};
use crate::limits::{
    HINT_JUNK_AT_ONCE_MAX, HINT_NEIGHBOURS_MAX, HINTS_AT_ONCE_MAX, HINTS_PER_SECOND,
    RECEIPT_LIVES_MAX,
};
use crate::sync::conduct::Conduct;
use crate::sync::hint::Hint;
use crate::time::Time;

/// Why what was delivered is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// It is no hint, of another workspace or version, or not signed by whom it names.
    Junk,
    /// Who delivered it, or whose it is, is no member.
    NoMember,
    /// It is this device's own.
    Own,
    /// One as new was heard before, or its device has begun too many lives.
    Old,
    /// Its neighbour is put away: gossip with it ends for a while. `SPEC: HINT-4`
    PutAway,
}

/// What becomes of what was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The device is here, and so far.
    Presence(Box<Hint>),
    /// Nothing.
    Ignored(Ignored),
}

/// Hints of one workspace.
#[derive(Debug)]
pub struct Hints {
    workspace: WorkspaceId,
    own: DeviceId,
    /// The greatest counter of each life that was heard, by member.
    heard: BTreeMap<DeviceId, BTreeMap<Incarnation, u64>>,
    neighbours: BTreeMap<DeviceId, Budget>,
    conduct: Conduct,
}

/// What a neighbour may still deliver, in thousandths of a hint.
#[derive(Debug, Clone, Copy)]
struct Budget {
    at_ms: u64,
    hints: u64,
    junk: u64,
}

const HINTS: u64 = 1_000 * HINTS_AT_ONCE_MAX as u64;
const JUNK: u64 = 1_000 * HINT_JUNK_AT_ONCE_MAX as u64;

impl Budget {
    const fn full(at_ms: u64) -> Self {
        Self { at_ms, hints: HINTS, junk: JUNK }
    }

    /// What time gave back since it was looked at last.
    fn refill(&mut self, now_ms: u64) {
        let passed = now_ms.saturating_sub(self.at_ms);
        self.at_ms = now_ms;
        let hints = passed.saturating_mul(u64::from(HINTS_PER_SECOND));
        self.hints = self.hints.saturating_add(hints).min(HINTS);
        self.junk = self.junk.saturating_add(passed).min(JUNK);
    }
}

/// Takes one from a budget, where it holds one.
fn take(from: &mut u64) -> bool {
    let left = from.checked_sub(1_000);
    *from = left.unwrap_or(*from);
    left.is_some()
}

impl Hints {
    /// Nothing was heard yet.
    #[must_use]
    pub fn new(workspace: WorkspaceId, own: DeviceId) -> Self {
        let (heard, neighbours) = (BTreeMap::new(), BTreeMap::new());
        Self { workspace, own, heard, neighbours, conduct: Conduct::default() }
    }

    /// A neighbour delivered these bytes. Nothing is kept of who is none of the `members`.
    pub fn hear(
        &mut self,
        now: Time,
        members: &BTreeSet<DeviceId>,
        from: &DeviceId,
        bytes: &[u8],
    ) -> Heard {
        self.heard.retain(|device, _| members.contains(device));
        self.neighbours.retain(|device, _| members.contains(device));
        if !members.contains(from) {
            return Heard::Ignored(Ignored::NoMember);
        }
        if self.is_put_away(now, from) {
            return Heard::Ignored(Ignored::PutAway);
        }
        if self.neighbours.len() >= HINT_NEIGHBOURS_MAX && !self.neighbours.contains_key(from) {
            self.neighbours.pop_first();
        }
        let full = Budget::full(now.monotonic_ms);
        let budget = self.neighbours.entry(*from).or_insert(full);
        budget.refill(now.monotonic_ms);
        if !take(&mut budget.hints) {
            return self.put_away(now, from);
        }
        let why = match self.judge(members, bytes) {
            Ok(hint) => return Heard::Presence(Box::new(hint)),
            Err(why) => why,
        };
        let is_junk = matches!(why, Ignored::Junk | Ignored::NoMember);
        let budget = self.neighbours.entry(*from).or_insert(full);
        if is_junk && !take(&mut budget.junk) {
            return self.put_away(now, from);
        }
        Heard::Ignored(why)
    }

    fn judge(&mut self, members: &BTreeSet<DeviceId>, bytes: &[u8]) -> Result<Hint, Ignored> {
        let hint = Hint::read_unproven(bytes).map_err(|_| Ignored::Junk)?;
        let (device, life) = (hint.device(), hint.incarnation());
        if hint.workspace() != self.workspace {
            return Err(Ignored::Junk);
        }
        if !members.contains(&device) {
            return Err(Ignored::NoMember);
        }
        if device == self.own {
            return Err(Ignored::Own);
        }
        let lives = self.heard.get(&device);
        let newest = lives.and_then(|lives| lives.get(&life));
        let has_room = lives.is_none_or(|lives| lives.len() < RECEIPT_LIVES_MAX);
        if newest.map_or(!has_room, |newest| *newest >= hint.counter()) {
            return Err(Ignored::Old);
        }
        // What is only made up costs a signature each, and the budget for junk.
        if !hint.is_signed() {
            return Err(Ignored::Junk);
        }
        self.heard.entry(device).or_default().insert(life, hint.counter());
        Ok(hint)
    }

    /// Is gossip with this neighbour ended for now? `SPEC: HINT-4`
    #[must_use]
    pub fn is_put_away(&self, now: Time, device: &DeviceId) -> bool {
        self.conduct.kept_out_ms(now, device) > 0
    }

    /// Ends gossip with a neighbour for a while, longer each time: of this alone, its links stay.
    pub fn put_away(&mut self, now: Time, device: &DeviceId) -> Heard {
        self.conduct.broke_rule(now, *device);
        self.neighbours.remove(device);
        Heard::Ignored(Ignored::PutAway)
    }
}
