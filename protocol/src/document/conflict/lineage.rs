//! Which change knows which: every change of a document with the clock of its past.
//!
//! Automerge holds one change of an actor and number, so the changes of an actor form one line,
//! and a past is known by the number of its last change of every actor. Numbers of changes and
//! actors depend on the order of arrival; nothing that is shown does.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::convert::Infallible;

use automerge::{ActorId, ChangeHash};

use crate::document::validate::Clock;
use crate::few::Few;

/// An operation: its number and the number of its actor. Zero is the document itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OpNo {
    pub(super) number: u32,
    pub(super) actor: u32,
}

impl OpNo {
    pub(super) const ROOT: Self = Self { number: 0, actor: 0 };
}

#[derive(Debug)]
struct Node {
    hash: ChangeHash,
    actor: u32,
    seq: u32,
    /// Of every other actor the number of its last change in the past. What it says of the own
    /// actor is stale, so that who goes on alone shares all that was known.
    known: Clock,
}

impl Node {
    /// The number of the last change of an actor in the past, this change included.
    fn last_of(&self, actor: u32) -> Option<u32> {
        if self.actor == actor { Some(self.seq) } else { self.known.get(actor) }
    }
}

/// What a change says of itself.
pub(super) struct New<'a, D> {
    pub(super) hash: ChangeHash,
    pub(super) deps: D,
    pub(super) actor: &'a ActorId,
    pub(super) seq: u64,
    /// The number of its last operation.
    pub(super) last_op: u64,
}

/// What became of a change that was to be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// It has this number.
    New(u32),
    /// It was here.
    Known,
    /// Something is missing that it builds on.
    Apart,
}

/// The changes of one document.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    nodes: Vec<Node>,
    by_hash: BTreeMap<ChangeHash, u32>,
    numbers: BTreeMap<ActorId, u32>,
    actors: Vec<ActorId>,
    /// The changes of every actor, the first one first.
    lines: Vec<Vec<u32>>,
    last_op: u64,
}

impl Lineage {
    /// Takes in a change after all that it depends on. Once more is no more.
    pub(super) fn add(&mut self, new: New<'_, impl Iterator<Item = ChangeHash>>) -> Added {
        match self.try_add(new) {
            Some(Some(number)) => Added::New(number),
            Some(None) => Added::Known,
            None => Added::Apart,
        }
    }

    /// None where something is missing; the number, but of what was here.
    fn try_add(
        &mut self,
        mut new: New<'_, impl Iterator<Item = ChangeHash>>,
    ) -> Option<Option<u32>> {
        let deps = new.deps.by_ref().map(|dep| self.find(&dep)).collect::<Option<Few<u32>>>()?;
        let seq = u32::try_from(new.seq).ok()?;
        let number = u32::try_from(self.nodes.len()).ok()?;
        let actor = self.number_actor(new.actor)?;
        let known = self.known_by(actor, &deps)?;
        let Entry::Vacant(place) = self.by_hash.entry(new.hash) else { return Some(None) };
        let line = self.lines.get_mut(actor as usize)?;
        if line.len() + 1 != seq as usize {
            return None;
        }
        place.insert(number);
        line.push(number);
        self.last_op = self.last_op.max(new.last_op);
        self.nodes.push(Node { hash: new.hash, actor, seq, known });
        Some(Some(number))
    }

    /// The number of a change: most often it is asked for the last one.
    fn find(&self, hash: &ChangeHash) -> Option<u32> {
        if self.nodes.last().is_some_and(|last| last.hash == *hash) {
            return u32::try_from(self.nodes.len() - 1).ok();
        }
        self.by_hash.get(hash).copied()
    }

    /// What an actor knows that goes on from these.
    fn known_by(&self, actor: u32, deps: &[u32]) -> Option<Clock> {
        if let [dep] = deps
            && let Some(dep) = self.node(*dep).filter(|dep| dep.actor == actor)
        {
            return Some(dep.known.clone());
        }
        let mut known = Clock::default();
        for dep in deps {
            let dep = self.node(*dep)?;
            let of_dep = dep.known.with(dep.actor, dep.seq);
            let Ok(both) = known
                .merged(&of_dep, &mut |one: u32, two: u32| Ok::<u32, Infallible>(one.max(two)));
            known = both;
        }
        Some(known)
    }

    fn number_actor(&mut self, actor: &ActorId) -> Option<u32> {
        if let Some(number) = self.numbers.get(actor) {
            return Some(*number);
        }
        let number = u32::try_from(self.actors.len()).ok()?;
        self.numbers.insert(actor.clone(), number);
        self.actors.push(actor.clone());
        self.lines.push(Vec::new());
        Some(number)
    }

    fn node(&self, change: u32) -> Option<&Node> {
        self.nodes.get(change as usize)
    }

    /// Is `past` in the past of `change`, or that itself?
    pub(super) fn knows(&self, change: u32, past: u32) -> bool {
        let (Some(change), Some(past)) = (self.node(change), self.node(past)) else {
            return false;
        };
        change.last_of(past.actor).is_some_and(|seq| seq >= past.seq)
    }

    /// The number of a change.
    pub(super) fn number(&self, hash: &ChangeHash) -> Option<u32> {
        self.by_hash.get(hash).copied()
    }

    /// The last change that `change` knew of the actor of `other`: its number and hash.
    pub(super) fn knew(&self, change: u32, other: u32) -> Option<(u32, ChangeHash)> {
        let (change, other) = (self.node(change)?, self.node(other)?);
        let seq = change.last_of(other.actor)?;
        let last = self.lines.get(other.actor as usize)?.get(seq.checked_sub(1)? as usize)?;
        Some((seq, self.node(*last)?.hash))
    }

    /// The hash of a change.
    pub(super) fn hash(&self, change: u32) -> ChangeHash {
        self.node(change).map_or(ChangeHash([0; 32]), |node| node.hash)
    }

    /// The heads of what all of `sides` have in their past, sorted; and how many actors were
    /// looked at for that.
    pub(super) fn common(&self, sides: &[u32]) -> (Vec<ChangeHash>, u64) {
        let of = |actor: u32, line: &Vec<u32>| {
            let known = sides.iter().map(|side| self.node(*side)?.last_of(actor));
            let seq = known.min().flatten()?;
            line.get(seq.checked_sub(1)? as usize).copied()
        };
        let lines = (0..).zip(&self.lines);
        let mut last: Vec<_> = lines.filter_map(|(actor, line)| of(actor, line)).collect();
        // A change has a greater number than all in its past, so heads come first.
        last.sort_unstable_by(|one, two| two.cmp(one));
        let mut heads: Vec<u32> = Vec::new();
        for change in last {
            if !heads.iter().any(|head| self.knows(*head, change)) {
                heads.push(change);
            }
        }
        let mut hashes: Vec<_> = heads.into_iter().map(|head| self.hash(head)).collect();
        hashes.sort();
        (hashes, self.lines.len() as u64)
    }

    /// The number that the next change of the actor has.
    pub(super) fn next_seq(&self, actor: &ActorId) -> u64 {
        let line = self.numbers.get(actor).and_then(|actor| self.lines.get(*actor as usize));
        line.map_or(0, Vec::len) as u64 + 1
    }

    /// The greatest number of an operation.
    pub(super) fn last_op(&self) -> u64 {
        self.last_op
    }

    /// The actor of that number.
    pub(super) fn actor(&self, number: u32) -> Option<&ActorId> {
        self.actors.get(number as usize)
    }

    /// The actor that made a change.
    pub(super) fn actor_of(&self, change: u32) -> u32 {
        self.node(change).map_or(u32::MAX, |node| node.actor)
    }

    /// An operation, if its actor is known here.
    pub(super) fn op(&self, number: u64, actor: &ActorId) -> Option<OpNo> {
        let number = u32::try_from(number).ok()?;
        Some(OpNo { number, actor: *self.numbers.get(actor)? })
    }
}
