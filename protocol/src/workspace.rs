//! One workspace as far as this device knows it: both lanes, the keys, the effects, and what the
//! documents are still to be told.
//!
//! Everything here is a function of the set of events; an event goes in once, after all that it
//! names, and nothing goes out. Who writes is `author.rs`, who routes is `replica`.

mod author;
mod chain;
mod membership;
mod state;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};

pub use author::{AuthorFault, Pen};
pub use chain::ForkProof;
pub use membership::NewMember;
pub use state::{StateHash, document_leaf};
pub use verdict::Verdict;

use crate::authority::{ContentLane, ContentNo, ControlFact, ControlLane, Refusal};
use crate::control::ControlBody;
use crate::document::DocumentTask;
use crate::effect::{Chunks, Effect, Effects, Past};
use crate::epoch::KeyRing;
use crate::event::{Header, Verified};
use crate::hash;
use crate::id::{
    ChainId, ChangeHash, DeviceId, DocumentId, EventId, Incarnation, Lane, WorkspaceId,
};
use crate::key::{DeviceKey, RecoveryPublic, SealingKey};
use crate::limits::LOAD_SLICE_EVENTS;
use crate::role::Role;
use crate::store::Place;
use crate::sync::Tip;
use chain::Chains;

/// Why an event did not go in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InsertFault {
    /// Something that it names is not here yet.
    Missing(EventId),
    /// It breaks a rule, and its sender with it.
    Refused(InsertRefusal),
}

/// The rules that an event can break towards others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InsertRefusal {
    /// An event of another workspace.
    #[error("the event belongs to another workspace")]
    WrongWorkspace,
    /// Its prev is not the event before it in its chain, or a parent is of the other lane.
    #[error("the event does not follow the one that it names as its predecessor")]
    Prev,
    /// A control event that its author might not make.
    #[error("{0}")]
    Authority(Refusal),
}

impl InsertRefusal {
    /// The reason code that logs and tests name.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::WrongWorkspace => "wrong_workspace",
            Self::Prev => "prev",
            Self::Authority(Refusal::NotMember) => "not_member",
            Self::Authority(_) => "authority",
        }
    }
}

/// What is kept in memory of an event: all but its body.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) header: Header,
    /// Its place in the order in which events went in.
    position: usize,
    /// The kind of a control event; content's is in its effect.
    pub(crate) control: Option<&'static str>,
}

/// A workspace.
pub struct Workspace {
    id: WorkspaceId,
    control: ControlLane,
    content: ContentLane,
    ring: KeyRing,
    effects: Effects,
    chains: Chains,
    events: BTreeMap<EventId, Known>,
    /// In the order in which they went in.
    order: Vec<EventId>,
    sealing: BTreeMap<DeviceId, SealingKey>,
    recovery: Option<RecoveryPublic>,
    /// The control lane changed since the content was judged by it.
    stale: bool,
    /// Admitted changes that the documents do not hold yet; without chunks where the body has to
    /// come from the store first. In causal order.
    waiting: BTreeMap<ContentNo, Option<Chunks>>,
    applied: BTreeMap<DocumentId, BTreeMap<ChangeHash, ContentNo>>,
    dropped: BTreeMap<DocumentId, BTreeSet<ChangeHash>>,
    /// Unread events whose key is held since.
    readable: BTreeSet<ContentNo>,
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
            events: BTreeMap::new(),
            order: Vec::new(),
            sealing: BTreeMap::new(),
            recovery: None,
            stale: false,
            waiting: BTreeMap::new(),
            applied: BTreeMap::new(),
            dropped: BTreeMap::new(),
            readable: BTreeSet::new(),
        }
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
        self.events.contains_key(id)
    }

    /// The events, in the order in which they went in, from the `from`th on.
    pub fn order(&self, from: usize) -> impl Iterator<Item = &EventId> {
        self.order.iter().skip(from)
    }

    /// The root document: the first content event of the founder's store makes it.
    /// `SPEC: PRJ-1`
    #[must_use]
    pub fn root_document(&self) -> Option<DocumentId> {
        let genesis = &self.events.get(&self.id.genesis())?.header;
        Some(hash::document_id(&genesis.author, &genesis.incarnation, 0))
    }

    /// Inserts an event after all that it names. Returns whether it is new. `SPEC: EVT-9`
    pub fn insert(&mut self, event: &Verified, own: &DeviceKey) -> Result<bool, InsertFault> {
        if self.contains(&event.id()) {
            return Ok(false);
        }
        if event.workspace() != self.id {
            return Err(InsertFault::Refused(InsertRefusal::WrongWorkspace));
        }
        let header = event.header();
        for id in header.before() {
            match self.events.get(id) {
                None => return Err(InsertFault::Missing(*id)),
                Some(known) if known.header.lane != header.lane => {
                    return Err(InsertFault::Refused(InsertRefusal::Prev));
                }
                Some(_) => {}
            }
        }
        if let Some(prev) = header.prev.and_then(|prev| self.events.get(&prev))
            && (prev.header.chain() != header.chain()
                || prev.header.seq.checked_add(1) != Some(header.seq))
        {
            return Err(InsertFault::Refused(InsertRefusal::Prev));
        }
        match header.lane {
            Lane::Control => self.insert_control(event, own)?,
            Lane::Content => self.insert_content(event)?,
        }
        Ok(true)
    }

    fn insert_control(&mut self, event: &Verified, own: &DeviceKey) -> Result<(), InsertFault> {
        let before: Vec<_> = event.header().before().copied().collect();
        let fact = fact(event);
        let author = event.header().author;
        self.control.add(event.id(), author, fact, &before).map_err(|refusal| match refusal {
            Refusal::Missing(id) => InsertFault::Missing(id),
            refusal => InsertFault::Refused(InsertRefusal::Authority(refusal)),
        })?;
        match event.control() {
            Some(ControlBody::Genesis(genesis)) => {
                self.sealing.insert(author, genesis.sealing.key);
                self.recovery = Some(genesis.recovery);
            }
            Some(ControlBody::Grant(grant)) => {
                self.sealing.insert(grant.device, grant.sealing.key);
            }
            _ => {}
        }
        self.remember(event);
        self.stale = true;
        if !self.ring.heard(&self.id, event, own).is_empty() {
            let unread = |no: &ContentNo| *self.effects.of(*no) == Effect::Unread;
            self.readable.extend(self.content.all().filter(unread));
        }
        Ok(())
    }

    fn insert_content(&mut self, event: &Verified) -> Result<(), InsertFault> {
        self.settle();
        let header = event.header();
        let added = self
            .content
            .add(
                &self.control,
                event.id(),
                header.author,
                header.prev,
                &header.parents,
                &header.heard,
            )
            .map_err(InsertFault::Missing)?;
        self.remember(event);
        let chunks = self.judge(added.no, event);
        if *self.effects.of(added.no) == Effect::Unread && !self.readable.is_empty() {
            // It builds on what waits to be read, and is read after it.
            self.readable.insert(added.no);
        }
        for no in added.newly_admitted {
            self.admit(no, if no == added.no { Some(&chunks) } else { None });
        }
        Ok(())
    }

    fn judge(&mut self, no: ContentNo, event: &Verified) -> Chunks {
        let past = Past { control: &self.control, content: &self.content, ring: &self.ring };
        self.effects.judge(past, no, event)
    }

    /// An event is admitted: what it changes waits for the documents.
    fn admit(&mut self, no: ContentNo, chunks: Option<&Chunks>) {
        if let Effect::Change(_) = self.effects.of(no) {
            self.waiting.insert(no, chunks.cloned());
        }
    }

    /// An event is admitted no longer: what it changed falls out.
    fn fall(&mut self, no: ContentNo) {
        self.waiting.remove(&no);
        let Effect::Change(changes) = self.effects.of(no) else { return };
        for (document, hash) in changes.clone() {
            let applied = self.applied.entry(document).or_default();
            if applied.get(&hash) == Some(&no) {
                applied.remove(&hash);
                self.dropped.entry(document).or_default().insert(hash);
            }
        }
    }

    fn remember(&mut self, event: &Verified) {
        let header = event.header().clone();
        self.chains.add(event.id(), &header);
        let control = match header.lane {
            Lane::Control => Some(event.control().map_or("join", ControlBody::name)),
            Lane::Content => None,
        };
        let position = self.order.len();
        self.order.push(event.id());
        self.events.insert(event.id(), Known { header, position, control });
    }

    /// Judges the content anew if the control lane changed.
    pub fn settle(&mut self) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        let rejudged = self.content.control_changed(&self.control);
        for no in rejudged.fallen {
            self.fall(no);
        }
        for no in rejudged.admitted {
            self.admit(no, None);
        }
    }

    /// The events whose bodies are needed from the store: admitted again, or readable since. In
    /// causal order, at most a slice of them.
    #[must_use]
    pub fn wanted_places(&self) -> Vec<Place> {
        let waiting = self.waiting.iter().filter(|(_, chunks)| chunks.is_none()).map(|(no, _)| *no);
        let wanted: BTreeSet<_> = waiting.chain(self.readable.iter().copied()).collect();
        let place = |no| {
            let id = self.content.id(no);
            let header = self.header(&id)?;
            Some(Place { chain: header.chain(), seq: header.seq, id })
        };
        wanted.into_iter().filter_map(place).take(LOAD_SLICE_EVENTS).collect()
    }

    /// The header of an event that is here.
    #[must_use]
    pub fn header(&self, id: &EventId) -> Option<&Header> {
        Some(&self.events.get(id)?.header)
    }

    /// The lane of an event, and its place in the order in which events went in.
    #[must_use]
    pub fn position(&self, id: &EventId) -> Option<(Lane, usize)> {
        let known = self.events.get(id)?;
        Some((known.header.lane, known.position))
    }

    /// Where the store keeps the event that went in at this place of the order.
    #[must_use]
    pub fn place_at(&self, position: usize) -> Option<Place> {
        let id = *self.order.get(position)?;
        let header = self.header(&id)?;
        Some(Place { chain: header.chain(), seq: header.seq, id })
    }

    /// The ends of all chains that peers are told of: of the control lane all, of content what is
    /// admitted; several of a chain that forked. `SPEC: SYNC-3`
    #[must_use]
    pub fn tips(&self) -> Vec<Tip> {
        let control = self
            .chains
            .tips()
            .filter(|id| self.header(id).is_some_and(|header| header.lane == Lane::Control));
        let content = self.sealing.keys().flat_map(|device| self.content.admitted_tips_of(device));
        let ids: BTreeSet<_> = control.copied().chain(content).collect();
        let tip = |id: EventId| {
            let header = self.header(&id)?;
            Some(Tip { chain: header.chain(), seq: header.seq, id })
        };
        ids.into_iter().filter_map(tip).collect()
    }

    /// How many places of a chain are filled here: the seq that comes next.
    #[must_use]
    pub fn height(&self, chain: &ChainId) -> u64 {
        self.chains.height(chain)
    }

    /// How many events peers are told of, by the heights of the tips.
    #[must_use]
    pub fn offered(&self) -> usize {
        let tips = self.tips();
        tips.iter().filter_map(|tip| usize::try_from(tip.seq.saturating_add(1)).ok()).sum()
    }

    /// The control events that a device needs to judge its own revocations, by place; none while
    /// it is a member or never was one.
    #[must_use]
    pub fn farewell(&self, device: &DeviceId) -> Option<BTreeSet<usize>> {
        let all = self.control.all();
        if self.control.role(device, &all).is_some() {
            return None;
        }
        let mut places = BTreeSet::new();
        for no in self.control.revocations_of(device, &all) {
            let past = self.control.past(no).iter().chain([no]);
            let ids = past.map(|no| self.control.id(no));
            places.extend(ids.filter_map(|id| Some(self.position(&id)?.1)));
        }
        (!places.is_empty()).then_some(places)
    }

    /// Is there news about members that this device's own control events have not heard? Of a
    /// revocation every member says that it heard it, of a grant those who may revoke.
    /// `SPEC: AUTH-9`
    #[must_use]
    pub fn has_news_for(&self, device: &DeviceId, incarnation: &Incarnation) -> bool {
        let all = self.control.all();
        let Some(role) = self.control.role(device, &all) else { return false };
        let own = self.own_tip(device, incarnation, Lane::Control);
        let own = own.and_then(|id| self.control.number(&id));
        all.iter().any(|no| {
            let news = match self.control.fact(no) {
                ControlFact::Revoke { .. } => true,
                ControlFact::Grant { .. } => role >= Role::Admin,
                _ => false,
            };
            news && !own.is_some_and(|own| self.control.heard(own, no))
        })
    }

    /// All devices that ever were granted a role, the founder included.
    #[must_use]
    pub fn granted_devices(&self) -> Vec<DeviceId> {
        self.sealing.keys().copied().collect()
    }

    /// A body came from the store. They come in the order of [`Self::wanted_places`].
    pub fn body_loaded(&mut self, event: &Verified) {
        let Some(no) = self.content.number(&event.id()) else { return };
        self.readable.remove(&no);
        let chunks = match self.effects.of(no) {
            Effect::Unread => self.judge(no, event),
            _ => self.open_again(event),
        };
        if self.content.is_admitted(no) {
            self.admit(no, Some(&chunks));
        }
    }

    /// The chunks of an event that was judged before.
    fn open_again(&self, event: &Verified) -> Chunks {
        let header = event.header();
        let opened = header.epoch.and_then(|epoch| self.ring.key(&epoch)).and_then(|key| {
            let inside = crate::seal::open(key, header, event.body()?).ok()?;
            crate::content::Content::decode(&inside).ok()
        });
        let made = hash::document_id(&header.author, &header.incarnation, header.seq);
        match opened {
            Some(crate::content::Content::Change(changes)) => changes
                .into_iter()
                .map(|change| (change.document.unwrap_or(made), change.change))
                .collect(),
            _ => Chunks::new(),
        }
    }

    /// What the documents are to do next: first what falls out, then what waits, as far as its
    /// bodies are here.
    pub fn document_tasks(&mut self) -> Vec<DocumentTask> {
        self.settle();
        let mut tasks: Vec<_> = std::mem::take(&mut self.dropped)
            .into_iter()
            .map(|(document, changes)| DocumentTask::Drop { document, changes })
            .collect();
        let mut apply: BTreeMap<DocumentId, Vec<Vec<u8>>> = BTreeMap::new();
        while let Some(entry) = self.waiting.first_entry() {
            if entry.get().is_none() {
                break;
            }
            let (no, chunks) = entry.remove_entry();
            let Effect::Change(changes) = self.effects.of(no).clone() else { continue };
            for ((document, chunk), (_, hash)) in
                chunks.unwrap_or_default().into_iter().zip(changes)
            {
                let applied = self.applied.entry(document).or_default();
                if let std::collections::btree_map::Entry::Vacant(place) = applied.entry(hash) {
                    place.insert(no);
                    apply.entry(document).or_default().push(chunk);
                }
            }
        }
        tasks.extend(
            apply.into_iter().map(|(document, changes)| DocumentTask::Apply { document, changes }),
        );
        tasks
    }

    /// Is everything that is admitted and readable on its way into the documents?
    #[must_use]
    pub fn is_projected(&self) -> bool {
        !self.stale
            && self.waiting.is_empty()
            && self.dropped.is_empty()
            && self.readable.is_empty()
    }

    /// Is something admitted that cannot be read here?
    #[must_use]
    pub fn has_unread(&self) -> bool {
        self.effects.has_unread()
            && self
                .content
                .all()
                .any(|no| self.content.is_admitted(no) && *self.effects.of(no) == Effect::Unread)
    }

    /// The own store's chain is continued here.
    #[must_use]
    pub fn own_tip(
        &self,
        device: &DeviceId,
        incarnation: &Incarnation,
        lane: Lane,
    ) -> Option<EventId> {
        self.chains.tip(device, incarnation, lane)
    }

    /// The event that carries a change of the root document.
    #[must_use]
    pub fn event_of_change(&self, change: &ChangeHash) -> Option<EventId> {
        let no = self.effects.carrier(&self.root_document()?, change)?;
        Some(self.content.id(no))
    }

    /// All proofs that a device forked.
    #[must_use]
    pub fn forks(&self) -> Vec<ForkProof> {
        self.chains.forks()
    }
}

/// What authority reads of a control event.
fn fact(event: &Verified) -> ControlFact {
    match event.control() {
        Some(ControlBody::Genesis(_)) => ControlFact::Genesis,
        Some(ControlBody::Grant(grant)) => {
            ControlFact::Grant { device: grant.device, role: grant.role }
        }
        Some(ControlBody::Revoke(revoke)) => {
            ControlFact::Revoke { target: revoke.target, cut: revoke.cut.clone() }
        }
        Some(ControlBody::Epoch(_)) => ControlFact::Epoch,
        Some(ControlBody::Wrap(_)) => ControlFact::Wrap,
        None => ControlFact::Join,
    }
}
