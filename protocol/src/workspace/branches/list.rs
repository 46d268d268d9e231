//! How far a branch is from its origin, what a document was at an event, and who went on with a
//! document while apart.

use std::collections::{BTreeMap, BTreeSet};

use crate::effect::{ChangeNo, DocumentNo, Effect};
use crate::id::{ChangeHash, DeviceId, DocumentId, EventId};
use crate::limits::{BEHIND_COUNTED_MAX, BRANCH_DEPTH_MAX, SIDES_COMPARED_MAX};
use crate::workspace::Workspace;

/// How far a branch is from its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distance {
    /// Changes of the branch, and of those that were merged into it, that the origin does not hold.
    pub ahead: usize,
    /// Changes of the origin that the branch does not hold.
    pub behind: usize,
    /// Not all of those were counted.
    pub behind_at_least: bool,
    /// Who wrote to the branch.
    pub devices: BTreeSet<DeviceId>,
}

/// A device that went on with a document while apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApartSide {
    /// Who.
    pub device: DeviceId,
    /// How many changes no other side knows.
    pub changes: usize,
    /// Not all of those were counted.
    pub at_least: bool,
    /// The event of the last of them.
    pub event: EventId,
}

/// Devices that went on with a document while apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// Which document.
    pub document: DocumentId,
    /// Who did, by id.
    pub sides: Vec<ApartSide>,
}

impl Workspace {
    /// The branches of which something counts, with their origins, by id.
    pub fn branches(&self) -> impl Iterator<Item = (DocumentId, DocumentId)> {
        let number = |id: &DocumentId| self.effects.document_number(id);
        let counts =
            move |id: &DocumentId| number(id).is_some_and(|no| self.applied.has_any_of(no));
        let branches = self.effects.branches().filter(move |(id, _)| counts(id));
        branches.map(|(id, origin)| (*id, origin.document))
    }

    /// The document that a branch was made of.
    #[must_use]
    pub fn origin(&self, document: &DocumentId) -> Option<DocumentId> {
        self.effects.origin(document).map(|origin| origin.document)
    }

    /// The changes that stand and were written to this document itself, or to branches of it that
    /// were merged into it. `SPEC: BRA-10`
    #[must_use]
    pub fn own_changes(&self, document: &DocumentId) -> BTreeSet<ChangeHash> {
        let own = self.effects.document_number(document).map(|no| self.own_and_merged(no));
        own.into_iter().flatten().map(|change| self.effects.hash(change)).collect()
    }

    /// The changes that stand and were written to a document itself, or to branches of it that
    /// were merged into it.
    pub(super) fn own_and_merged(&self, document: DocumentNo) -> BTreeSet<ChangeNo> {
        let mut below = BTreeMap::new();
        let mut is_below = |change: &ChangeNo| {
            let of = self.effects.document_of(*change);
            *below.entry(of).or_insert_with(|| self.is_branch_below(of, document))
        };
        let mut open = self.own_standing(document);
        let mut found: BTreeSet<_> = open.iter().copied().collect();
        while let Some(next) = open.pop() {
            for dep in self.effects.joined(document, next).filter(&mut is_below) {
                if found.insert(dep) {
                    open.push(dep);
                }
            }
        }
        found
    }

    /// Is it a branch of that document, or one of such a branch?
    fn is_branch_below(&self, branch: DocumentNo, document: DocumentNo) -> bool {
        let above = self.effects.document_id(document);
        let mut at = self.origin(&self.effects.document_id(branch));
        for _ in 0..BRANCH_DEPTH_MAX {
            match at {
                Some(origin) if origin == above => return true,
                Some(origin) => at = self.origin(&origin),
                None => return false,
            }
        }
        false
    }

    /// The event that makes a branch, of several the lowest.
    #[must_use]
    pub fn made_by(&self, document: &DocumentId) -> Option<EventId> {
        let made_by = self.effects.made_by(self.effects.document_number(document)?);
        made_by.iter().filter(|no| self.counts(**no)).map(|no| self.content.id(*no)).min()
    }

    /// What a branch's first change builds on: where it left its origin. Of several that made it
    /// the one that [`Self::made_by`] names says.
    #[must_use]
    pub fn fork_heads(&self, document: &DocumentId) -> Vec<ChangeHash> {
        let made_by = self.made_by(document).and_then(|id| self.content.number(&id));
        let number = self.effects.document_number(document);
        let order = number.into_iter().flat_map(|no| self.effects.order(no));
        let first = order.filter(|change| {
            let carriers = self.effects.carriers(*change);
            self.effects.begins(*change) && made_by.is_none_or(|by| carriers.contains(&by))
        });
        let first = first.min_by_key(|change| self.effects.hash(*change));
        let deps = first.into_iter().flat_map(|first| self.effects.deps(first));
        deps.map(|dep| self.effects.hash(dep)).collect()
    }

    /// What a change of a document brings in of others': where it does, it merges them.
    /// `SPEC: BRA-4`
    #[must_use]
    pub fn joined(&self, document: &DocumentId, change: &ChangeHash) -> Vec<ChangeHash> {
        let of = self.effects.document_number(document);
        let change = self.effects.number(document, change);
        let (Some(of), Some(change)) = (of, change) else { return Vec::new() };
        if self.effects.begins(change) {
            return Vec::new();
        }
        self.effects.joined(of, change).map(|dep| self.effects.hash(dep)).collect()
    }

    /// The number of the first operation of a change that depends on these.
    #[must_use]
    pub fn next_op(&self, document: &DocumentId, deps: &[ChangeHash]) -> u64 {
        self.effects.next_op(document, deps)
    }

    /// How far a branch is from its origin, whose heads these are. What makes a branch or merges
    /// one is not counted, and what came in of branches of it is.
    /// `SPEC: BRA-5`
    #[must_use]
    pub fn distance(&self, branch: &DocumentId, to: Vec<ChangeHash>) -> Distance {
        let mut devices = BTreeSet::new();
        let Some(of) = self.effects.document_number(branch) else {
            return Distance { ahead: 0, behind: 0, behind_at_least: false, devices };
        };
        let numbers = |heads: Vec<ChangeHash>| -> Vec<_> {
            heads.iter().filter_map(|head| self.effects.number(branch, head)).collect()
        };
        let knows = |heads: &[ChangeNo], change: ChangeNo| {
            heads.iter().any(|head| self.effects.knows(*head, change))
        };
        let (to, from) = (numbers(to), numbers(self.line(branch).heads));
        let mut ahead = 0;
        let is_edit = |own: &ChangeNo| self.is_edit(self.effects.document_of(*own), *own);
        for change in self.own_and_merged(of).into_iter().filter(is_edit) {
            devices.extend(self.effects.carrier(change).map(|no| self.content.author(no)));
            ahead += usize::from(!knows(&to, change));
        }
        let (mut open, mut seen, mut behind) = (to, BTreeSet::new(), 0);
        let mut behind_at_least = false;
        while let Some(next) = open.pop() {
            if seen.contains(&next) || knows(&from, next) {
                continue;
            }
            if seen.len() >= BEHIND_COUNTED_MAX {
                behind_at_least = true;
                break;
            }
            seen.insert(next);
            let document = self.effects.document_of(next);
            behind += usize::from(!self.links(next) && self.is_edit(document, next));
            open.extend(self.effects.deps(next));
        }
        Distance { ahead, behind, behind_at_least, devices }
    }

    /// Is it the link to a document, which came by the event that made that?
    fn links(&self, change: ChangeNo) -> bool {
        let makes = |no| match self.effects.of(no) {
            Effect::Change(changes) => {
                changes.len() > 1 && changes.iter().any(|of| self.effects.begins(*of))
            }
            _ => false,
        };
        !self.effects.begins(change) && self.effects.carrier(change).is_some_and(makes)
    }

    /// Is there anything on a branch but what makes it?
    #[must_use]
    pub fn is_written(&self, branch: &DocumentId) -> bool {
        let Some(of) = self.effects.document_number(branch) else { return false };
        self.own_standing(of).into_iter().any(|own| !self.effects.begins(own))
    }

    fn is_edit(&self, document: DocumentNo, change: ChangeNo) -> bool {
        let is_branch = self.effects.origin(&self.effects.document_id(document)).is_some();
        let begins = is_branch && self.effects.begins(change);
        !begins && self.effects.joined(document, change).next().is_none()
    }

    /// The documents with which several devices went on while apart, and nobody since who knew
    /// all of it. `SPEC: BRA-8`
    #[must_use]
    pub fn divergences(&self) -> Vec<Divergence> {
        let diverged = self.documents().filter_map(|document| {
            let sides = self.sides(&document);
            (sides.len() > 1).then_some(Divergence { document, sides })
        });
        diverged.collect()
    }

    /// The events that carry what has the number of a left out event's first change that is
    /// forked. `SPEC: PRJ-4`
    pub fn in_place_of(&self, tip: &EventId) -> Option<EventId> {
        let mut no = self.content.number(tip)?;
        let mut found = None;
        while let Effect::Change(changes) = self.effects.of(no)
            && self.is_left_out(changes)
        {
            let rival = |change: &ChangeNo| {
                let rivals = self.effects.rivals(*change).into_iter();
                let carriers = rivals.filter_map(|change| self.effects.carrier(change));
                carriers.map(|no| self.content.id(no)).min()
            };
            found = changes.iter().find_map(rival).or(found);
            let Some(prev) = self.content.prev(no) else { break };
            no = prev;
        }
        found
    }

    fn sides(&self, document: &DocumentId) -> Vec<ApartSide> {
        let heads = self.line(document).heads;
        // So many heads are nobody's work of an afternoon, and each is compared with each.
        if heads.len() < 2 || heads.len() > SIDES_COMPARED_MAX {
            return Vec::new();
        }
        let number = |head: &ChangeHash| self.effects.number(document, head);
        let heads: Vec<_> = heads.iter().filter_map(number).collect();
        let mut sides: BTreeMap<DeviceId, ApartSide> = BTreeMap::new();
        for head in &heads {
            let Some(carrier) = self.effects.carrier(*head) else { continue };
            let event = self.content.id(carrier);
            let others = || heads.iter().filter(|other| *other != head);
            let (mut open, mut seen) = (vec![*head], BTreeSet::new());
            let mut at_least = false;
            while let Some(next) = open.pop() {
                let is_theirs = others().any(|other| self.effects.knows(*other, next));
                if is_theirs || seen.contains(&next) {
                    continue;
                }
                if seen.len() >= BEHIND_COUNTED_MAX {
                    at_least = true;
                    break;
                }
                seen.insert(next);
                open.extend(self.effects.deps(next));
            }
            let device = self.content.author(carrier);
            let none = ApartSide { device, changes: 0, at_least: false, event };
            let side = sides.entry(device).or_insert(none);
            side.changes = side.changes.saturating_add(seen.len());
            side.at_least |= at_least;
            side.event = event;
        }
        sides.into_values().collect()
    }
}
