//! Events of a file that nobody vouches for: what a damaged store holds goes into a new one only
//! where it proves itself, by its signature or by the run that it stands in (SPEC: DUR-7, EVT-12).

use std::collections::BTreeMap;

use super::run::weight;
use super::{EventFault, Run, Signed, Verified};
use crate::id::{EventId, WorkspaceId};
use crate::limits::{RUN_BYTES_MAX, UNPROVEN_BYTES_MAX};

/// Takes envelopes in the order in which a store had them, causes first.
#[derive(Debug)]
pub struct Proving {
    workspace: WorkspaceId,
    /// Events without their signature that nothing proved yet. An id is the hash of its header,
    /// which names the one before it: so a row that follows another takes nothing from it.
    open: BTreeMap<EventId, Signed>,
    /// The bytes of the envelopes that are open.
    bytes: usize,
    left_out: u64,
}

impl Proving {
    /// Takes events of this workspace.
    #[must_use]
    pub fn of(workspace: WorkspaceId) -> Self {
        Self { workspace, open: BTreeMap::new(), bytes: 0, left_out: 0 }
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
            self.wait(event, envelope.len());
            return Vec::new();
        }
        let run = self.run_of(event.clone());
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
        for event in &events {
            if let Some(open) = self.open.remove(&event.id()) {
                self.bytes = self.bytes.saturating_sub(open.encode().len());
            }
        }
        events
    }

    fn wait(&mut self, event: Signed, bytes: usize) {
        let id = event.id();
        if self.open.insert(id, event).is_none() {
            self.bytes = self.bytes.saturating_add(bytes);
        }
        if self.bytes > UNPROVEN_BYTES_MAX {
            self.give_up();
        }
    }

    /// What is open of the run that this event ends, and the event. More than a run may hold is
    /// not looked at, so that a row costs no more than that.
    fn run_of(&self, last: Signed) -> Vec<Signed> {
        let mut sum = weight(&last);
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
