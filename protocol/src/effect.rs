//! What an admitted content event does: the second of the two verdicts.
//!
//! Admission reads headers, so that every device agrees; effect reads the opened body and what is
//! in the event's past, so that every device with the key agrees (SPEC: EFF-1). An event is judged
//! once, in causal order; without effect it is kept, forwarded, and shown as void with its reason.
//! Several changes in one event have effect all or none.

mod actors;
mod artifact;
mod branches;
mod dependents;
mod family;
mod foreseen;
mod forks;
mod purge;
mod undo;
mod unread;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use crate::artifact::Manifest;
use crate::authority::{ContentLane, ContentNo, ControlFact, ControlLane};
use crate::content::{Content, DocumentChange};
use crate::document::validate::{ChangeFault, Checked};
use crate::epoch::KeyRing;
use crate::event::{Class, Header, Verified};
use crate::few::Few;
use crate::hash;
use crate::id::DocumentId;
use crate::mission::journal::{Journal, Judged};
use crate::mission::record::Record;
use crate::mission::state::Who;
use crate::role::Role;
use crate::seal;
use actors::Actors;
use branches::Branches;
pub use branches::Origin;
use dependents::Dependents;
pub use family::{ChangeNo, DocumentNo, FamilyNo};
use family::{Documents, History, Links};
pub(crate) use foreseen::Foreseen;
use forks::Lines;
use unread::Unread;

/// Why an event has no effect: a stable code, and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoidReason {
    /// For programs and tests.
    pub code: &'static str,
    /// For people.
    pub text: String,
}

/// What an event does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Its body, or one that it builds on, cannot be read here: no key, or not held.
    Unread,
    /// It has no body: it joins heads.
    Empty,
    /// Nothing, for everybody.
    Void(VoidReason),
    /// It changes documents.
    Change(Few<ChangeNo>),
    /// A record of a mission, of this kind.
    Record(u64),
    /// It names the chunks of an artifact.
    Artifact(Box<Manifest>),
    /// It destroys the bodies of these.
    Purge(Vec<ContentNo>),
    /// A purge with effect destroyed its body.
    Purged,
    /// A kind that this program does not know.
    Unknown(u64),
}

/// A judged event's changes, for who applies them: document and chunk.
pub type Chunks = Few<(DocumentId, Vec<u8>)>;

/// The effects of all content events here.
#[derive(Default)]
pub struct Effects {
    effects: Vec<Effect>,
    documents: Documents,
    branches: Branches,
    missions: Journal,
    /// The events that take others back, and which.
    undoes: BTreeMap<ContentNo, ContentNo>,
    unread: Unread,
    /// The events of class 2.
    shreddable: BTreeSet<ContentNo>,
    /// What depends on each change; kept once it was asked for.
    dependents: Option<Dependents>,
    /// What was found of the changes of the own event that comes next.
    foreseen: Foreseen,
    actors: Actors,
    /// Is there a change that several events carry?
    is_recarried: bool,
    /// How much was looked at to choose between changes of one number.
    fork_looks: Cell<u64>,
}

/// What effect reads of the rest of the workspace.
#[derive(Clone, Copy)]
pub struct Past<'a> {
    /// Who may do what.
    pub control: &'a ControlLane,
    /// Which events are in whose view.
    pub content: &'a ContentLane,
    /// The keys.
    pub ring: &'a KeyRing,
}

impl Effects {
    /// What the event does, if it was judged.
    #[must_use]
    pub fn of(&self, no: ContentNo) -> &Effect {
        self.effects.get(no.index()).unwrap_or(&Effect::Unread)
    }

    /// The missions.
    #[must_use]
    pub fn missions(&self) -> &Journal {
        &self.missions
    }

    /// An event lost its effect by strikes, or has it again.
    pub(crate) fn strike(&mut self, no: ContentNo, struck: bool) {
        self.missions.strike(no, struck);
    }

    /// Judges `event`, whose whole past was judged before. Judging again is possible while it is
    /// unread.
    pub fn judge(&mut self, past: Past<'_>, no: ContentNo, event: &Verified) -> Chunks {
        while self.effects.len() <= no.index() {
            self.effects.push(Effect::Unread);
            self.unread.come();
        }
        if event.header().class == Class::Shreddable && self.shreddable.insert(no) {
            self.unread.may_go();
        }
        if self.effects[no.index()] != Effect::Unread {
            return Chunks::new();
        }
        let (effect, chunks) = match self.weigh(past, no, event) {
            Ok(done) => done,
            Err(reason) => (Effect::Void(reason), Chunks::new()),
        };
        self.replace(no, effect);
        chunks
    }

    /// The changes that are left out of their documents, since a document holds one change of an
    /// actor and number, and what depends on them. `SPEC: PRJ-4`
    #[must_use]
    pub fn left_out(
        &self,
        content: &ContentLane,
        counts: &dyn Fn(ContentNo) -> bool,
    ) -> BTreeSet<ChangeNo> {
        let forked = self.documents.histories().filter(|(_, history)| !history.forked.is_empty());
        let lines = Lines::new();
        let left_out = forked.flat_map(|(family, history)| {
            let (numbers, looks) = history.left_out(content, &lines, counts);
            self.fork_looks.set(self.fork_looks.get().saturating_add(looks));
            numbers.into_iter().map(move |number| ChangeNo::new(family, number))
        });
        left_out.collect()
    }

    /// How many events and changes were looked at so far to find which are left out.
    #[must_use]
    pub fn fork_looks(&self) -> u64 {
        self.fork_looks.get()
    }

    /// Is there a number of an actor that several changes have?
    #[must_use]
    pub fn has_forks(&self) -> bool {
        self.documents.histories().any(|(_, history)| !history.forked.is_empty())
    }

    /// Views grew: what was void for want of something in its author's view is to be judged again,
    /// and so is what was void for want of that. Gives these events. `SPEC: EFF-5`
    pub fn forget_wants(&mut self) -> Vec<usize> {
        let wants = ["not_in_view", "unknown_dependency", "unknown_document"];
        let mut again = Vec::new();
        for (no, effect) in self.effects.iter_mut().enumerate() {
            if matches!(effect, Effect::Void(reason) if wants.contains(&reason.code)) {
                *effect = Effect::Unread;
                // What is void for that is of class 1. `SPEC: EFF-10`
                self.unread.come();
                again.push(no);
            }
        }
        again
    }

    /// The own event that comes next carries these, and they need no second look.
    pub(crate) fn foresee(&mut self, foreseen: Foreseen) {
        self.foreseen = foreseen;
    }

    fn weigh(
        &mut self,
        past: Past<'_>,
        no: ContentNo,
        event: &Verified,
    ) -> Result<(Effect, Chunks), VoidReason> {
        let header = event.header();
        let Some(epoch) = header.epoch else {
            return Ok((Effect::Empty, Chunks::new()));
        };
        check_epoch(past, no, &epoch)?;
        let opened = past.ring.key(&epoch).and_then(|key| seal::open_event(key, event));
        let Some(opened) = opened else { return Ok((Effect::Unread, Chunks::new())) };
        let inside = opened.map_err(|fault| void(fault.code(), &fault))?;
        let content = Content::decode(&inside).map_err(|fault| void("body_decode", &fault))?;
        if header.class == Class::Shreddable {
            purge::check_kind(&content)?;
        }
        match content {
            Content::Unknown(number) => Ok((Effect::Unknown(number), Chunks::new())),
            Content::Record(record) => {
                self.weigh_record(past, no, event, record).map(|effect| (effect, Chunks::new()))
            }
            Content::Artifact(manifest) => artifact::weigh(past, no, manifest),
            Content::Purge(purge) => purge::weigh(past, no, &purge, &self.shreddable),
            Content::Change(changes) => self.weigh_changes(past, no, event, changes, None),
            Content::Branch(origin, changes) => {
                self.weigh_changes(past, no, event, changes, Some(origin))
            }
            Content::Undo(undoes, changes) => self.weigh_undo(past, no, event, (undoes, changes)),
        }
    }

    /// `SPEC: EFF-7`
    fn weigh_record(
        &mut self,
        past: Past<'_>,
        no: ContentNo,
        event: &Verified,
        record: Record,
    ) -> Result<Effect, VoidReason> {
        if matches!(record, Record::Mission(_)) && self.waits_for_room(past, no) {
            return Ok(Effect::Unread);
        }
        let device = event.header().author;
        let role = past.control.role(&device, &past.content.heard_set(no));
        let (kind, on) = (record.kind(), record.on());
        let who = Who { device, role, epoch: 0 };
        match self.missions.judge(past.content, no, who, record)? {
            Judged::Counts => Ok(Effect::Record(kind)),
            Judged::Waits => {
                let on = on.and_then(|on| past.content.number(&on));
                if on.is_some_and(|on| self.may_be_built_on(on)) {
                    return Ok(Effect::Unread);
                }
                Err(void("order", &"it follows an event that is no record with effect"))
            }
        }
    }

    /// `SPEC: EFF-3, EFF-4`
    fn weigh_changes(
        &mut self,
        past: Past<'_>,
        no: ContentNo,
        event: &Verified,
        changes: Vec<DocumentChange>,
        origin: Option<DocumentId>,
    ) -> Result<(Effect, Chunks), VoidReason> {
        let heard = past.content.heard_set(no);
        if past.control.role(&event.header().author, &heard) < Some(Role::Member) {
            return Err(void("role", &"its author may not change documents"));
        }
        let mut foreseen = std::mem::take(&mut self.foreseen);
        let mut checked = Few::new();
        for change in &changes {
            match self.check(past, no, event, (change, origin), &mut foreseen) {
                Ok(one) => checked.push(one),
                Err(reason) if self.builds_on_unread(past, no, reason.code) => {
                    return Ok((Effect::Unread, Chunks::new()));
                }
                Err(reason) => return Err(reason),
            }
        }
        let (mut done, mut chunks) = (Few::new(), Chunks::new());
        for ((document, id, one), change) in checked.into_iter().zip(changes) {
            let begins = document.is_none();
            let document = document.unwrap_or_else(|| self.make(no, id, origin));
            done.push(self.note(no, document, begins, one));
            chunks.push((id, change.change));
        }
        Ok((Effect::Change(done), chunks))
    }

    /// An event makes a document, or a branch of `origin`.
    fn make(&mut self, no: ContentNo, id: DocumentId, origin: Option<DocumentId>) -> DocumentNo {
        if let Some(origin) = origin {
            self.branches.add(id, origin);
        }
        self.documents.make(id, self.branches.family(&id), no)
    }

    /// The event carries this change, which has effect.
    fn note(
        &mut self,
        no: ContentNo,
        document: DocumentNo,
        begins: bool,
        mut change: Checked,
    ) -> ChangeNo {
        let (made, history) = self.documents.of_mut(document);
        let (makes, deps) = (change.makes, std::mem::take(&mut change.on));
        let number = history.index.insert(change);
        let noted = ChangeNo::new(made.family, number);
        if let Some(links) = history.links.get_mut(number as usize) {
            self.is_recarried = true;
            links.carriers.push(no);
            // Whichever of its events came first, it is what it is by all of them.
            links.begins |= begins;
            return noted;
        }
        if let Some(all) = &mut self.dependents {
            for dep in &deps {
                all.entry(ChangeNo::new(made.family, *dep)).or_default().push(noted);
            }
        }
        history.links.push(Links { document, carriers: Few::One(no), deps, makes, begins });
        made.own.push(number);
        let place = history.index.place(number);
        if let Some(rivals) = history.forked.get_mut(&place) {
            rivals.push(number);
        } else if let Some(rivals) = history.index.forked_at(number) {
            history.forked.insert(place, rivals);
        }
        noted
    }

    /// Checks one change; gives the number of its document, but where the event makes that, and its
    /// id. `SPEC: BRA-13`
    fn check(
        &self,
        past: Past<'_>,
        no: ContentNo,
        event: &Verified,
        (change, origin): (&DocumentChange, Option<DocumentId>),
        foreseen: &mut Foreseen,
    ) -> Result<(Option<DocumentNo>, DocumentId, Checked), VoidReason> {
        let header = event.header();
        let made = change.document.is_none();
        let document = change.document.unwrap_or_else(|| made_document(header, origin.as_ref()));
        // A branch is of the family of what it is made of.
        let seen = if made { origin } else { Some(document) };
        let seen_no = seen.and_then(|seen| self.documents.number(&seen));
        let in_view = |of: &[ContentNo]| of.iter().any(|x| past.content.in_view(no, *x));
        if seen.is_some() && !seen_no.is_some_and(|seen| in_view(&self.documents.of(seen).by)) {
            return Err(void("unknown_document", &"it changes a document that it has not seen"));
        }
        if let Some(origin) = origin.filter(|_| made) {
            self.branches.check_depth(&origin)?;
        }
        let new;
        let known = match seen_no {
            Some(seen) => Some(self.documents.history(self.documents.of(seen).family)),
            None => self.documents.family_named(&document),
        };
        let history = match known {
            Some(known) => known,
            // Made where it is needed: it has keys, and they are some work.
            None => {
                new = History::default();
                &new
            }
        };
        let actor =
            self.actors.of((header.author, header.incarnation, document, change.generation));
        let seen = |number| {
            let links = history.links.get(number as usize);
            links.is_some_and(|links: &Links| in_view(&links.carriers))
        };
        let checked = match foreseen.take(&document, &actor, &change.change, &seen) {
            Some(checked) => checked,
            None => history
                .index
                .check_in(&change.change, &actor, &|_, number| number.is_some_and(seen))
                .map_err(|fault: ChangeFault| void(fault.code(), &fault))?,
        };
        if made && origin.is_some() && checked.deps.is_empty() {
            return Err(void("branch_apart", &"it would be a branch that goes on from nothing"));
        }
        Ok((seen_no.filter(|_| !made), document, checked))
    }

    /// Might the missing thing be in a body that cannot be read here yet?
    fn builds_on_unread(&self, past: Past<'_>, no: ContentNo, code: &str) -> bool {
        let missing = matches!(code, "not_in_view" | "unknown_dependency" | "unknown_document");
        missing && self.unread_before(past, no).next().is_some()
    }

    /// Might a body that cannot be read here yet decide whether a mission starts? `SPEC: MIS-12`
    fn waits_for_room(&self, past: Past<'_>, no: ContentNo) -> bool {
        let author = past.content.author(no);
        let count = |(own, all): (usize, usize), x| {
            (own + usize::from(past.content.author(x) == author), all + 1)
        };
        let unread = self.unread_before(past, no).fold((0, 0), count);
        self.missions.waits_for_room(past.content, no, unread)
    }
}

/// The epoch that seals a body must be among what its author heard. `SPEC: EFF-2`
fn check_epoch(
    past: Past<'_>,
    no: ContentNo,
    epoch: &crate::id::EventId,
) -> Result<(), VoidReason> {
    let heard = past.content.heard_set(no);
    match past.control.number(epoch) {
        Some(number)
            if heard.contains(number)
                && matches!(past.control.fact(number), ControlFact::Epoch) =>
        {
            Ok(())
        }
        _ => Err(void("epoch_unheard", &"its author had not heard of the epoch that seals it")),
    }
}

fn void(code: &'static str, text: &dyn std::fmt::Display) -> VoidReason {
    VoidReason { code, text: text.to_string() }
}

/// The document that an event makes, or the branch of `origin`. `SPEC: PRJ-1, BRA-1`
pub(crate) fn made_document(header: &Header, origin: Option<&DocumentId>) -> DocumentId {
    let (author, life, seq) = (&header.author, &header.incarnation, header.seq);
    match origin {
        Some(origin) => hash::branch_id(author, life, seq, origin),
        None => hash::document_id(author, life, seq),
    }
}
