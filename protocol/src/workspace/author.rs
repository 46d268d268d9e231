//! Writing events: which chain is continued, what is named, under which key a body is sealed.
//!
//! Every function returns signed events that went into the workspace already; who calls makes them
//! durable before anything is said about them.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

use super::{InsertFault, Workspace};
use crate::cbor;
use crate::content::{DocumentChange, encode_branch, encode_changes, encode_undo};
use crate::control::{ControlBody, Genesis, WORKSPACE_FORMAT, Wrap, WrappedKey};
use crate::effect::{Foreseen, VoidReason};
use crate::epoch::{EpochKey, WriteEpoch, epoch_body, wrap_key};
use crate::event::{BodyRef, Class, EventFault, Header, Unsigned, Verified};
use crate::id::{DocumentId, EventId, Incarnation, Lane, WorkspaceId};
use crate::key::{DeviceKey, RecoveryPublic};
use crate::limits::{
    DOCUMENT_MAKES, EPOCH_OLDER_MAX, PARENTS_MAX, PURGE_EVENTS_MAX, WRAP_RECIPIENTS_MAX,
};
use crate::mission::record::Record;
use crate::role::Role;
use crate::seal::{TooLarge, pack, seal, seal_shreddable};
use crate::time::Stamp;

/// Why nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorFault {
    /// This device may not.
    #[error("this device is {} here and may not do that", .0.map_or("no member", Role::name))]
    Role(Option<Role>),
    /// Authority refuses it.
    #[error("{0}")]
    Refused(crate::authority::Refusal),
    /// The change breaks a rule of documents.
    #[error("{}", .0.text)]
    Void(VoidReason),
    /// It makes more keys and objects than this device may make now.
    #[error("quota: this makes {0} new keys and objects, and this device has used up its hour's")]
    Quota(u64),
    /// It does not fit one event.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// Another recovery key.
    #[error("this is not the recovery key of the workspace")]
    RecoveryKey,
    /// Nothing of these devices is here and not admitted.
    #[error("nothing that it wrote is here and left out")]
    NothingToReadmit,
    /// A strike of what is no content event here.
    #[error("this is no event that changes anything: only content can be struck")]
    NotContent,
    /// A strike of what everything depends on.
    #[error("this is the first change of the workspace: everything depends on it")]
    FirstChange,
    /// A readmission of what is neither struck nor in quarantine.
    #[error("this event is neither struck nor in quarantine")]
    NotApart,
    /// A purge of what cannot be purged.
    #[error("{}: its body cannot be purged", .0.short())]
    NotShreddable(EventId),
    /// A purge of what is in quarantine.
    #[error("{}: it is in quarantine", .0.short())]
    NotAdmitted(EventId),
    /// A purge of nothing, or of too much.
    #[error("one purge names 1 to {PURGE_EVENTS_MAX} events, and not {0}")]
    PurgeNames(usize),
    /// The workspace has a format that this program does not know. `SPEC: CTL-11`
    #[error(
        "newer_format: this workspace has format {0}, and this program writes {WORKSPACE_FORMAT}"
    )]
    NewerFormat(u64),
    /// Our own event breaks a rule: a fault of this program.
    #[error("this program made an event that breaks a rule: {0}")]
    Own(String),
}

impl From<EventFault> for AuthorFault {
    fn from(fault: EventFault) -> Self {
        Self::Own(fault.to_string())
    }
}

/// Who writes, and with what.
pub struct Pen<'a> {
    /// The device.
    pub key: &'a DeviceKey,
    /// The life of its store.
    pub incarnation: Incarnation,
    /// The next stamp.
    pub stamp: &'a mut dyn FnMut() -> Stamp,
    /// The source of keys.
    pub rng: &'a mut ChaCha20Rng,
    /// How many keys and objects it may make in documents now. `SPEC: SYNC-9`
    pub makes_max: u64,
}

impl Workspace {
    /// A new workspace: genesis, epoch, its wraps to the recovery key and the founder.
    /// `SPEC: CTL-2, KEY-6`
    pub fn found(
        pen: &mut Pen<'_>,
        recovery: RecoveryPublic,
    ) -> Result<(Self, Vec<Verified>), AuthorFault> {
        let mut nonce = [0; 16];
        pen.rng.fill_bytes(&mut nonce);
        let sealing = pen.key.sealing_statement();
        let genesis = Genesis { format: WORKSPACE_FORMAT, nonce, sealing, recovery };
        let body = ControlBody::Genesis(genesis).encode();
        let header = Header {
            workspace: WorkspaceId::UNBORN,
            lane: Lane::Control,
            author: pen.key.device(),
            incarnation: pen.incarnation,
            seq: 0,
            prev: None,
            parents: Vec::new(),
            heard: Vec::new(),
            stamp: (pen.stamp)(),
            class: Class::Plain,
            epoch: None,
            body: Some(BodyRef::of(&body)),
        };
        let genesis = Unsigned { header, body: Some(body) }.sign(pen.key)?;
        let mut workspace = Self::new(WorkspaceId(genesis.id().0));
        workspace.take(&genesis, pen.key)?;
        let mut events = vec![genesis];
        events.extend(workspace.write_epoch(pen)?);
        Ok((workspace, events))
    }

    /// A content event of changes. Makes an epoch before it where none is fit, and joins heads
    /// where there are too many. `SPEC: KEY-7, EVT-11`
    pub fn write_change(
        &mut self,
        pen: &mut Pen<'_>,
        changes: Vec<DocumentChange>,
    ) -> Result<Vec<Verified>, AuthorFault> {
        self.check_changes(pen, &changes, None)?;
        self.write_content(pen, &encode_changes(changes), Class::Sealed)
    }

    /// Changes, the first of which makes a branch of `origin`. `SPEC: CNT-13`
    pub fn write_branch(
        &mut self,
        pen: &mut Pen<'_>,
        origin: DocumentId,
        changes: Vec<DocumentChange>,
    ) -> Result<Vec<Verified>, AuthorFault> {
        self.check_changes(pen, &changes, Some(&origin))?;
        self.write_content(pen, &encode_branch(origin, changes), Class::Sealed)
    }

    /// Changes that take back what an event of this workspace did. `SPEC: CNT-12`
    pub fn write_undo(
        &mut self,
        pen: &mut Pen<'_>,
        undoes: EventId,
        changes: Vec<DocumentChange>,
    ) -> Result<Vec<Verified>, AuthorFault> {
        self.check_changes(pen, &changes, None)?;
        // What fell meanwhile is in nobody's view, and the undo would be void.
        if !self.content.number(&undoes).is_some_and(|no| self.content.is_admitted(no)) {
            return Err(AuthorFault::NotAdmitted(undoes));
        }
        self.write_content(pen, &encode_undo(undoes, changes), Class::Sealed)
    }

    /// Everything that can be refused comes before the first event: what was signed is kept.
    fn check_changes(
        &mut self,
        pen: &Pen<'_>,
        changes: &[DocumentChange],
        origin: Option<&DocumentId>,
    ) -> Result<(), AuthorFault> {
        let role = self.control.role(&pen.key.device(), &self.control.all());
        if role < Some(Role::Member) {
            return Err(AuthorFault::Role(role));
        }
        self.settle();
        let (mut makes, mut foreseen) = (0_u64, Foreseen::default());
        for change in changes {
            makes = makes.saturating_add(self.would_count(pen, change, origin, &mut foreseen)?);
        }
        if makes > pen.makes_max {
            return Err(AuthorFault::Quota(makes));
        }
        self.effects.foresee(foreseen);
        Ok(())
    }

    /// A content event that holds a record of a mission. Whether it has effect is the caller's to
    /// know: [`crate::mission::state::State::derive`] made it. `SPEC: MIS-1`
    pub fn write_record(
        &mut self,
        pen: &mut Pen<'_>,
        record: &Record,
    ) -> Result<Vec<Verified>, AuthorFault> {
        let role = self.control.role(&pen.key.device(), &self.control.all());
        if role < Some(Role::Runner) {
            return Err(AuthorFault::Role(role));
        }
        self.settle();
        self.write_content(pen, &cbor::encode(record), Class::Sealed)
    }

    /// A sealed content event of kind and payload, whose effect was checked.
    pub(super) fn write_content(
        &mut self,
        pen: &mut Pen<'_>,
        inside: &[u8],
        class: Class,
    ) -> Result<Vec<Verified>, AuthorFault> {
        let packed = pack(inside)?;
        let mut events = Vec::new();
        let (epoch, key) = match self.ring.write_epoch(&self.control) {
            WriteEpoch::Use(epoch, key) => (epoch, key),
            WriteEpoch::Make => {
                events.extend(self.write_epoch(pen)?);
                match self.ring.write_epoch(&self.control) {
                    WriteEpoch::Use(epoch, key) => (epoch, key),
                    WriteEpoch::Make => {
                        return Err(AuthorFault::Own("its epoch is not fit to write".to_owned()));
                    }
                }
            }
        };
        self.settle();
        self.join_heads(pen, Lane::Control, &mut events)?;
        self.join_heads(pen, Lane::Content, &mut events)?;
        let header = Header { class, epoch: Some(epoch), ..self.draft(pen, Lane::Content, None) };
        let body = if class == Class::Shreddable {
            let mut salt = [0; 32];
            pen.rng.fill_bytes(&mut salt);
            seal_shreddable(&key, &header, packed, &salt)?
        } else {
            seal(&key, &header, packed)
        };
        let hashed = body.get(class.salt_bytes()..).unwrap_or_default();
        let header = Header { body: Some(BodyRef::of(hashed)), ..header };
        events.push(self.sign(pen, header, Some(body))?);
        Ok(events)
    }

    /// Would a change count in an event that is written now? What is void must not be signed: all
    /// later changes of this device would build on it. Gives how many keys and objects it makes; a
    /// change that makes the root is the program's own.
    fn would_count(
        &self,
        pen: &Pen<'_>,
        change: &DocumentChange,
        origin: Option<&DocumentId>,
        foreseen: &mut Foreseen,
    ) -> Result<u64, AuthorFault> {
        let (device, incarnation) = (pen.key.device(), pen.incarnation);
        let origin = origin.filter(|_| change.document.is_none());
        let (document, beginning) = match change.document {
            Some(document) => (document, 0),
            None => {
                let seq = self.next_seq(&device, &incarnation);
                let made = match origin {
                    Some(origin) => crate::hash::branch_id(&device, &incarnation, seq, origin),
                    None => crate::hash::document_id(&device, &incarnation, seq),
                };
                if self.root_document() == Some(made) {
                    return Ok(0);
                }
                (made, DOCUMENT_MAKES)
            }
        };
        let actor = crate::hash::actor(&device, &incarnation, &document, change.generation);
        self.effects
            .would_count(&|no| self.counts(no), (&document, origin), &actor, &change.change)
            .map(|checked| {
                let makes = beginning.saturating_add(checked.makes.into());
                foreseen.keep(document, &change.change, checked);
                makes
            })
            .map_err(AuthorFault::Void)
    }

    /// An epoch with the keys that it carries, and its wraps to all who may read, the recovery key
    /// first. `SPEC: KEY-4, KEY-6`
    pub(super) fn write_epoch(&mut self, pen: &mut Pen<'_>) -> Result<Vec<Verified>, AuthorFault> {
        let mut bytes = [0; 32];
        pen.rng.fill_bytes(&mut bytes);
        let key = EpochKey::from_bytes(bytes);
        let mut events = Vec::new();
        self.join_heads(pen, Lane::Control, &mut events)?;
        // More older keys than an epoch carries are a hostile member's work; the rest stays with
        // those who hold it.
        let mut older = self.ring.newest();
        older.truncate(EPOCH_OLDER_MAX);
        let body = ControlBody::Epoch(epoch_body(&key, &older));
        let epoch = self.write_control(pen, &body)?;
        let id = epoch.id();
        self.ring.learn(id, key.clone());
        events.push(epoch);
        let keys = self.wrap_for_all(pen, &id, &key);
        for keys in keys.chunks(WRAP_RECIPIENTS_MAX) {
            let mut keys = keys.to_vec();
            keys.sort_by_key(|key| key.recipient);
            let wrap = ControlBody::Wrap(Wrap { epoch: id, keys });
            events.push(self.write_control(pen, &wrap)?);
        }
        Ok(events)
    }

    fn wrap_for_all(&self, pen: &mut Pen<'_>, epoch: &EventId, key: &EpochKey) -> Vec<WrappedKey> {
        let members = self.control.members(&self.control.all());
        let readers = members.into_iter().filter(|(_, role)| role.reads());
        let devices =
            readers.filter_map(|(device, _)| Some((device, self.sealing.get(&device)?.key)));
        let recovery = self.recovery.map(|recovery| (recovery.signing, recovery.sealing));
        recovery
            .into_iter()
            .chain(devices)
            .filter_map(|(recipient, to)| wrap_key(&self.id, epoch, key, &recipient, &to, pen.rng))
            .collect()
    }

    /// A control event with this body.
    pub(super) fn write_control(
        &mut self,
        pen: &mut Pen<'_>,
        body: &ControlBody,
    ) -> Result<Verified, AuthorFault> {
        let body = body.encode();
        let header = self.draft(pen, Lane::Control, Some(BodyRef::of(&body)));
        self.sign(pen, header, Some(body))
    }

    /// A control event without a body: its parents are what it says, a device's voice that it has
    /// heard them. `SPEC: CTL-7`
    pub fn write_join(&mut self, pen: &mut Pen<'_>) -> Result<Verified, AuthorFault> {
        let header = self.draft(pen, Lane::Control, None);
        self.sign(pen, header, None)
    }

    /// Joins the heads of a lane by events without a body until what is left fits one header.
    pub(super) fn join_heads(
        &mut self,
        pen: &mut Pen<'_>,
        lane: Lane,
        events: &mut Vec<Verified>,
    ) -> Result<(), AuthorFault> {
        while self.heads(lane).len() > PARENTS_MAX {
            let header = self.draft(pen, lane, None);
            events.push(self.sign(pen, header, None)?);
            self.settle();
        }
        Ok(())
    }

    pub(crate) fn heads(&self, lane: Lane) -> Vec<EventId> {
        match lane {
            Lane::Control => self.control.heads(&self.control.all()),
            Lane::Content => self.content.admitted_heads(),
        }
    }

    /// The header of the next own event of a lane, with as many heads as fit.
    pub(super) fn draft(&self, pen: &mut Pen<'_>, lane: Lane, body: Option<BodyRef>) -> Header {
        let author = pen.key.device();
        let prev = self.own_tip(&author, &pen.incarnation, lane);
        let seq = prev.and_then(|prev| self.known(&prev)).map_or(0, |known| known.header.seq + 1);
        let mut parents = self.heads(lane);
        parents.retain(|head| Some(*head) != prev);
        parents.truncate(PARENTS_MAX);
        let mut heard = match lane {
            Lane::Control => Vec::new(),
            Lane::Content => self.heads(Lane::Control),
        };
        heard.truncate(PARENTS_MAX);
        Header {
            workspace: self.id,
            lane,
            author,
            incarnation: pen.incarnation,
            seq,
            prev,
            parents,
            heard,
            stamp: (pen.stamp)(),
            class: Class::Plain,
            epoch: None,
            body,
        }
    }

    pub(super) fn sign(
        &mut self,
        pen: &Pen<'_>,
        header: Header,
        body: Option<Vec<u8>>,
    ) -> Result<Verified, AuthorFault> {
        if let Some(format) = self.newer_format() {
            return Err(AuthorFault::NewerFormat(format));
        }
        let event = Unsigned { header, body }.sign(pen.key)?;
        self.take(&event, pen.key)?;
        Ok(event)
    }

    /// Our own event passes the same door as everybody's.
    fn take(&mut self, event: &Verified, key: &DeviceKey) -> Result<(), AuthorFault> {
        self.insert(event, key).map(drop).map_err(|fault| match fault {
            InsertFault::Missing(id) => {
                AuthorFault::Own(format!("it names {id}, which is not here"))
            }
            InsertFault::Refused(refusal) => AuthorFault::Own(refusal.to_string()),
        })
    }
}
