//! The content lane: which events are admitted, rule 6.
//!
//! For each event the lane keeps what its author had *not* admitted of its past (`excluded`), a
//! set that is nearly always empty: View(e) is e and its past without it. This depends on what e
//! heard, never on what became known later, so only the arrival of an event that a cut names makes
//! it be found anew. What is admitted by all that is known is kept up to date event by event, and
//! judged anew when the control lane changes. What its past says can never be admitted does not go
//! in.
//!
//! `content/chain.rs` keeps chains, ancestry and cuts, `content/view.rs` the rule.

mod chain;
mod lines;
mod plain;
mod reach;
mod tips;
mod view;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::authority::bits::BitSet;
use crate::authority::control::{ControlLane, ControlSet, Refusal, Standing};
use crate::id::{DeviceId, EventId};
use crate::index::{Keys, Numbers};
use crate::role::Role;

use chain::{Chains, Cuts, Place};
use plain::Plain;
pub use reach::Reach;

/// A content event of one lane: its dense number, in order of insertion.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ContentNo(u32);

impl ContentNo {
    /// The number as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The event of a number, for tests of what is kept by number.
    #[cfg(test)]
    pub(crate) fn numbered(number: u32) -> Self {
        Self(number)
    }
}

/// What an insertion did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Added {
    /// The event's number.
    pub no: ContentNo,
    /// What is admitted now and was not before, by number: usually the event itself.
    pub newly_admitted: Vec<ContentNo>,
    /// Views of earlier events may have grown, since a cut named this event.
    pub views_grew: bool,
}

/// What a change of the control lane did.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Rejudged {
    /// What is admitted now and was not before, by number.
    pub admitted: Vec<ContentNo>,
    /// What was admitted before and is not now, by number.
    pub fallen: Vec<ContentNo>,
}

/// The lowest role that writes content.
// SPEC: AUTH-14
const WRITES: Role = Role::Runner;

/// The number of a set of control events that content events heard.
type SetNo = u32;

/// The ids of content events, by number and back.
type Ids = Numbers<EventId>;

#[derive(Clone, Debug)]
struct Event {
    author: DeviceId,
    prev: Option<ContentNo>,
    parents: Vec<ContentNo>,
    /// All control events that it or a content ancestor heard.
    heard: SetNo,
    place: Place,
    /// Its past without its View.
    excluded: Arc<BitSet>,
    firm: bool,
    admitted: bool,
}

impl Event {
    /// The direct ancestors.
    fn before(&self) -> impl Iterator<Item = ContentNo> + '_ {
        self.prev.into_iter().chain(self.parents.iter().copied())
    }
}

/// The content events of one workspace that are here, and which of them are admitted.
#[derive(Clone, Default, Debug)]
pub struct ContentLane {
    events: Vec<Event>,
    numbers: Ids,
    written: BTreeMap<DeviceId, Vec<ContentNo>>,
    /// The last events of the chains of each author.
    ends: BTreeMap<DeviceId, BTreeSet<ContentNo>>,
    chains: Chains,
    cuts: Cuts,
    sets: Vec<ControlSet>,
    set_numbers: BTreeMap<ControlSet, SetNo>,
    /// What the control lane held at the last `control_changed`.
    now: SetNo,
    /// Some event heard a control event that is not in `now`.
    ahead: bool,
    heads: BTreeSet<ContentNo>,
    /// How often all events were judged anew.
    rejudged: u64,
    /// By author, what an event of the author heard, and what is known: how the author may stand.
    standings: RefCell<BTreeMap<(DeviceId, SetNo, SetNo), Arc<Standing>>>,
    /// Of each author that was asked for: see `tips.rs`.
    admitted_tips: RefCell<BTreeMap<DeviceId, BTreeSet<ContentNo>>>,
    /// Excluded nothing.
    nothing: Arc<BitSet>,
    /// Of the newest event, where what follows it comes to the same.
    plain: Option<Plain>,
    /// How many events came to what the one before them came to.
    followed: u64,
}

fn number_of(numbers: &Ids, id: &EventId) -> Option<ContentNo> {
    numbers.get(id).map(ContentNo)
}

impl ContentLane {
    /// An empty lane.
    pub fn new() -> Self {
        Self::default()
    }

    /// Finds events under these keys from here on.
    pub(crate) fn rekey(&mut self, keys: &Keys) {
        self.numbers.rekey(keys.clone());
    }

    /// Inserts an event, after its prev, its parents and what it heard; else names the first of
    /// them that is not here. What no set of events can admit is refused, and nothing is changed
    /// then; a known id changes nothing. It is judged by the control lane of the last
    /// `control_changed`, so that comes first when control events were added.
    pub fn add(
        &mut self,
        control: &ControlLane,
        id: EventId,
        author: DeviceId,
        prev: Option<EventId>,
        parents: &[EventId],
        heard: &[EventId],
    ) -> Result<Added, Refusal> {
        if let Some(plain) = self.plain.take() {
            let follows = self.follow(plain, control, (id, author), (prev, parents, heard));
            if let Some(added) = follows {
                return Ok(added);
            }
        }
        if let Some(no) = self.number(&id) {
            return Ok(Added { no, newly_admitted: Vec::new(), views_grew: false });
        }
        let find = |id: &EventId| self.number(id).ok_or(Refusal::Missing(*id));
        let prev = prev.as_ref().map(find).transpose()?;
        let parents = parents.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let as_before = self.heard_before(control, heard, prev, &parents)?;
        let said = heard;
        let heard = match as_before {
            Some(before) => self.set(before),
            None => {
                let heard = control.set_of(heard).map_err(Refusal::Missing)?;
                self.closure(control, heard, prev, &parents)
            }
        };
        // What is refused must not depend on what else is here, so a grant counts by being there:
        // whether it takes effect differs from set to set.
        // SPEC: AUTH-20
        if !control.has_grant(&author, WRITES, &heard) {
            return Err(Refusal::NotMember);
        }
        self.ahead |= !heard.is_subset(&self.set(self.now));
        let heard = as_before.unwrap_or_else(|| self.intern(heard));
        self.cuts.learn(control, &self.chains, &self.numbers);

        let no = ContentNo(u32::try_from(self.events.len()).unwrap_or(u32::MAX));
        let own = prev.filter(|&p| self.at(p).author == author);
        let place = self.chains.place(author, own, prev.into_iter().chain(parents.iter().copied()));
        self.numbers.push(id);
        self.written.entry(author).or_default().push(no);
        let ends = self.ends.entry(author).or_default();
        if let Some(own) = own {
            ends.remove(&own);
        }
        ends.insert(no);
        let excluded = Arc::clone(&self.nothing);
        let event =
            Event { author, prev, parents, heard, place, excluded, firm: false, admitted: false };
        self.events.push(event);
        if self.cuts.arrived(control, &self.chains, &self.numbers, id) {
            let newly_admitted = self.rejudge_views(control);
            return Ok(Added { no, newly_admitted, views_grew: true });
        }
        let excluded = self.find_excluded(control, no);
        self.at_mut(no).excluded = excluded;
        let newly_admitted = self.judge_new(control, no);
        self.note_plain(control, no, said);
        Ok(Added { no, newly_admitted, views_grew: false })
    }

    /// Judges everything by the control lane as it is now. To be called after control events were
    /// added; linear in the number of content events, unless nothing changed for them.
    pub fn control_changed(&mut self, control: &ControlLane) -> Rejudged {
        self.plain = None;
        self.cuts.learn(control, &self.chains, &self.numbers);
        let all = control.all();
        let before = self.set(self.now);
        let alike = !self.ahead && control.alike(&before, &all);
        self.now = self.intern(all);
        if alike {
            return Rejudged::default();
        }
        self.ahead = false;
        self.rejudge(control)
    }

    /// What its direct ancestors heard, where that is one set and what an event heard is in it: so
    /// it is of nearly all events. A set holds the past of all that it holds.
    fn heard_before(
        &self,
        control: &ControlLane,
        heard: &[EventId],
        prev: Option<ContentNo>,
        parents: &[ContentNo],
    ) -> Result<Option<SetNo>, Refusal> {
        let mut before = prev.into_iter().chain(parents.iter().copied()).map(|p| self.at(p).heard);
        let Some(first) = before.next().filter(|first| before.all(|set| set == *first)) else {
            return Ok(None);
        };
        let (set, mut is_inside) = (self.set(first), true);
        for id in heard {
            is_inside &= set.contains(control.number(id).ok_or(Refusal::Missing(*id))?);
        }
        Ok(is_inside.then_some(first))
    }

    /// What an event heard, with what its direct ancestors heard.
    // SPEC: AUTH-15
    fn closure(
        &self,
        control: &ControlLane,
        heard: ControlSet,
        prev: Option<ContentNo>,
        parents: &[ContentNo],
    ) -> ControlSet {
        let mut set = heard;
        for p in prev.into_iter().chain(parents.iter().copied()) {
            set = control.union(&self.set(self.at(p).heard), &set);
        }
        set
    }

    fn intern(&mut self, set: ControlSet) -> SetNo {
        if let Some(&no) = self.set_numbers.get(&set) {
            return no;
        }
        // Number 0 is the empty set, which `now` is at first.
        if self.sets.is_empty() {
            self.sets.push(ControlSet::default());
            self.set_numbers.insert(ControlSet::default(), 0);
            return self.intern(set);
        }
        let no = SetNo::try_from(self.sets.len()).unwrap_or(SetNo::MAX);
        self.sets.push(set.clone());
        self.set_numbers.insert(set, no);
        no
    }

    fn set(&self, no: SetNo) -> ControlSet {
        self.sets.get(no as usize).cloned().unwrap_or_default()
    }

    /// The event of a number. Numbers are made by this lane only, so it is there.
    fn at(&self, no: ContentNo) -> &Event {
        &self.events[no.index()]
    }

    fn at_mut(&mut self, no: ContentNo) -> &mut Event {
        &mut self.events[no.index()]
    }

    /// Whether an event is admitted by what is known.
    // SPEC: AUTH-17
    pub fn is_admitted(&self, no: ContentNo) -> bool {
        self.at(no).admitted
    }

    /// How often events that were here were judged anew: as long as it is the same, what was firm
    /// is firm, and what was not is not.
    #[must_use]
    pub fn rejudged(&self) -> u64 {
        self.rejudged
    }

    /// How many events were not judged when they came, since they come to what the newest one
    /// came to, which they follow.
    #[must_use]
    pub fn followed(&self) -> u64 {
        self.followed
    }

    /// Whether an event is firm by what is known.
    // SPEC: AUTH-14
    pub fn is_firm(&self, no: ContentNo) -> bool {
        self.at(no).firm
    }

    /// The role in which an event's author stands for it by what is known; none unless firm.
    pub fn role(&self, control: &ControlLane, no: ContentNo) -> Option<Role> {
        self.standing_in(control, no, self.now)
    }

    /// The number of an event, if it is here.
    pub fn number(&self, id: &EventId) -> Option<ContentNo> {
        number_of(&self.numbers, id)
    }

    /// The id of an event.
    pub fn id(&self, no: ContentNo) -> EventId {
        self.numbers.ids()[no.index()]
    }

    /// Who wrote an event.
    pub fn author(&self, no: ContentNo) -> DeviceId {
        self.at(no).author
    }

    /// The event before it in its chain.
    pub fn prev(&self, no: ContentNo) -> Option<ContentNo> {
        self.at(no).prev
    }

    /// The heads of other chains that it names.
    pub fn parents(&self, no: ContentNo) -> &[ContentNo] {
        &self.at(no).parents
    }

    /// All events, by number.
    pub fn all(&self) -> impl Iterator<Item = ContentNo> + use<> {
        (0..u32::try_from(self.events.len()).unwrap_or(u32::MAX)).map(ContentNo)
    }

    /// How many events are here.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether no event is here.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The control events that an event or a content ancestor of it heard.
    pub fn heard_set(&self, no: ContentNo) -> ControlSet {
        self.set(self.at(no).heard)
    }

    /// Whether `x` is in the past of `of`.
    pub fn in_past(&self, of: ContentNo, x: ContentNo) -> bool {
        x < of && self.at(of).place.covers(&self.at(x).place)
    }

    /// Whether `x` is in View(`of`): it is `of`, or its author had admitted it when it wrote.
    // SPEC: AUTH-16
    pub fn in_view(&self, of: ContentNo, x: ContentNo) -> bool {
        x == of || (self.in_past(of, x) && !self.at(of).excluded.contains(x.0))
    }

    /// The admitted events that are in no other admitted event's past, sorted by id.
    pub fn admitted_heads(&self) -> Vec<EventId> {
        let mut heads: Vec<EventId> = self.heads.iter().map(|&no| self.id(no)).collect();
        heads.sort_unstable();
        heads
    }

    /// Whether an event that is written now has this one in its past.
    pub fn is_under_heads(&self, no: ContentNo) -> bool {
        self.heads.iter().any(|&head| head == no || self.in_past(head, no))
    }

    /// The last events of the chains of `author`, admitted or not: each other one of them is an
    /// ancestor of one by prev. Sorted by id.
    pub fn tips_of(&self, author: &DeviceId) -> Vec<EventId> {
        let ends = self.ends.get(author).into_iter().flatten();
        let mut tips: Vec<EventId> = ends.map(|&no| self.id(no)).collect();
        tips.sort_unstable();
        tips
    }

    /// The events that a counting revocation's cut names, or a readmission in effect, and that are
    /// not here, sorted by id.
    // SPEC: AUTH-13
    pub fn missing_cuts(&self, control: &ControlLane) -> Vec<EventId> {
        self.cuts.missing(control)
    }
}
