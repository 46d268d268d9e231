//! Events of a file that nobody vouches for: what a damaged store holds goes into a new one only
//! where it proves itself, by its signature or by the run that it stands in (SPEC: DUR-7, EVT-12).

use std::collections::BTreeMap;

use super::run::weight;
use super::{EventFault, Header, Run, Signed, Verified};
use crate::id::{ChainId, EventId, WorkspaceId};
use crate::limits::{RUN_BYTES_MAX, UNPROVEN_BYTES_MAX, UNPROVEN_RUNS_MAX};

/// Takes envelopes in the order in which a store had them: causes first, but for what peers brought
/// back into a run, which stands behind that (SPEC: DUR-6).
#[derive(Debug)]
pub struct Proving {
    workspace: WorkspaceId,
    /// Events without their signature that nothing proved yet. An id is the hash of its header,
    /// which names the one before it: so a row that follows another takes nothing from it.
    open: BTreeMap<EventId, Signed>,
    /// The bytes of the envelopes that are open.
    bytes: usize,
    /// The last event of each chain that was proven.
    last: BTreeMap<ChainId, EventId>,
    /// Events that were not proven before a run behind them was, and that it proves.
    awaited: BTreeMap<EventId, Awaited>,
    left_out: u64,
}

/// What proves the event before it.
#[derive(Debug)]
struct Awaited {
    /// Of the first event of the run that is proven.
    header: Header,
    /// Of all of that run.
    weight: usize,
}

impl Proving {
    /// Takes events of this workspace.
    #[must_use]
    pub fn of(workspace: WorkspaceId) -> Self {
        let (open, last, awaited) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { workspace, open, bytes: 0, last, awaited, left_out: 0 }
    }

    /// The next envelope; gives the events that are proven by it, in their order.
    pub fn push(&mut self, envelope: &[u8]) -> Vec<Verified> {
        let read = Signed::decode(envelope).and_then(|event| {
            let is_ours = event.workspace() == self.workspace;
            if is_ours { Ok(event) } else { Err(EventFault::Field("workspace")) }
        });
        let Ok(event) = read else {
            self.left_out += 1;
            return Vec::new();
        };
        if event.signature().is_none() {
            let id = event.id();
            self.wait(event, envelope.len());
            let proven = self.proven_behind(&id);
            if self.bytes > UNPROVEN_BYTES_MAX {
                self.give_up();
            }
            return proven;
        }
        let sum = weight(&event);
        let run = self.run_of(event.clone(), sum);
        let is_alone = run.len() == 1;
        let proven = Run::verify(run).or_else(|fault| match is_alone {
            true => Err(fault),
            // What stands before it may be a lie, and it none.
            false => Run::verify(vec![event]),
        });
        let Ok(run) = proven else {
            self.left_out += 1;
            return Vec::new();
        };
        let events = run.into_events();
        self.proved(&events, 0);
        events
    }

    /// These are proven, by their end or by a run of this weight that follows them.
    fn proved(&mut self, events: &[Verified], behind: usize) {
        for event in events {
            if let Some(open) = self.open.remove(&event.id()) {
                self.bytes = self.bytes.saturating_sub(open.encode().len());
            }
        }
        let (Some(first), Some(end)) = (events.first(), events.last()) else { return };
        let before = first.header().prev;
        let unproven = before.filter(|prev| self.last.get(&first.chain()) != Some(prev));
        if let Some(prev) = unproven {
            let weights = events.iter().map(|event| weight(event.signed()));
            let weight = weights.fold(behind, usize::saturating_add);
            // A bound alone: a store has hardly a gap.
            if self.awaited.len() >= UNPROVEN_RUNS_MAX {
                self.awaited.clear();
            }
            // Of two that fork there the lighter leaves more room for what it proves.
            if self.awaited.get(&prev).is_none_or(|other| other.weight > weight) {
                self.awaited.insert(prev, Awaited { header: first.header().clone(), weight });
            }
        }
        if behind == 0 {
            // Without it a run only waits for what is proven already.
            let is_new = !self.last.contains_key(&end.chain());
            if is_new && self.last.len() >= UNPROVEN_RUNS_MAX {
                self.last.clear();
            }
            self.last.insert(end.chain(), end.id());
        }
    }

    /// The event that is open, with what is open before it, where a run proves it that came before.
    fn proven_behind(&mut self, id: &EventId) -> Vec<Verified> {
        let (Some(event), Some(behind)) = (self.open.get(id), self.awaited.get(id)) else {
            return Vec::new();
        };
        let sum = weight(event).saturating_add(behind.weight);
        let follows = behind.header.follows(id, event.header()) && event.header().may_be_inside();
        if !follows || sum > RUN_BYTES_MAX {
            return Vec::new();
        }
        let (run, behind) = (self.run_of(event.clone(), sum), behind.weight);
        let run: Result<Vec<_>, _> = run.into_iter().map(Signed::into_verified).collect();
        let Ok(events) = run else { return Vec::new() };
        self.awaited.remove(id);
        self.proved(&events, behind);
        events
    }

    fn wait(&mut self, event: Signed, bytes: usize) {
        let id = event.id();
        if self.open.insert(id, event).is_none() {
            self.bytes = self.bytes.saturating_add(bytes);
        }
    }

    /// What is open of the run that this event ends, and the event; it and what follows it weigh
    /// so much. More than a run may hold is not looked at, so that a row costs no more than that.
    fn run_of(&self, last: Signed, mut sum: usize) -> Vec<Signed> {
        let mut run = vec![last];
        while let Some(first) = run.last()
            && let Some(prev) = first.header().prev
            && let Some(before) = self.open.get(&prev)
            && first.header().follows(&prev, before.header())
            && before.header().may_be_inside()
        {
            sum = sum.saturating_add(weight(before));
            if sum > RUN_BYTES_MAX {
                break;
            }
            run.push(before.clone());
        }
        run.reverse();
        run
    }

    /// How many proved nothing, when all were taken.
    #[must_use]
    pub fn left_out(mut self) -> u64 {
        self.give_up();
        self.left_out
    }

    fn give_up(&mut self) {
        self.left_out += self.open.len() as u64;
        self.open.clear();
        self.bytes = 0;
    }
}
