//! Events of a file that nobody vouches for: what a damaged store holds goes into a new one only
//! where it proves itself, by its signature or by the run that it stands in (SPEC: DUR-7, EVT-12).

use std::collections::BTreeMap;

use super::{EventFault, Run, Signed, Verified};
use crate::id::{EventId, WorkspaceId};
use crate::limits::UNPROVEN_BYTES_MAX;

/// Takes envelopes in the order in which a store had them, causes first.
#[derive(Debug)]
pub struct Proving {
    workspace: WorkspaceId,
    /// Events without their signature, by the last of each chain.
    open: BTreeMap<EventId, Vec<Signed>>,
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
        let (id, is_last) = (event.id(), event.signature().is_some());
        if !is_last && self.open.contains_key(&id) {
            return Vec::new();
        }
        let before = event.header().prev.and_then(|prev| self.open.remove(&prev));
        let mut run = before.unwrap_or_default();
        if !is_last {
            self.bytes = self.bytes.saturating_add(envelope.len());
            run.push(event);
            self.open.insert(id, run);
            if self.bytes > UNPROVEN_BYTES_MAX {
                self.give_up();
            }
            return Vec::new();
        }
        let freed: usize = run.iter().map(|event| event.encode().len()).sum();
        self.bytes = self.bytes.saturating_sub(freed);
        // What stands before it may be a lie, and it none.
        let alone = (!run.is_empty()).then(|| event.clone());
        run.push(event);
        let count = run.len() as u64;
        let proven = Run::verify(run).or_else(|fault| Run::verify(vec![alone.ok_or(fault)?]));
        let proven = proven.map_or_else(|_| Vec::new(), Run::into_events);
        self.left_out += count - proven.len() as u64;
        proven
    }

    /// How many proved nothing, when all were taken.
    #[must_use]
    pub fn left_out(mut self) -> u64 {
        self.give_up();
        self.left_out
    }

    fn give_up(&mut self) {
        self.left_out += self.open.values().map(|run| run.len() as u64).sum::<u64>();
        self.open.clear();
        self.bytes = 0;
    }
}
