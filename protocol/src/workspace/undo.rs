//! Taking back: what an event did that can be undone, which events were, and which is next.
//!
//! An event that takes another back is an event like any other: it can be taken back itself, and
//! then what it took back stands again. `SPEC: UNDO-1, UNDO-4`

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{NewMember, Workspace};
use crate::authority::{ContentNo, ControlFact, ControlNo};
use crate::document::Reversal;
use crate::document::conflict::PutBack;
use crate::effect::{ChangeNo, Effect};
use crate::id::{ChangeHash, DeviceId, DocumentId, EventId};

/// The rule that a grant names which takes a revocation back.
pub(super) const UNDO_RULE: &str = "undo";
/// What a revocation says that takes a grant back.
pub const UNDO_REASON: &str = "undo";

/// What there is besides is not taken back.
const ALONE: &str = "only edits, resolutions, grants and revocations are taken back";
/// Nor what brought back what was kept apart: it adds to what counts, and others build on that.
const READMITTED: &str =
    "it brought back what was kept apart; `kern strike EVENT` of what came back takes that out";

/// Nor what struck events: they come back by name.
const STRUCK: &str = "it struck events; `kern readmit --event EVENT` brings one of them back";

/// Its number is taken by what more built on. `SPEC: PRJ-4`
const LEFT_OUT: &str =
    "its device forked, and it is left out of the document: `kern quarantine show EVENT` shows it";

/// Events that were taken back, and the events that did.
pub(super) type Undone = BTreeMap<ContentNo, ContentNo>;
/// The same, and of what it was found: how many undos, content and control events, and strikes.
pub(super) type KeptUndone = RefCell<Option<(([usize; 3], u64), Arc<Undone>)>>;

/// What an event did that can be taken back.
#[derive(Debug, Clone, PartialEq)]
pub enum Undoable {
    /// It changed documents.
    Change(BTreeMap<DocumentId, ChangeHash>),
    /// It gave a device a role, which stands.
    Grant(DeviceId),
    /// It took a device out, which is no member since: as what it would come back.
    Revoke(Box<NewMember>),
}

impl Workspace {
    /// What of an event can be taken back; or why nothing can, for people.
    pub fn undoable(&self, id: &EventId) -> Result<Undoable, String> {
        match self.control.number(id) {
            Some(no) => self.undoable_control(no),
            None => self.undoable_content(id).map_err(str::to_owned),
        }
    }

    fn undoable_content(&self, id: &EventId) -> Result<Undoable, &'static str> {
        let no = self.content.number(id).ok_or("it is not here")?;
        match self.effects.of(no) {
            Effect::Change(_) if !self.counts(no) => Err("it has no effect"),
            Effect::Change(changes) if self.is_left_out(changes) => Err(LEFT_OUT),
            Effect::Change(changes) => {
                // What makes a branch changes nothing that is shown: its link does.
                let makes = |change: ChangeNo| {
                    let document = self.effects.document_id(self.effects.document_of(change));
                    self.origin(&document).is_some() && self.effects.begins(change)
                };
                let changes = changes.iter().filter(|of| !makes(**of));
                Ok(Undoable::Change(changes.map(|change| self.effects.name(*change)).collect()))
            }
            Effect::Void(_) => Err("it has no effect"),
            Effect::Unread => Err("it cannot be read here"),
            _ => Err(ALONE),
        }
    }

    /// Does an event take another back, with effect?
    #[must_use]
    pub fn is_undo(&self, id: &EventId) -> bool {
        self.content.number(id).is_some_and(|no| self.effects.undoes(no).is_some())
    }

    /// Does an event merge a branch?
    #[must_use]
    pub fn merges(&self, id: &EventId) -> bool {
        let Some(Effect::Change(changes)) = self.content.number(id).map(|no| self.effects.of(no))
        else {
            return false;
        };
        let joins = |change: &ChangeNo| {
            let of = self.effects.document_of(*change);
            !self.effects.begins(*change) && self.effects.joined(of, *change).next().is_some()
        };
        changes.iter().any(joins)
    }

    /// The last event of a device that can be taken back and was not, and takes nothing back
    /// itself: before `before`, if that is given.
    #[must_use]
    pub fn last_undoable(&self, own: &DeviceId, before: Option<&EventId>) -> Option<EventId> {
        let from = before.and_then(|id| self.position(id)).map_or(self.order.len(), |(_, at)| at);
        let undone = self.undone();
        let is_undo = |id: &EventId| {
            let of_content = self
                .content
                .number(id)
                .is_some_and(|no| self.effects.undoes(no).is_some() || undone.contains_key(&no));
            // Who came in by a standing invitation is not put out by accident.
            of_content || self.undoing.contains(id) || self.let_in.has(id)
        };
        let candidates = self.order.ids().iter().take(from).rev().filter(|id| {
            self.header(id).is_some_and(|header| header.author == *own) && !is_undo(id)
        });
        candidates.copied().find(|id| self.undoable(id).is_ok())
    }

    /// The last strike or readmission of a device that comes after one of its events and of which
    /// something holds still, and how that is taken back: no undo does.
    #[must_use]
    pub fn later_order(&self, own: &DeviceId, than: &EventId) -> Option<(EventId, String)> {
        let later = self.order.ids().iter().rev().take_while(|id| *id != than);
        let own = later.filter(|id| self.header(id).is_some_and(|header| header.author == *own));
        own.copied().find_map(|id| Some((id, self.way_back(self.control.number(&id)?)?)))
    }

    /// How a strike or readmission is taken back, where something of it holds still.
    fn way_back(&self, no: ControlNo) -> Option<String> {
        match self.control.fact(no) {
            ControlFact::Strike { events, .. } => {
                let out = events.iter().find(|id| self.is_struck(id))?.short();
                Some(match events.len() {
                    1 => format!("it struck an event: `kern readmit --event {out}` brings it back"),
                    many => format!(
                        "it struck {many} events: `kern readmit --event {out}` brings one back"
                    ),
                })
            }
            ControlFact::Readmit { tips, .. } => {
                let is_back =
                    |id: &&EventId| self.content.number(id).is_some_and(|no| self.counts(no));
                let back = tips.iter().find(is_back)?.short();
                Some(format!(
                    "it brought back what was kept apart: `kern strike {back}` takes it out"
                ))
            }
            _ => None,
        }
    }

    /// The changes of a document's family that take others back, and those: of several that put
    /// the sides of a conflict again each is one, and whose those sides are is seen there. A merge
    /// brings such changes to another document than that in which they were made.
    /// `SPEC: UNDO-2, BRA-4`
    #[must_use]
    pub fn put_back(&self, document: &DocumentId) -> PutBack {
        let mut put_back = PutBack::new();
        let Some(family) = self.effects.document_number(document) else { return put_back };
        let family = self.effects.family(family);
        let mut undos: BTreeMap<ContentNo, Vec<ContentNo>> = BTreeMap::new();
        for (undo, of) in self.effects.undos().filter(|(undo, _)| self.counts(*undo)) {
            undos.entry(of).or_default().push(undo);
        }
        let changes = |no: ContentNo| -> Vec<ChangeNo> {
            let Effect::Change(changes) = self.effects.of(no) else { return Vec::new() };
            changes.iter().copied().filter(|change| change.family() == family).collect()
        };
        let mut undos: Vec<_> = undos.iter().collect();
        // A change that undos of two events carry is of that with the lowest id, on every device.
        undos.sort_by_key(|(of, undos)| (undos.len() > 1, Reverse(self.content.id(**of))));
        for (of, undos) in undos {
            let by_one = undos.len() == 1;
            let by: Vec<_> = undos.iter().flat_map(|undo| changes(*undo)).collect();
            for of in changes(*of) {
                let place = self.effects.document_of(of);
                let (document, change) = self.effects.name(of);
                let joined = self.joined(&document, &change);
                let reversal = Reversal { change, joined, by_one };
                let of_it = by.iter().filter(|by| self.effects.document_of(**by) == place);
                let named = of_it.map(|by| (self.effects.hash(*by), reversal.clone()));
                put_back.extend(named);
            }
        }
        put_back
    }

    /// The event that took this one back: one that counts and was not taken back itself.
    pub(super) fn undone_by(&self, no: ContentNo) -> Option<ContentNo> {
        self.undone().get(&no).copied()
    }

    /// What was taken back, and by what: of several the one with the lowest id. It is kept while
    /// nothing comes that could change it.
    pub(super) fn undone(&self) -> Arc<Undone> {
        let undos = self.effects.undos().len();
        let of = ([undos, self.content.len(), self.control.len()], self.strikes_version());
        let mut kept = self.undone.borrow_mut();
        if let Some((_, undone)) = kept.as_ref().filter(|(kept, _)| *kept == of) {
            return Arc::clone(undone);
        }
        let mut undone = Undone::new();
        // What takes an undo back came after it.
        for (undo, of) in self.effects.undos().rev() {
            if self.counts(undo) && !undone.contains_key(&undo) {
                let first = undone.entry(of).or_insert(undo);
                if self.content.id(undo) < self.content.id(*first) {
                    *first = undo;
                }
            }
        }
        let undone = Arc::new(undone);
        *kept = Some((of, Arc::clone(&undone)));
        undone
    }

    /// The undo with effect that takes an event back. `SPEC: UNDO-4`
    #[must_use]
    pub fn taken_back_by(&self, event: &EventId) -> Option<EventId> {
        let undo = self.undone_by(self.content.number(event)?)?;
        Some(self.content.id(undo))
    }

    /// Does an event of the content lane count, and do documents hold what it carries?
    #[must_use]
    pub fn has_effect(&self, event: &EventId) -> bool {
        let stands = |no: ContentNo| match self.effects.of(no) {
            Effect::Change(changes) => !changes.iter().any(|of| self.left_out.contains(of)),
            _ => true,
        };
        self.content.number(event).is_some_and(|no| self.counts(no) && stands(no))
    }

    /// All that take an event back, with effect, by id: several where each put one side of a
    /// conflict again, or where devices did so apart.
    #[must_use]
    pub fn undos_of(&self, event: &EventId) -> Vec<EventId> {
        let Some(no) = self.content.number(event) else { return Vec::new() };
        let stands = |undo: &ContentNo| self.counts(*undo) && self.undone_by(*undo).is_none();
        let of_it = self.effects.undos().filter(|(_, of)| *of == no).map(|(undo, _)| undo);
        let mut undos: Vec<_> = of_it.filter(stands).map(|undo| self.content.id(undo)).collect();
        undos.sort_unstable();
        undos
    }

    /// Is one event in the past of another?
    #[must_use]
    pub fn is_past_of(&self, past: &EventId, event: &EventId) -> bool {
        let numbers = self.content.number(past).zip(self.content.number(event));
        numbers.is_some_and(|(past, event)| self.content.in_past(event, past))
    }

    /// Did an event fall with what an undo took back, which counts and was not taken back itself?
    /// It did where it came after that, and that takes nothing back: what came before a resolution,
    /// or apart from an edit, does not fall with it. `SPEC: UNDO-4`
    #[must_use]
    pub fn fell_with(&self, fallen: &EventId, undo: &EventId) -> bool {
        let (Some(fallen), Some(undo)) = (self.content.number(fallen), self.content.number(undo))
        else {
            return false;
        };
        self.effects.undoes(undo).is_some_and(|of| {
            let stands = self.counts(undo) && self.undone_by(undo).is_none();
            stands && self.effects.undoes(of).is_none() && self.content.in_past(fallen, of)
        })
    }

    /// The changes of events that take others back, with effect, and of those that were taken back.
    #[must_use]
    pub fn changes_of_undos(&self) -> BTreeSet<ChangeHash> {
        let undone = self.undone();
        let undos = self.effects.undos().map(|(undo, _)| undo).filter(|undo| self.counts(*undo));
        let changes =
            undos.chain(undone.keys().copied()).filter_map(|no| match self.effects.of(no) {
                Effect::Change(changes) => {
                    Some(changes.iter().map(|change| self.effects.hash(*change)))
                }
                _ => None,
            });
        changes.flatten().collect()
    }

    /// The changes of events that were taken back, and of what took back those that take nothing
    /// back themselves: between them nothing is decided. `SPEC: PAST-3`
    #[must_use]
    pub fn changes_undone(&self) -> BTreeSet<ChangeHash> {
        let undone = self.undone();
        let is_back = |(undo, of): &(ContentNo, ContentNo)| {
            self.counts(*undo) && undone.contains_key(of) && self.effects.undoes(*of).is_none()
        };
        let took = self.effects.undos().filter(is_back).map(|(undo, _)| undo);
        let mut changes = BTreeSet::new();
        for no in took.chain(undone.keys().copied()) {
            if let Effect::Change(of) = self.effects.of(no) {
                changes.extend(of.iter().map(|change| self.effects.hash(*change)));
            }
        }
        changes
    }

    /// Was anything that a device did taken back? That it took back what others did says nothing.
    #[must_use]
    pub fn was_undone(&self, own: &DeviceId) -> bool {
        let undone = self.undone();
        let was_undone = |id: &EventId| {
            let of_content = self.content.number(id).is_some_and(|no| undone.contains_key(&no));
            // Of a grant and a revocation what took it back is known, which it wrote itself.
            of_content || self.undoing.contains(id)
        };
        let is_own = |id: &EventId| self.header(id).is_some_and(|header| header.author == *own);
        self.order(0).any(|id| is_own(id) && was_undone(id))
    }

    fn undoable_control(&self, no: ControlNo) -> Result<Undoable, String> {
        let all = self.control.all();
        let role_now = |device| self.control.present_members().get(device).copied();
        match self.control.fact(no) {
            ControlFact::Grant { device, role } if role_now(device) == Some(*role) => {
                // What a revocation ended that it did not hear gives no role any more.
                let ended = self.control.revocations_of(device, &all);
                let is_heard = |no: ControlNo| {
                    let past = self.control.past(no);
                    ended.iter().all(|revocation| past.contains(*revocation))
                };
                let is_grant = |no: &ControlNo| match self.control.fact(*no) {
                    ControlFact::Grant { device: to, .. } => to == device && is_heard(*no),
                    _ => false,
                };
                let grants: Vec<_> = all.iter().filter(is_grant).collect();
                let by = self.control.those_in_effect(&grants, &all);
                match by.iter().find(|by| **by != no) {
                    None if by.contains(&no) => Ok(Undoable::Grant(*device)),
                    None => Err("it has no effect".to_owned()),
                    Some(other) => {
                        let other = self.control.id(*other).short();
                        Err(format!("the device has its role by grant {other} too"))
                    }
                }
            }
            ControlFact::Grant { .. } => {
                Err("the role that it gave does not stand any more".to_owned())
            }
            ControlFact::Revoke { .. } if !self.control.in_effect(no, &all) => {
                Err("it has no effect".to_owned())
            }
            ControlFact::Revoke { target, .. } if role_now(target).is_some() => {
                Err("the device is a member again".to_owned())
            }
            ControlFact::Revoke { target, .. } => {
                let role = self.control.role(target, self.control.past(no));
                let role = role.ok_or("that device was no member then")?;
                let sealing = *self.sealing.get(target).ok_or("its sealing key is not known")?;
                let rule = UNDO_RULE.to_owned();
                Ok(Undoable::Revoke(Box::new(NewMember { device: *target, sealing, role, rule })))
            }
            ControlFact::Readmit { .. } => Err(READMITTED.to_owned()),
            ControlFact::Strike { .. } => Err(STRUCK.to_owned()),
            _ => Err(ALONE.to_owned()),
        }
    }
}
