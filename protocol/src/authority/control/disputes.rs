//! Rule 3: which revocations count.
//!
//! Override, backdating and the witnesses of a dispute depend on the pasts of its two sides alone,
//! and are found once. Only the voices depend on what is known, and they only add. So of most
//! disputes nothing changes any more, and what a set comes to differs from what all that is here
//! comes to at most where something changed after the numbers that the set holds without a gap:
//! only those are judged again for it.
//!
//! Most pairs of a dispute are heard by nobody else, or always together: these cost a bit. Who the
//! witnesses are is found where somebody heard one without the other. They are members in the
//! intersection of two pasts, a set of smaller numbers whose disputes are known already: so the
//! rule needs no recursion.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{ControlLane, ControlNo, ControlSet};
use crate::authority::bits::BitSet;
use crate::id::DeviceId;

/// All disputes: pairs of concurrent revocations of which at least one overrides the other.
#[derive(Clone, Default, Debug)]
pub(super) struct Disputes {
    /// The revocations that have any.
    disputed: BitSet,
    rivals: BTreeMap<ControlNo, Rivals>,
    /// Of the pairs, the earlier one first, that somebody heard one by one.
    voices: BTreeMap<(ControlNo, ControlNo), Voices>,
    /// The revocations that somebody beside their author heard.
    echoed: BitSet,
    /// When disputes of a revocation changed, as the number of the event by which they did.
    changes: Vec<(ControlNo, ControlNo)>,
    /// The revocations that do not count by all that is here, and those of them that are excluded.
    lost: BitSet,
    excluded: BitSet,
    /// Whose voices were asked for last: of this intersection of pasts, without these parties.
    last: Option<(BitSet, BTreeSet<DeviceId>, Arc<[DeviceId]>)>,
}

/// The disputes of one revocation.
#[derive(Clone, Default, Debug)]
struct Rivals {
    /// With these.
    all: BitSet,
    /// Which override it, and it rests on what their target backdated.
    backdated: BitSet,
    /// These are so backdated to it.
    backdates: BitSet,
    /// With these, voices were heard or are not needed.
    voiced: BitSet,
    /// These are settled before it by all that is here.
    after: BitSet,
}

/// What witnesses said of two revocations.
#[derive(Clone, Debug)]
struct Voices {
    /// Whose voices settle it, sorted.
    witnesses: Arc<[DeviceId]>,
    /// By which event the earlier was settled before the later, and the later before the earlier.
    settled: [Option<ControlNo>; 2],
}

/// What was judged again: these revocations, and which of them do not count.
#[derive(Default)]
struct Again {
    judged: BitSet,
    excluded: BitSet,
    beaten: BitSet,
}

impl Again {
    /// What does not count, where that did not before.
    fn apply(&self, lost: &BitSet) -> BitSet {
        if self.judged.is_empty() {
            return lost.clone();
        }
        let mut lost = lost.difference(&self.judged);
        lost.union_with(&self.excluded);
        lost.union_with(&self.beaten);
        lost
    }
}

impl ControlLane {
    /// The revocations of `among` that do not count; the answer may hold others, too.
    // SPEC: AUTH-7
    pub(super) fn lost(&self, among: &ControlSet) -> BitSet {
        let disputes = &self.disputes;
        let known = among.0.prefix();
        let from = disputes.changes.partition_point(|(at, _)| at.index() < known);
        let changed = disputes.changes.get(from..).unwrap_or(&[]);
        self.judge_again(changed, among).apply(&disputes.lost)
    }

    /// Whether a revocation does not count by all that is here.
    pub(super) fn is_lost_now(&self, r: ControlNo) -> bool {
        self.disputes.lost.contains(r.0)
    }

    /// Judges what these changes can concern: a change of a pair concerns whether one of the two
    /// is excluded, and that whom it beats.
    fn judge_again(&self, changed: &[(ControlNo, ControlNo)], among: &ControlSet) -> Again {
        let mut again = Again::default();
        let rivals = |q: u32| self.disputes.rivals.get(&ControlNo(q));
        for (_, q) in changed {
            again.judged.insert(q.0);
            if let Some(of) = rivals(q.0) {
                again.judged.union_with(&of.backdates);
                again.judged.union_with(&of.voiced);
            }
        }
        let mut known = BTreeMap::new();
        for q in again.judged.clone().iter() {
            let is =
                among.contains(ControlNo(q)) && self.is_excluded(ControlNo(q), among, &mut known);
            if is != self.disputes.excluded.contains(q) {
                rivals(q).into_iter().for_each(|of| again.judged.union_with(&of.voiced));
            }
        }
        for q in again.judged.iter().map(ControlNo).filter(|q| among.contains(*q)) {
            if self.is_excluded(q, among, &mut known) {
                again.excluded.insert(q.0);
            } else if self.is_beaten(q, among, &mut known) {
                again.beaten.insert(q.0);
            }
        }
        again
    }

    fn is_beaten(
        &self,
        q: ControlNo,
        among: &ControlSet,
        excluded: &mut BTreeMap<ControlNo, bool>,
    ) -> bool {
        let (Some(of), Some(over)) = (self.disputes.rivals.get(&q), self.overriders.get(&q)) else {
            return false;
        };
        // Only what is not excluded as backdated beats.
        over.only(&of.after, &BitSet::new()).map(ControlNo).any(|r| {
            among.contains(r)
                && self.settled(r, q, among)
                && !self.settled(q, r, among)
                && !self.is_excluded(r, among, excluded)
        })
    }

    fn is_excluded(
        &self,
        q: ControlNo,
        among: &ControlSet,
        known: &mut BTreeMap<ControlNo, bool>,
    ) -> bool {
        let Some(of) = self.disputes.rivals.get(&q).filter(|of| !of.backdated.is_empty()) else {
            return false;
        };
        *known.entry(q).or_insert_with(|| {
            of.backdated.only(&among.0, &of.voiced).next().is_some()
                || of
                    .backdated
                    .intersection(&of.voiced)
                    .iter()
                    .map(ControlNo)
                    .any(|r| among.contains(r) && !self.settled(q, r, among))
        })
    }

    /// Whether more than half of the witnesses heard `first` and, with the same event, not `then`.
    /// Where one of the two carries the recovery signature, nobody is asked.
    // SPEC: AUTH-9
    fn settled(&self, first: ControlNo, then: ControlNo, among: &ControlSet) -> bool {
        if self.is_by_recovery(first) || self.is_by_recovery(then) {
            return self.is_by_recovery(first);
        }
        let pair = (first.min(then), first.max(then));
        let Some(voices) = self.disputes.voices.get(&pair) else {
            return false;
        };
        let [earlier, later] = voices.settled;
        match if first < then { earlier } else { later } {
            // Not by all that is here, so not by less.
            None => false,
            Some(by) if by.index() < among.0.prefix() => true,
            Some(_) => self.has_majority(&voices.witnesses, first, then, among),
        }
    }

    fn has_majority(
        &self,
        witnesses: &[DeviceId],
        first: ControlNo,
        then: ControlNo,
        among: &ControlSet,
    ) -> bool {
        let said = witnesses.iter().filter(|d| self.has_voice(d, first, then, among));
        said.take(witnesses.len() / 2 + 1).count() * 2 > witnesses.len()
    }

    fn is_by_recovery(&self, r: ControlNo) -> bool {
        self.at(r).fact.is_by_recovery()
    }

    /// Takes in what the new event `no` says to disputes: its own, if it is a revocation, and of
    /// those of others that it heard since `prev`, the one before it in its branch. Gives the
    /// revocations that may count now and did not, or the other way round.
    pub(super) fn note_disputes(
        &mut self,
        no: ControlNo,
        prev: Option<ControlNo>,
        overridden: &BitSet,
    ) -> BitSet {
        let from = self.disputes.changes.len();
        if self.target(no).is_some() {
            self.open_disputes(no, overridden);
        }
        self.hear(no, prev);
        let changed = self.disputes.changes.get(from..).unwrap_or(&[]).to_vec();
        if changed.is_empty() {
            return BitSet::new();
        }
        let again = self.judge_again(&changed, &self.all);
        let disputes = &mut self.disputes;
        disputes.lost = again.apply(&disputes.lost);
        disputes.excluded = disputes.excluded.difference(&again.judged);
        disputes.excluded.union_with(&again.excluded);
        again.judged
    }

    /// Finds the disputes of the new revocation `r`, which overrides these, with earlier ones.
    fn open_disputes(&mut self, r: ControlNo, overridden: &BitSet) {
        let over = self.overriders.get(&r).cloned().unwrap_or_default();
        let mut all = overridden.clone();
        all.union_with(&over);
        if all.is_empty() {
            return;
        }
        let mut own = Rivals { all: all.clone(), ..Rivals::default() };
        for q in all.iter().map(ControlNo) {
            let backdated = overridden.contains(q.0) && self.backdated(q, r);
            let backdates = over.contains(q.0) && self.backdated(r, q);
            let theirs = self.disputes.rivals.entry(q).or_default();
            theirs.all.insert(r.0);
            if backdated {
                theirs.backdated.insert(r.0);
                own.backdates.insert(q.0);
            }
            if backdates {
                theirs.backdates.insert(r.0);
                own.backdated.insert(q.0);
            }
        }
        self.disputes.disputed.union_with(&all);
        self.disputes.disputed.insert(r.0);
        self.disputes.rivals.insert(r, own);
        self.disputes.changes.push((r, r));
        let recovery = self.is_by_recovery(r);
        for q in all.iter().map(ControlNo) {
            if recovery || self.is_by_recovery(q) || self.disputes.echoed.contains(q.0) {
                self.ask(q, r, r);
            }
        }
    }

    /// The new event is a voice where it is the first of its branch that heard one of two.
    fn hear(&mut self, no: ControlNo, prev: Option<ControlNo>) {
        let nothing = BitSet::new();
        let before = prev.map_or(&nothing, |prev| &self.at(prev).past.0);
        let event = self.at(no);
        let heard: Vec<ControlNo> = self
            .revoking
            .only(&event.past.0, before)
            .map(ControlNo)
            .filter(|&r| self.at(r).author != event.author)
            .collect();
        if heard.is_empty() {
            return;
        }
        let news: BitSet = heard.iter().map(|r| r.0).collect();
        let mut unheard = self.disputes.disputed.difference(&event.past.0);
        unheard.remove(no.0);
        for q in unheard.iter().map(ControlNo) {
            let of = self.disputes.rivals.get(&q).map(|of| of.all.intersection(&news));
            for r in of.iter().flat_map(BitSet::iter).map(ControlNo) {
                self.ask(r, q, no);
            }
        }
        self.disputes.echoed.union_with(&news);
    }

    /// Finds whether two revocations are settled by what the event `by` makes known.
    fn ask(&mut self, a: ControlNo, b: ControlNo, by: ControlNo) {
        let pair = (a.min(b), a.max(b));
        let known = self.disputes.voices.get(&pair).cloned();
        let is_new = known.is_none();
        let mut voices = known.unwrap_or_else(|| Voices {
            witnesses: self.witnesses(pair.0, pair.1),
            settled: [None, None],
        });
        let author = &self.at(by).author;
        if !is_new && voices.witnesses.binary_search(author).is_err() {
            return;
        }
        let mut settles = false;
        let ways = [(pair.0, pair.1), (pair.1, pair.0)];
        let recovered = ways.map(|(first, _)| self.is_by_recovery(first));
        for (at, (first, then)) in ways.into_iter().enumerate() {
            // Where one is a recovery, nobody is asked, and that is so from the beginning.
            let asked = recovered == [false, false];
            let Some(settled) = voices.settled.get_mut(at).filter(|by| by.is_none()) else {
                continue;
            };
            let is = match asked {
                true => self.has_majority(&voices.witnesses, first, then, &self.all),
                false => self.is_by_recovery(first),
            };
            if is {
                *settled = Some(by);
                settles |= asked;
                if let Some(rivals) = self.disputes.rivals.get_mut(&then) {
                    rivals.after.insert(first.0);
                }
            }
        }
        if is_new {
            for (of, with) in ways {
                if let Some(rivals) = self.disputes.rivals.get_mut(&of) {
                    rivals.voiced.insert(with.0);
                }
            }
        }
        let last = self.disputes.changes.last();
        if settles && last != Some(&(by, pair.1)) {
            self.disputes.changes.push((by, pair.1));
        }
        if is_new || settles {
            self.disputes.voices.insert(pair, voices);
        }
    }

    /// The members in both pasts, but for the authors and for whom one side removes by overriding
    /// the other, sorted. Neighbours mostly have the same; they are kept once.
    // SPEC: AUTH-9
    fn witnesses(&mut self, a: ControlNo, b: ControlNo) -> Arc<[DeviceId]> {
        let meet = self.at(a).past.0.intersection(&self.at(b).past.0);
        let mut parties: BTreeSet<DeviceId> = [a, b].map(|r| self.at(r).author).into();
        for (r, q) in [(a, b), (b, a)] {
            if self.overrides(r, q) {
                parties.extend(self.target(r));
            }
        }
        if let Some((last_meet, last_parties, witnesses)) = &self.disputes.last
            && *last_meet == meet
            && *last_parties == parties
        {
            return Arc::clone(witnesses);
        }
        let members = self.members(&ControlSet(Arc::new(meet.clone())));
        let witnesses: Arc<[DeviceId]> =
            members.into_keys().filter(|d| !parties.contains(d)).collect();
        self.disputes.last = Some((meet, parties, Arc::clone(&witnesses)));
        witnesses
    }
}
