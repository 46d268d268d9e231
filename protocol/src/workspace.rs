//! One workspace as far as this device knows it: both lanes, the keys, the effects, and what the
//! documents are still to be told.
//!
//! Everything here is a function of the set of events; an event goes in once, after all that it
//! names, and nothing goes out. Who writes is `author.rs`, who routes is `replica`.

mod apart;
mod artifacts;
mod author;
mod backlog;
mod bare;
mod branches;
mod chain;
mod cover;
mod disputes;
mod documents;
mod fact;
mod insert;
mod introduction;
mod keyless;
mod lost;
mod membership;
mod offer;
mod past;
mod projection;
mod purge;
mod quarantine;
mod replay;
mod rescue;
mod state;
mod strike;
mod told;
mod undo;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use author::{AuthorFault, Pen};
pub use backlog::{Charge, Waiting};
pub use branches::{ApartSide, Distance, Divergence};
pub use chain::ForkProof;
pub use cover::Cover;
pub use disputes::{Dispute, DisputeSide, Disputes};
pub use documents::Line;
pub use insert::{InsertFault, InsertRefusal, Inserted};
pub use membership::NewMember;
pub(crate) use offer::Step;
pub use past::Written;
pub use quarantine::Branch;
pub use rescue::Rescued;
pub use state::{StateHash, document_leaf};
pub use undo::{UNDO_REASON, Undoable};
pub use verdict::{Verdict, is_kind, kinds};

use crate::authority::{BitSet, ContentLane, ContentNo, ControlLane};
use crate::control::{ControlBody, Recover, Rescue};
use crate::effect::{ChangeNo, Chunks, DocumentNo, Effect, Effects, Past};
use crate::epoch::KeyRing;
use crate::event::{Header, Verified};
use crate::hash;
use crate::id::{
    ChainId, ChangeHash, DeviceId, DocumentId, EventId, Incarnation, Lane, WorkspaceId,
};
use crate::index::{Keys, Numbers};
use crate::key::{DeviceKey, RecoveryPublic, SealingStatement};
use crate::mission::journal::Journal;
use apart::Room;
use backlog::Backlog;
use bare::Bare;
use chain::Chains;
use fact::{fact, reason};
use keyless::Keyless;
use lost::Lost;
use membership::LetIn;
use purge::Purges;
use strike::Strikes;
use told::Told;

/// What is kept in memory of an event: all but its body.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) header: Arc<Header>,
    /// The kind of a control event; content's is in its effect.
    pub(crate) control: Option<&'static str>,
    /// It came without its signature: what follows it in the order proves it.
    is_inside: bool,
    /// An event of another chain names it.
    is_named: bool,
}

/// A workspace.
pub struct Workspace {
    id: WorkspaceId,
    control: ControlLane,
    content: ContentLane,
    ring: KeyRing,
    effects: Effects,
    chains: Chains,
    /// All events, in the order in which they went in.
    order: Numbers<EventId>,
    /// In that order.
    known: Vec<Known>,
    sealing: BTreeMap<DeviceId, SealingStatement>,
    /// Own grants and revocations that take others back.
    undoing: BTreeSet<EventId>,
    undone: undo::KeptUndone,
    /// Who granted the last role of each device.
    added_by: BTreeMap<DeviceId, DeviceId>,
    /// Why events took something, of those that say it.
    reasons: BTreeMap<EventId, Box<str>>,
    recovery: Option<RecoveryPublic>,
    /// The root document, once the genesis is here.
    root: Option<DocumentId>,
    /// The control lane changed since the content was judged by it.
    stale: bool,
    /// What the documents do not hold yet, causes first; no chunks where the store has the body.
    waiting: BTreeMap<ContentNo, Option<Chunks>>,
    /// Admitted changes that wait for a quota.
    backlog: Backlog,
    applied: Told,
    dropped: BTreeMap<DocumentId, BTreeSet<ChangeHash>>,
    /// Documents beside the root that are told what comes.
    open: BTreeSet<DocumentId>,
    /// Something fell out of one that is not.
    fell_closed: bool,
    /// What the documents hold, or were told to: the numbers of changes of the family of each.
    held: BTreeMap<DocumentNo, BitSet>,
    /// What is left out of them, since another change has its number.
    left_out: BTreeSet<ChangeNo>,
    /// Unread events whose key is held since.
    readable: BTreeSet<ContentNo>,
    /// What the store cannot give, and what waits for that.
    lost: Lost,
    /// Events that came without the bodies that they name.
    bare: Bare,
    /// Events that name the chunks of artifacts, whether they have effect now or not.
    artifacts: BTreeSet<ContentNo>,
    /// Which of them have effect may have changed.
    artifacts_changed: bool,
    strikes: Strikes,
    purges: Purges,
    room: Room,
    /// Documents that are to be told everything anew.
    anew: BTreeSet<DocumentId>,
    /// They are being told.
    rebuilding: bool,
    /// How often it was looked at whether an event can go into the documents.
    tell_looks: u64,
    shares: branches::Shares,
    /// What the choice between forked changes was made of.
    forks_of: Option<projection::ForksOf>,
    /// Whom this device let in by which standing invitation.
    let_in: LetIn,
    keyless: Keyless,
}

impl Workspace {
    /// A workspace of which nothing is known but its id.
    #[must_use]
    pub fn new(id: WorkspaceId) -> Self {
        Self {
            id,
            control: ControlLane::new(),
            content: ContentLane::new(),
            ring: KeyRing::default(),
            effects: Effects::default(),
            chains: Chains::default(),
            order: Numbers::default(),
            known: Vec::new(),
            sealing: BTreeMap::new(),
            undoing: BTreeSet::new(),
            undone: undo::KeptUndone::default(),
            added_by: BTreeMap::new(),
            reasons: BTreeMap::new(),
            recovery: None,
            root: None,
            stale: false,
            waiting: BTreeMap::new(),
            backlog: Backlog::default(),
            applied: Told::default(),
            dropped: BTreeMap::new(),
            open: BTreeSet::new(),
            fell_closed: false,
            held: BTreeMap::new(),
            left_out: BTreeSet::new(),
            readable: BTreeSet::new(),
            lost: Lost::default(),
            bare: Bare::default(),
            artifacts: BTreeSet::new(),
            artifacts_changed: false,
            strikes: Strikes::default(),
            purges: Purges::default(),
            room: Room::default(),
            anew: BTreeSet::new(),
            rebuilding: false,
            tell_looks: 0,
            shares: branches::Shares::default(),
            forks_of: None,
            let_in: LetIn::default(),
            keyless: Keyless::default(),
        }
    }

    /// The same, with what is here found by keys that are made of `seed`: it is secret, so nobody
    /// can write events that are slow to find.
    #[must_use]
    pub fn keyed(mut self, seed: &[u8; 32]) -> Self {
        let keys = Keys::of(seed);
        self.control.rekey(&keys);
        self.content.rekey(&keys);
        self.effects.rekey(&keys);
        self.order.rekey(keys);
        self
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> WorkspaceId {
        self.id
    }

    /// Who may do what.
    #[must_use]
    pub fn control(&self) -> &ControlLane {
        &self.control
    }

    /// Which events are admitted, and what is in whose past.
    #[must_use]
    pub fn content(&self) -> &ContentLane {
        &self.content
    }

    /// The missions.
    #[must_use]
    pub fn missions(&self) -> &Journal {
        self.effects.missions()
    }

    /// How many events are here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Is nothing here?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Is this event here?
    #[must_use]
    pub fn contains(&self, id: &EventId) -> bool {
        self.order.contains(id)
    }

    /// The events, in the order in which they went in, from the `from`th on.
    pub fn order(&self, from: usize) -> impl Iterator<Item = &EventId> {
        self.order.ids().iter().skip(from)
    }

    /// The root document: the first content event of the founder's store makes it.
    /// `SPEC: PRJ-1`
    #[must_use]
    pub fn root_document(&self) -> Option<DocumentId> {
        self.root
    }

    fn insert_control(&mut self, event: &Verified, own: &DeviceKey) -> Result<(), InsertFault> {
        self.check_recovery(event)?;
        let before: Vec<_> = event.header().before().copied().collect();
        let fact = fact(event);
        let author = event.header().author;
        self.control.add(event.id(), author, fact, &before)?;
        self.reasons.extend(reason(event).map(|reason| (event.id(), reason.into())));
        match event.control() {
            Some(ControlBody::Genesis(genesis)) => {
                self.root = Some(hash::document_id(&author, &event.header().incarnation, 0));
                self.sealing.insert(author, genesis.sealing);
                self.added_by.insert(author, author);
                self.recovery = Some(genesis.recovery);
            }
            Some(ControlBody::Grant(grant)) => {
                self.sealing.insert(grant.device, grant.sealing);
                self.added_by.insert(grant.device, author);
                if author == own.device() {
                    self.let_in.note(grant, event.id());
                    if grant.rule == undo::UNDO_RULE {
                        self.undoing.insert(event.id());
                    }
                }
            }
            Some(ControlBody::Revoke(revoke))
                if revoke.reason == UNDO_REASON && author == own.device() =>
            {
                self.undoing.insert(event.id());
            }
            Some(ControlBody::Recover(Recover { rescue: Rescue::Lead { sealing }, .. })) => {
                self.sealing.insert(author, *sealing);
                self.added_by.insert(author, author);
            }
            _ => {}
        }
        self.remember(event);
        self.note_strike(event);
        self.stale = true;
        self.artifacts_changed = true;
        self.unsettle_purges();
        if !self.ring.heard(&self.id, &self.control, event, own).is_empty() {
            self.note_readable();
        }
        Ok(())
    }

    /// Keys came: what was unread may be read.
    fn note_readable(&mut self) {
        let unread = |no: &ContentNo| *self.effects.of(*no) == Effect::Unread;
        self.readable.extend(self.content.all().filter(unread));
    }

    /// The key that the genesis names vouches for what it says it does. `SPEC: CTL-9`
    fn check_recovery(&self, event: &Verified) -> Result<(), InsertFault> {
        let Some(ControlBody::Recover(recover)) = event.control() else { return Ok(()) };
        let signing = self.recovery.map(|recovery| recovery.signing);
        if signing.is_some_and(|signing| recover.is_signed(event.header(), &signing)) {
            Ok(())
        } else {
            Err(InsertFault::Refused(InsertRefusal::Recovery))
        }
    }

    fn insert_content(&mut self, event: &Verified) -> Result<(), InsertFault> {
        self.settle();
        let header = event.header();
        let added = self.content.add(
            &self.control,
            event.id(),
            header.author,
            header.prev,
            &header.parents,
            &header.heard,
        )?;
        self.remember(event);
        // What it did not hear of seals nothing, whatever else came before it. `SPEC: EFF-2`
        let number = header.epoch.and_then(|epoch| self.control.number(&epoch));
        if number.is_some_and(|epoch| self.content.heard_set(added.no).contains(epoch)) {
            header.epoch.into_iter().for_each(|epoch| self.ring.note_use(epoch));
        }
        self.room_for_new(added.no, &added.newly_admitted);
        if header.body.is_some() && event.body().is_none() {
            self.bare.insert(added.no);
        }
        if added.views_grew {
            self.artifacts_changed = true;
            self.unsettle_purges();
            let again: BTreeSet<_> = self.effects.forget_wants().into_iter().collect();
            self.readable.extend(self.content.all().filter(|no| again.contains(&no.index())));
        }
        let mut chunks = Some(self.judge(added.no, event));
        if *self.effects.of(added.no) == Effect::Unread && !self.readable.is_empty() {
            // It builds on what waits to be read, and is read after it.
            self.readable.insert(added.no);
        }
        self.expect_admitted(&added.newly_admitted);
        for no in added.newly_admitted {
            self.admit(no, if no == added.no { chunks.take() } else { None });
        }
        Ok(())
    }

    fn judge(&mut self, no: ContentNo, event: &Verified) -> Chunks {
        let past = Past { control: &self.control, content: &self.content, ring: &self.ring };
        let chunks = self.effects.judge(past, no, event);
        self.note_artifact(no);
        self.note_purge(no);
        chunks
    }

    /// Judges the content anew if the control lane changed.
    pub fn settle(&mut self) {
        if std::mem::take(&mut self.stale) {
            self.restrike();
            let rejudged = self.content.control_changed(&self.control);
            for no in rejudged.fallen {
                self.room_changes(no, false);
                self.fall(no);
            }
            self.expect_admitted(&rejudged.admitted);
            for no in rejudged.admitted {
                self.room_changes(no, true);
                self.admit(no, None);
            }
            self.name_missing();
        }
        self.settle_strikes();
        self.settle_purges();
    }

    /// The place of an event in the order in which they went in.
    fn place_of(&self, id: &EventId) -> Option<usize> {
        self.order.get(id).map(|at| at as usize)
    }

    fn known(&self, id: &EventId) -> Option<&Known> {
        self.known.get(self.place_of(id)?)
    }

    /// The header of an event that is here.
    #[must_use]
    pub fn header(&self, id: &EventId) -> Option<&Header> {
        Some(&self.known(id)?.header)
    }

    /// All devices that ever were granted a role, the founder included, with who granted the last.
    #[must_use]
    pub fn granted_devices(&self) -> Vec<(DeviceId, DeviceId)> {
        self.added_by.iter().map(|(device, by)| (*device, *by)).collect()
    }

    /// The own store's chain is continued here.
    #[must_use]
    pub fn own_tip(
        &self,
        device: &DeviceId,
        incarnation: &Incarnation,
        lane: Lane,
    ) -> Option<EventId> {
        let chain = ChainId { author: *device, incarnation: *incarnation, lane };
        self.chains.tip(&chain, self.order.ids())
    }

    /// All proofs that a device forked.
    #[must_use]
    pub fn forks(&self) -> Vec<ForkProof> {
        self.chains.forks()
    }
}
