//! What a document accepted: its changes, what each knew, and where each operation stands.
//!
//! The changes of one actor in the past of any change form one line (DOC-15), so the past is
//! known by the last change of every actor (`clock.rs`), and a change of that line is found by
//! jumps over its ancestors in logarithmic time. Forks need no care: a line is followed from its
//! end, and never leaves it. Numbers given here (of changes, of actors) depend on the order of
//! arrival; no verdict does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use automerge::ChangeHash;

use super::check::Checked;
use super::chunk::{ACTOR_BYTES, Framed};
use super::clock::Clock;
use super::facts::{Fact, OpRef};
use super::fault::ChangeFault;
use crate::few::Few;
use crate::index::{Keys, Numbers};

/// Says whether a change, with its number if it was accepted, is in an author's view.
pub(crate) type InView<'a> = &'a dyn Fn(&ChangeHash, Option<u32>) -> bool;

/// A change that counts.
#[derive(Debug)]
struct Node {
    actor: u32,
    seq: u32,
    start_op: u32,
    /// The actor's change before this one; itself for the first.
    prev: u32,
    /// An earlier one of the actor, so that any is found in logarithmic time.
    jump: u32,
    /// The last changes of the other actors in its past. What it says of the own actor is stale.
    known: Clock,
    facts: Box<[Fact]>,
}

/// Changes of one actor, each behind the one before: all of them, but what forked away.
#[derive(Debug, Default)]
struct Line<T = Vec<u32>> {
    changes: T,
    /// The number of the first operation of each.
    starts: T,
}

/// Per document: the changes that count, by hash.
#[derive(Debug, Default)]
pub struct ChangeIndex {
    nodes: Vec<Node>,
    hashes: Numbers<crate::id::ChangeHash>,
    lines: Vec<Line>,
    /// The changes that stand in no line, by actor and number.
    strays: BTreeMap<(u32, u32), Few<u32>>,
    actors: BTreeMap<[u8; ACTOR_BYTES], u32>,
    actor_bytes: Vec<[u8; ACTOR_BYTES]>,
    names: BTreeSet<Arc<str>>,
    heads: BTreeSet<ChangeHash>,
}

/// The closure of the dependencies of one change.
pub(crate) struct Past {
    /// The numbers of the dependencies, in the order of their hashes.
    pub(crate) deps: Few<u32>,
    pub(crate) known: Clock,
    /// The last change of the change's own actor.
    pub(crate) own: Option<u32>,
}

impl ChangeIndex {
    /// An index of a document without changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Finds changes under these keys from here on.
    pub(crate) fn rekey(&mut self, keys: &Keys) {
        self.hashes.rekey(keys.clone());
    }

    /// Whether the change was accepted.
    pub fn contains(&self, hash: &ChangeHash) -> bool {
        self.number(hash).is_some()
    }

    /// How many changes were accepted.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether no change was accepted.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The accepted changes that no accepted change depends on, ascending.
    pub fn heads(&self) -> impl Iterator<Item = &ChangeHash> {
        self.heads.iter()
    }

    /// Remembers an accepted change, so that others may depend on it, and gives its number: changes
    /// are numbered in the order in which they go in. `checked` must come from this index. A change
    /// that is there already changes nothing.
    pub fn insert(&mut self, checked: Checked) -> u32 {
        if let Some(number) = self.number(&checked.hash) {
            return number;
        }
        let number = u32::try_from(self.hashes.len()).unwrap_or(u32::MAX);
        self.hashes.push(crate::id::ChangeHash(checked.hash.0));
        let actor = self.number_actor(checked.actor);
        let prev = checked.prev.unwrap_or(number);
        let jump = checked.prev.map_or(number, |prev| self.jump_over(prev));
        let mut facts = checked.facts;
        for fact in &mut facts {
            fact.number(number);
        }
        self.names.extend(checked.names);
        for dep in &checked.deps {
            self.heads.remove(dep);
        }
        self.heads.insert(checked.hash);
        match self.lines.get_mut(actor as usize) {
            Some(line) if line.changes.last().copied() == checked.prev => {
                line.changes.push(number);
                line.starts.push(checked.start_op);
            }
            _ => self.strays.entry((actor, checked.seq)).or_default().push(number),
        }
        self.nodes.push(Node {
            actor,
            seq: checked.seq,
            start_op: checked.start_op,
            prev,
            jump,
            known: checked.known,
            facts: facts.into_boxed_slice(),
        });
        number
    }

    /// The number of an accepted change.
    pub(crate) fn number(&self, hash: &ChangeHash) -> Option<u32> {
        self.hashes.get(&crate::id::ChangeHash(hash.0))
    }

    /// The hash of an accepted change.
    pub(crate) fn hash(&self, change: u32) -> crate::id::ChangeHash {
        self.hashes.ids()[change as usize]
    }

    /// The place of an accepted change: its number among its actor's, and the actor.
    pub(crate) fn place(&self, change: u32) -> (u32, [u8; ACTOR_BYTES]) {
        let node = self.node(change);
        (node.seq, self.actor_bytes[node.actor as usize])
    }

    /// All accepted changes that have the place of this one, by number, where there are several:
    /// its actor forked.
    pub(crate) fn forked_at(&self, change: u32) -> Option<Vec<u32>> {
        let node = self.node(change);
        let strays = self.strays.get(&(node.actor, node.seq))?;
        let line = self.lines.get(node.actor as usize).map_or(&[][..], |line| &line.changes);
        let in_line = node.seq.checked_sub(1).and_then(|at| line.get(at as usize));
        let mut all: Vec<_> = strays.iter().chain(in_line).copied().collect();
        all.sort_unstable();
        (all.len() > 1).then_some(all)
    }

    fn number_actor(&mut self, actor: [u8; ACTOR_BYTES]) -> u32 {
        let next = u32::try_from(self.actor_bytes.len()).unwrap_or(u32::MAX);
        let number = *self.actors.entry(actor).or_insert(next);
        if number == next {
            self.actor_bytes.push(actor);
            self.lines.push(Line::default());
        }
        number
    }

    /// Jumps grow as in a skew-binary number: two of one length make one of twice the length.
    fn jump_over(&self, prev: u32) -> u32 {
        let seq = |change: u32| self.node(change).seq;
        let jump = self.node(prev).jump;
        let further = self.node(jump).jump;
        if seq(prev) - seq(jump) == seq(jump) - seq(further) { further } else { prev }
    }

    fn node(&self, change: u32) -> &Node {
        &self.nodes[change as usize]
    }

    /// Is `past` the change, or in its past? Both were accepted.
    pub fn knows(&self, change: &ChangeHash, past: &ChangeHash) -> bool {
        match (self.number(change), self.number(past)) {
            (Some(change), Some(past)) => self.knows_number(change, past),
            _ => false,
        }
    }

    /// The same, of their numbers.
    pub(crate) fn knows_number(&self, change: u32, past: u32) -> bool {
        let (node, actor) = (self.node(change), self.node(past).actor);
        let last = if node.actor == actor { Some(change) } else { node.known.get(actor) };
        last.is_some_and(|last| self.later(last, past) == Ok(last))
    }

    /// The number of the last operation of an accepted change, or of what it knows.
    pub fn last_op(&self, change: &ChangeHash) -> Option<u32> {
        Some(self.node(self.number(change)?).last_op())
    }

    /// How many operations the change of a number holds.
    pub(crate) fn operations(&self, change: u32) -> usize {
        self.node(change).facts.len()
    }

    /// The dependencies, each in the author's view and accepted. SPEC: DOC-14
    fn dependencies(&self, framed: &Framed, in_view: InView<'_>) -> Result<Few<u32>, ChangeFault> {
        let found: Few<_> = framed.deps.iter().map(|dep| self.number(dep)).collect();
        // The view first: whether a change that is not in it is known here depends on arrival.
        if !framed.deps.iter().zip(&found).all(|(dep, number)| in_view(dep, *number)) {
            return Err(ChangeFault::NotInView);
        }
        found.into_iter().collect::<Option<_>>().ok_or(ChangeFault::UnknownDependency)
    }

    /// The past of a change, if its number and its first operation follow from it.
    pub(crate) fn past(&self, framed: &Framed, in_view: InView<'_>) -> Result<Past, ChangeFault> {
        let deps = self.dependencies(framed, in_view)?;
        let own_actor = self.actors.get(&framed.actor).copied();
        let past = match deps[..] {
            // The usual case, and all that is known is shared: the actor goes on alone.
            [dep] if own_actor == Some(self.node(dep).actor) => {
                Past { known: self.node(dep).known.clone(), own: Some(dep), deps }
            }
            _ => {
                let known = self.merge(&deps)?;
                let own = own_actor.and_then(|actor| known.get(actor));
                Past { known, own, deps }
            }
        };
        // SPEC: DOC-16
        let used = past.own.map_or(0, |own| self.node(own).seq);
        if framed.seq <= used {
            return Err(ChangeFault::DuplicateSeq);
        }
        if framed.seq - used > 1 {
            return Err(ChangeFault::SeqGap);
        }
        // SPEC: DOC-7
        let last = past.deps.iter().map(|dep| self.node(*dep).last_op()).max().unwrap_or(0);
        if framed.start_op != last + 1 {
            return Err(ChangeFault::StartOp);
        }
        Ok(past)
    }

    /// SPEC: DOC-15
    fn merge(&self, deps: &[u32]) -> Result<Clock, ChangeFault> {
        let mut known = Clock::default();
        for dep in deps {
            let node = self.node(*dep);
            let next = node.known.with(node.actor, *dep);
            known = known.merged(&next, &mut |one, two| self.later(one, two))?;
        }
        Ok(known)
    }

    /// The later of two changes of one actor, if one is in the past of the other.
    fn later(&self, one: u32, two: u32) -> Result<u32, ChangeFault> {
        let (low, high) =
            if self.node(one).seq < self.node(two).seq { (one, two) } else { (two, one) };
        let seq = self.node(low).seq;
        let mut at = high;
        while self.node(at).seq > seq {
            let node = self.node(at);
            at = if self.node(node.jump).seq >= seq { node.jump } else { node.prev };
        }
        if at == low { Ok(high) } else { Err(ChangeFault::ForkedPast) }
    }

    /// The operation of that number and actor, if it is in the past.
    pub(crate) fn find(&self, known: &Clock, actor: &[u8], number: u32) -> Option<OpRef> {
        let actor = self.actors.get(actor)?;
        self.find_in_line(known.get(*actor)?, number)
    }

    /// The operation of that number in the line of changes that ends with `last`.
    pub(crate) fn find_in_line(&self, last: u32, number: u32) -> Option<OpRef> {
        let at = match self.line_to(last) {
            Some(line) => *line.changes.get(first_behind(line.starts, number).checked_sub(1)?)?,
            None => self.jump_to(last, number)?,
        };
        let node = self.node(at);
        (number <= node.last_op()).then(|| OpRef { change: at, op: number - node.start_op })
    }

    /// The line of its actor up to this change, where it stands in it.
    fn line_to(&self, last: u32) -> Option<Line<&[u32]>> {
        let node = self.node(last);
        let (line, len) = (self.lines.get(node.actor as usize)?, node.seq as usize);
        let changes = line.changes.get(..len).filter(|changes| changes.last() == Some(&last))?;
        Some(Line { changes, starts: line.starts.get(..len)? })
    }

    /// The change up to `last`, by its ancestors, that has the operation or is before it.
    fn jump_to(&self, last: u32, number: u32) -> Option<u32> {
        let mut at = last;
        while self.node(at).start_op > number {
            let node = self.node(at);
            if node.prev == at {
                return None;
            }
            at = if self.node(node.jump).start_op > number { node.jump } else { node.prev };
        }
        Some(at)
    }

    /// What is kept of an accepted operation.
    pub(crate) fn fact(&self, at: OpRef) -> Option<&Fact> {
        self.nodes.get(at.change as usize)?.facts.get(at.op as usize)
    }

    /// Number and actor of an accepted operation: what Automerge orders siblings by.
    pub(crate) fn id(&self, at: OpRef) -> Option<(u32, &[u8; ACTOR_BYTES])> {
        let node = self.nodes.get(at.change as usize)?;
        Some((node.start_op + at.op, self.actor_bytes.get(node.actor as usize)?))
    }

    /// The name as it is stored, if any accepted change has used it as a key.
    pub(crate) fn name(&self, name: &str) -> Option<Arc<str>> {
        self.names.get(name).cloned()
    }
}

/// How many of these numbers, which never fall, are no greater than `number`. They rise evenly in
/// most lines, an operation a change: so it is looked for from where it would stand then, and what
/// lies between is not touched.
fn first_behind(starts: &[u32], number: u32) -> usize {
    let (Some(first), Some(last)) = (starts.first(), starts.last()) else { return 0 };
    if number < *first || number >= *last {
        return if number < *first { 0 } else { starts.len() };
    }
    let (span, way) = (u64::from(last - first), u64::from(number - first));
    let most = (starts.len() - 1) as u64;
    let guess = usize::try_from(way.saturating_mul(most) / span).unwrap_or(0);
    let is_behind = |at: usize| starts.get(at).is_none_or(|start| *start > number);
    // The last that is not behind is at `low` or above, and below `high`.
    let (mut low, mut high, mut step) = (guess, guess + 1, 1);
    while is_behind(low) {
        (low, high, step) = (low.saturating_sub(step), low, step * 2);
    }
    while !is_behind(high) {
        (low, high, step) = (high, high + step, step * 2);
    }
    let between = starts.get(low + 1..high.min(starts.len())).unwrap_or_default();
    low + 1 + between.partition_point(|start| *start <= number)
}

impl Node {
    fn last_op(&self) -> u32 {
        self.start_op + u32::try_from(self.facts.len()).unwrap_or(u32::MAX) - 1
    }
}

#[cfg(test)]
mod tests {
    use automerge::transaction::{CommitOptions, Transactable as _};
    use automerge::{ActorId, Automerge, ChangeHash, ROOT};

    use super::{ChangeIndex, first_behind};
    use crate::index::Keys;

    const ACTOR: [u8; 16] = [1; 16];

    /// The next change of the actor to this copy goes into the index: gives its number there.
    fn next(index: &mut ChangeIndex, doc: &mut Automerge) -> u32 {
        let value = i64::try_from(index.len()).unwrap();
        let mut tx = doc.transaction();
        tx.put(ROOT, "key", value).unwrap();
        tx.commit_with(CommitOptions::default().with_time(0));
        let change = doc.get_last_local_change().unwrap();
        let checked = index.check(change.raw_bytes(), &ACTOR, &|_| true).unwrap();
        let number = index.insert(checked);
        assert_eq!(index.number(&change.hash()), Some(number));
        assert_eq!(index.hash(number).0, change.hash().0);
        number
    }

    #[test]
    fn a_number_is_found_among_starts_however_they_rise() {
        let even: Vec<u32> = (5..300).collect();
        let steep: Vec<u32> = (0..20).map(|n| 1 << n).collect();
        let flat = [vec![1; 40], vec![2; 3], vec![u32::MAX - 1; 50], vec![u32::MAX]].concat();
        let late = [(1..200).collect(), vec![1_000_000, 1_000_001]].concat();
        for starts in [vec![], vec![7], vec![7, 7], even, steep, flat, late] {
            let near =
                starts.iter().flat_map(|at| [at.saturating_sub(1), *at, at.saturating_add(1)]);
            for number in near.chain([0, 6, 7, 8, 500_000, u32::MAX]) {
                let expected = starts.partition_point(|start| *start <= number);
                assert_eq!(first_behind(&starts, number), expected, "{number} in {starts:?}");
            }
        }
    }

    #[test]
    fn changes_with_one_number_of_an_actor_are_found_whichever_of_them_came_first() {
        let mut index = ChangeIndex::new();
        let mut doc = Automerge::new().with_actor(ActorId::from(ACTOR));
        let first = next(&mut index, &mut doc);
        let mut other = doc.fork().with_actor(ActorId::from(ACTOR));
        let mut third = doc.fork().with_actor(ActorId::from(ACTOR));
        let second = next(&mut index, &mut doc);
        assert_eq!(index.forked_at(second), None);
        let other_second = next(&mut index, &mut other);
        // It goes on from what forked away, and is the first of its number.
        let other_third = next(&mut index, &mut other);
        assert_eq!(index.forked_at(other_third), None);
        let own_third = next(&mut index, &mut doc);
        let third_second = next(&mut index, &mut third);
        let seconds = vec![second, other_second, third_second];
        for (change, all) in [
            (first, None),
            (second, Some(seconds.clone())),
            (other_second, Some(seconds.clone())),
            (third_second, Some(seconds)),
            (own_third, Some(vec![other_third, own_third])),
            (other_third, Some(vec![other_third, own_third])),
        ] {
            assert_eq!(index.forked_at(change), all);
        }
        assert_eq!(index.place(own_third), (3, ACTOR));
        index.rekey(&Keys::of(&[7; 32]));
        for change in [first, second, other_second, other_third, own_third, third_second] {
            let hash = ChangeHash(index.hash(change).0);
            assert_eq!(index.number(&hash), Some(change), "whatever it is found by");
        }
    }
}
