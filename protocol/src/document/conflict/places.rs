//! Who wrote every place last, and who edited below what another removed.
//!
//! Fed operation by operation, in causal order. Kept is, for every key and list element, its
//! latest writers: changes of which none has another in its past. Nearly always that is one, in
//! eight bytes. Kept is, too, for every object and counter, who edited below it last and who
//! removed it. The places with several writers or with a lost edit are a set of their own, so
//! whoever looks for conflicts looks at those alone. All of it is a function of the set of
//! changes: latest means maximal in the order of pasts, not last to arrive.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::{ObjType, ScalarValue};

use super::lineage::{Lineage, OpNo};
use super::meaning::FINAL;

/// Where in its object something stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At {
    Key(Arc<str>),
    Element(OpNo),
}

/// A place: of an object, a key or an element.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) object: OpNo,
    pub(super) at: At,
}

/// A change that wrote a place, and the operation of the value it left there, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Writer {
    pub(super) change: u32,
    pub(super) value: Option<OpNo>,
}

/// A change that edited below a value which another removed without knowing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) value: OpNo,
    pub(super) edit: u32,
}

/// A place on which changes may disagree.
#[derive(Debug, Clone, Default)]
pub(super) struct Contest {
    pub(super) writers: Vec<Writer>,
    pub(super) lost: Vec<Lost>,
}

/// What an object or counter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Map,
    List,
    Text,
    Counter,
}

#[derive(Debug)]
struct Held {
    spot: Spot,
    kind: Kind,
    made: u32,
    /// The latest changes that edited it, or anything below it.
    edits: Vec<u32>,
    /// The earliest changes that replaced or deleted it.
    removers: Vec<u32>,
}

/// The places of one document.
#[derive(Debug, Default)]
pub(super) struct Places {
    settled: BTreeMap<Spot, Writer>,
    contested: BTreeMap<Spot, Contest>,
    /// The places on which changes disagreed once.
    met: BTreeSet<Spot>,
    held: BTreeMap<OpNo, Held>,
    /// Which element a later value stands at; a first one stands at its own.
    put_at: BTreeMap<OpNo, OpNo>,
    names: BTreeSet<Arc<str>>,
    /// The objects that were marked final once.
    marked: BTreeSet<OpNo>,
}

impl Places {
    /// The places on which changes may disagree.
    pub(super) fn contested(&self) -> impl Iterator<Item = (&Spot, &Contest)> {
        self.contested.iter()
    }

    /// What changes may disagree on at a place.
    pub(super) fn contest(&self, spot: &Spot) -> Option<&Contest> {
        self.contested.get(spot)
    }

    /// The places on which changes disagree or did once.
    pub(super) fn met(&self) -> impl Iterator<Item = &Spot> {
        self.met.iter()
    }

    /// The objects in which `final` was put once. `SPEC: CFL-12`
    pub(super) fn marked(&self) -> impl Iterator<Item = OpNo> {
        self.marked.iter().copied()
    }

    /// The change that put this value, which is shown at a place.
    pub(super) fn writer_of(&self, spot: &Spot, value: OpNo) -> Option<u32> {
        let contest = self.contested.get(spot).map_or(&[][..], |contest| &contest.writers);
        let writers = || self.settled.get(spot).into_iter().chain(contest);
        let of_value = writers().find(|writer| writer.value == Some(value));
        of_value.or_else(|| writers().next()).map(|writer| writer.change)
    }

    /// Where an object or counter was put.
    pub(super) fn spot_of(&self, object: OpNo) -> Option<&Spot> {
        self.held.get(&object).map(|held| &held.spot)
    }

    /// What an operation made: nothing for a plain value.
    pub(super) fn kind(&self, object: OpNo) -> Option<Kind> {
        if object == OpNo::ROOT {
            return Some(Kind::Map);
        }
        self.held.get(&object).map(|held| held.kind)
    }

    /// The element that a value of a list stands at.
    pub(super) fn element_of(&self, value: OpNo) -> OpNo {
        self.put_at.get(&value).copied().unwrap_or(value)
    }

    /// Takes in one operation of a change. None where it names what no change here has made,
    /// which cannot be in a change that the validator passed.
    pub(super) fn learn(
        &mut self,
        lineage: &Lineage,
        change: u32,
        number: u64,
        op: &Op,
    ) -> Option<()> {
        let find = |id: &OpId| lineage.op(id.counter(), id.actor());
        let own = OpNo { number: u32::try_from(number).ok()?, actor: lineage.actor_of(change) };
        let object = match &op.obj {
            ObjectId::Root => OpNo::ROOT,
            ObjectId::Id(id) => find(id)?,
        };
        self.edit(lineage, change, object);
        if self.kind(object)? == Kind::Text {
            // A letter is no place: it is inserted and deleted, never replaced.
            return Some(());
        }
        let at = match &op.key {
            Key::Map(key) => At::Key(self.name(key)),
            Key::Seq(_) if op.insert => At::Element(own),
            Key::Seq(ElementId::Id(id)) => At::Element(find(id)?),
            Key::Seq(ElementId::Head) => return None,
        };
        let preds = op.pred.iter().map(find).collect::<Option<Vec<_>>>()?;
        let spot = Spot { object, at };
        let kind = match &op.action {
            OpType::Increment(_) => {
                for counter in preds {
                    self.edit(lineage, change, counter);
                }
                return Some(());
            }
            OpType::MarkBegin(_) | OpType::MarkEnd(_) => return Some(()),
            OpType::Delete => {
                self.write(lineage, change, &spot, None, &preds);
                return Some(());
            }
            OpType::Put(ScalarValue::Counter(_)) => Some(Kind::Counter),
            OpType::Put(_) => None,
            OpType::Make(ObjType::Map | ObjType::Table) => Some(Kind::Map),
            OpType::Make(ObjType::List) => Some(Kind::List),
            OpType::Make(ObjType::Text) => Some(Kind::Text),
        };
        if let (At::Element(element), false) = (&spot.at, op.insert) {
            self.put_at.insert(own, *element);
        }
        self.write(lineage, change, &spot, Some(own), &preds);
        if matches!(&spot.at, At::Key(key) if key.as_ref() == FINAL) {
            self.marked.insert(object);
        }
        if let Some(kind) = kind {
            let (edits, removers) = (Vec::new(), Vec::new());
            self.held.insert(own, Held { spot, kind, made: change, edits, removers });
        }
        Some(())
    }

    fn name(&mut self, key: &str) -> Arc<str> {
        if let Some(name) = self.names.get(key) {
            return Arc::clone(name);
        }
        let name: Arc<str> = Arc::from(key);
        self.names.insert(Arc::clone(&name));
        name
    }

    /// A change edits below an object, and so below all above it. `SPEC: CFL-4`
    fn edit(&mut self, lineage: &Lineage, change: u32, mut object: OpNo) {
        // Objects are at most 32 deep, and what this change has edited or made is done already.
        while let Some(held) = self.held.get_mut(&object) {
            if held.made == change || held.edits.last() == Some(&change) {
                return;
            }
            if held.removers.iter().any(|remover| lineage.knows(change, *remover)) {
                // Its author did not see it any more: nobody's work is lost.
                return;
            }
            held.edits.retain(|edit| !lineage.knows(change, *edit));
            held.edits.push(change);
            let above = held.spot.object;
            if !held.removers.is_empty() {
                let spot = held.spot.clone();
                let mut contest = self.take(&spot);
                contest
                    .lost
                    .retain(|lost| lost.value != object || !lineage.knows(change, lost.edit));
                if !contest.writers.iter().any(|writer| writer.change == change) {
                    contest.lost.push(Lost { value: object, edit: change });
                }
                self.keep(spot, contest);
            }
            object = above;
        }
    }

    /// A change puts or deletes at a place. `SPEC: CFL-3, CFL-5`
    fn write(
        &mut self,
        lineage: &Lineage,
        change: u32,
        spot: &Spot,
        value: Option<OpNo>,
        preds: &[OpNo],
    ) {
        if !preds.iter().any(|pred| self.held.contains_key(pred))
            && let Some(last) = self.settled.get_mut(spot)
            && lineage.knows(change, last.change)
        {
            // Who wrote it last was known, and nothing was removed with it.
            *last = Writer { change, value };
            return;
        }
        let mut contest = self.take(spot);
        contest.writers.retain(|writer| !lineage.knows(change, writer.change));
        contest.lost.retain(|lost| !lineage.knows(change, lost.edit));
        contest.writers.push(Writer { change, value });
        for pred in preds {
            let Some(held) = self.held.get_mut(pred) else { continue };
            if !held.removers.iter().any(|remover| lineage.knows(change, *remover)) {
                held.removers.push(change);
            }
            for edit in &held.edits {
                let lost = Lost { value: *pred, edit: *edit };
                let seen = contest.writers.iter().any(|writer| lineage.knows(writer.change, *edit));
                if !seen && !contest.lost.contains(&lost) {
                    contest.lost.push(lost);
                }
            }
        }
        self.keep(spot.clone(), contest);
    }

    fn take(&mut self, spot: &Spot) -> Contest {
        self.contested.remove(spot).unwrap_or_else(|| Contest {
            writers: self.settled.remove(spot).into_iter().collect(),
            lost: Vec::new(),
        })
    }

    fn keep(&mut self, spot: Spot, contest: Contest) {
        match contest.writers[..] {
            [writer] if contest.lost.is_empty() => {
                self.settled.insert(spot, writer);
            }
            _ => {
                self.met.insert(spot.clone());
                self.contested.insert(spot, contest);
            }
        }
    }
}
