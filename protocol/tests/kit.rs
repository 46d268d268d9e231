//! Peers for tests: devices with a workspace each, which hand each other events.

use std::collections::BTreeMap;

use kernelos_protocol::command::Mode;
use kernelos_protocol::content::{DocumentChange, encode_changes};
use kernelos_protocol::control::{ControlBody, Wrap, WrappedKey};
use kernelos_protocol::document::{DocumentDone, DocumentTask, Documents, Edit, founding_change};
use kernelos_protocol::epoch::{EpochKey, unwrap_key};
use kernelos_protocol::event::{BodyRef, Class, Header, Unsigned, Verified};
use kernelos_protocol::hash;
use kernelos_protocol::id::{DocumentId, EventId, Incarnation, Lane, WorkspaceId};
use kernelos_protocol::key::{DeviceKey, RecoveryKey};
use kernelos_protocol::limits::QUOTA_MAKES;
use kernelos_protocol::replica::Config;
use kernelos_protocol::role::Role;
use kernelos_protocol::seal::{open, pack, seal, seal_shreddable};
use kernelos_protocol::time::{Stamp, Time};
use kernelos_protocol::workspace::{
    AuthorFault, InsertFault, NewMember, Pen, StateHash, Workspace,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

/// Noon of some day.
pub(crate) const NOON: Time = Time { monotonic_ms: 0, wall_us: 1_700_000_000_000_000 };

/// A size that who tests by hand may set in the environment.
#[expect(clippy::disallowed_methods, reason = "what is tested by hand is sized by hand")]
pub(crate) fn setting(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

/// The secret of the device with this number.
pub(crate) fn secret(number: u8) -> [u8; 32] {
    std::array::from_fn(|i| i as u8 ^ number.wrapping_mul(37))
}

/// The recovery key of all tests.
pub(crate) fn recovery() -> RecoveryKey {
    RecoveryKey::from_bytes([0xec; 32])
}

/// What the Replica of the device with this number is told.
pub(crate) fn config(number: u8, workspace: WorkspaceId) -> Config {
    Config {
        secret: secret(number),
        incarnation: Incarnation([number; 8]),
        seed: [number; 32],
        workspace,
        workspace_name: "home".to_owned(),
        device_name: format!("device {number}"),
        mode: Mode::Synced,
        runs: false,
        quota: QUOTA_MAKES,
    }
}

/// A device with all that it knows of a workspace.
pub(crate) struct Peer {
    pub(crate) key: DeviceKey,
    pub(crate) incarnation: Incarnation,
    pub(crate) workspace: Workspace,
    pub(crate) documents: Documents,
    /// Its disk.
    kept: BTreeMap<EventId, Verified>,
    /// How often its documents were handed what they are to hold.
    pub(crate) rounds: usize,
    rng: ChaCha20Rng,
    stamp: u64,
}

impl Peer {
    /// A device that knows nothing of `workspace` yet.
    pub(crate) fn new(number: u8, workspace: WorkspaceId) -> Self {
        Self {
            key: DeviceKey::from_secret(&secret(number)),
            incarnation: Incarnation([number; 8]),
            workspace: Workspace::new(workspace),
            documents: Documents::default(),
            kept: BTreeMap::new(),
            rounds: 0,
            rng: ChaCha20Rng::from_seed([number; 32]),
            stamp: NOON.wall_us,
        }
    }

    /// Device 1 founds a workspace with a document; its events so far.
    pub(crate) fn founder() -> (Self, Vec<Verified>) {
        let mut peer = Self::new(1, WorkspaceId::UNBORN);
        let public = recovery().public();
        let found = peer.write(|_, pen| Workspace::found(pen, public));
        let (workspace, mut events) = found.unwrap();
        peer.workspace = workspace;
        let actor = hash::actor(&peer.key.device(), &peer.incarnation, &peer.document(), 1);
        let device = peer.key.device().to_string();
        let change = founding_change(actor, "home", (&device, "device 1")).unwrap();
        events.extend(peer.change(None, change).unwrap());
        (peer, events)
    }

    /// Writes with this device's key.
    pub(crate) fn write<T>(&mut self, work: impl FnOnce(&mut Workspace, &mut Pen<'_>) -> T) -> T {
        let stamp = &mut self.stamp;
        let mut pen = Pen {
            key: &self.key,
            incarnation: self.incarnation,
            stamp: &mut || {
                *stamp += 1;
                Stamp(*stamp)
            },
            rng: &mut self.rng,
            makes_max: u64::MAX,
        };
        work(&mut self.workspace, &mut pen)
    }

    /// Takes events in this order, each after what it names.
    pub(crate) fn take(&mut self, events: &[Verified]) {
        let waiting = self.offer(events);
        assert_eq!(waiting, [], "these never found what they name");
    }

    /// The same; gives what never found what it names. What waits is tried again until nothing
    /// moves.
    pub(crate) fn offer(&mut self, events: &[Verified]) -> Vec<Verified> {
        self.kept.extend(events.iter().map(|event| (event.id(), event.clone())));
        let mut waiting: Vec<_> = events.to_vec();
        loop {
            let before = waiting.len();
            waiting.retain(|event| {
                matches!(self.workspace.insert(event, &self.key), Err(InsertFault::Missing(_)))
            });
            if waiting.len() == before {
                return waiting;
            }
        }
    }

    /// What it took, causes in any order.
    pub(crate) fn disk(&self) -> Vec<Verified> {
        self.kept.values().cloned().collect()
    }

    /// The root document.
    pub(crate) fn document(&self) -> DocumentId {
        self.workspace.root_document().unwrap()
    }

    /// Grants `role` to the device with this number.
    pub(crate) fn grant(&mut self, number: u8, role: Role) -> Vec<Verified> {
        self.try_grant(number, role).unwrap()
    }

    pub(crate) fn try_grant(
        &mut self,
        number: u8,
        role: Role,
    ) -> Result<Vec<Verified>, AuthorFault> {
        let key = DeviceKey::from_secret(&secret(number));
        let member = NewMember {
            device: key.device(),
            sealing: key.sealing_statement(),
            role,
            rule: "a test".to_owned(),
        };
        self.write(|workspace, pen| workspace.write_grant(pen, member))
    }

    /// Revokes the device with this number.
    pub(crate) fn revoke(&mut self, number: u8) -> Vec<Verified> {
        let target = DeviceKey::from_secret(&secret(number)).device();
        self.write(|workspace, pen| workspace.write_revoke(pen, target, "lost")).unwrap()
    }

    /// An event of one change of the document.
    pub(crate) fn change(
        &mut self,
        document: Option<DocumentId>,
        change: Vec<u8>,
    ) -> Result<Vec<Verified>, AuthorFault> {
        let change = DocumentChange { document, generation: 1, change };
        let events = self.write(|workspace, pen| workspace.write_change(pen, vec![change]))?;
        Ok(self.keep(events))
    }

    /// Sets a value in the document, as an event.
    pub(crate) fn set(&mut self, path: &str, value: &str) -> Vec<Verified> {
        let change = self.change_of(path, value);
        self.change(Some(self.document()), change).unwrap()
    }

    /// An event of a change, after these events and all that is known of control, whatever rules
    /// it breaks.
    pub(crate) fn craft_change(&self, change: Vec<u8>, parents: Vec<EventId>) -> Verified {
        let change = DocumentChange { document: Some(self.document()), generation: 1, change };
        self.craft(&encode_changes(vec![change]), parents)
    }

    /// An event with this inside, after these events and all that is known of control.
    pub(crate) fn craft(&self, inside: &[u8], parents: Vec<EventId>) -> Verified {
        self.craft_as(Class::Sealed, inside, parents)
    }

    /// The same in a class; of a shreddable one the salt is always the same.
    pub(crate) fn craft_as(&self, class: Class, inside: &[u8], parents: Vec<EventId>) -> Verified {
        let control = self.workspace.control();
        let epochs = self.kept.values().filter(|event| {
            matches!(event.control(), Some(ControlBody::Epoch(_)))
                && event.header().author != self.key.device()
        });
        let epoch = epochs.map(Verified::id).find(|id| self.workspace.header(id).is_some());
        let epoch = epoch.unwrap();
        let header = Header {
            workspace: self.workspace.id(),
            lane: Lane::Content,
            author: self.key.device(),
            incarnation: self.incarnation,
            seq: 0,
            prev: None,
            parents,
            heard: control.heads(&control.all()),
            stamp: Stamp(1),
            class,
            epoch: Some(epoch),
            body: None,
        };
        let (key, inside) = (self.epoch_key(epoch), pack(inside).unwrap());
        let body = match class {
            Class::Shreddable => seal_shreddable(&key, &header, inside, &[0x5a; 32]).unwrap(),
            _ => seal(&key, &header, inside),
        };
        let named = BodyRef::of(&body[class.salt_bytes()..]);
        self.sign(Header { body: Some(named), ..header }, body)
    }

    /// A change that sets a value in the document, as its chunk.
    pub(crate) fn change_of(&mut self, path: &str, value: &str) -> Vec<u8> {
        self.project();
        let document = self.document();
        let actor = hash::actor(&self.key.device(), &self.incarnation, &document, 1);
        let edit = Edit::Set { set: path.parse().unwrap(), value: value.into() };
        let task = DocumentTask::Transact { document, actor, edits: vec![edit] };
        match self.documents.perform(task) {
            DocumentDone::Transacted(Ok(Some(change))) => change.chunk,
            other => panic!("no change was made: {other:?}"),
        }
    }

    /// Signs a header with a body, whatever they say.
    pub(crate) fn sign(&self, header: Header, body: Vec<u8>) -> Verified {
        Unsigned { header, body: Some(body) }.sign(&self.key).unwrap()
    }

    /// The body of an event under another header of the same place.
    pub(crate) fn resign(&self, event: &Verified, header: Header) -> Verified {
        // A body is bound to its header, so the change is sealed anew.
        let keys = self.epoch_key(header.epoch.unwrap());
        let inside = open(&keys, event.header(), event.body().unwrap()).unwrap();
        let body = seal(&keys, &header, pack(&inside).unwrap());
        self.sign(Header { body: Some(BodyRef::of(&body)), ..header }, body)
    }

    /// The key of an epoch, from a wrap on this device's disk.
    fn epoch_key(&self, id: EventId) -> EpochKey {
        let Some(ControlBody::Epoch(epoch)) = self.kept[&id].control() else { panic!() };
        let wraps = self.kept.values().filter_map(|event| match event.control() {
            Some(ControlBody::Wrap(wrap)) if wrap.epoch == id => Some(wrap),
            _ => None,
        });
        let (workspace, device) = (self.workspace.id(), self.key.device());
        let secret = self.key.sealing_secret();
        wraps
            .filter_map(|wrap| unwrap_key(&workspace, wrap, epoch, &device, secret))
            .next()
            .unwrap()
    }

    /// A wrap of nothing to a device that never was one.
    pub(crate) fn write_garbage_wrap(&self, epoch: EventId, stranger: u8) -> Verified {
        let recipient = DeviceKey::from_secret(&secret(stranger)).device();
        let key = WrappedKey { recipient, encapsulated: [1; 32], sealed: [2; 48] };
        let body = ControlBody::Wrap(Wrap { epoch, keys: vec![key] }).encode();
        let control = self.workspace.control();
        let header = Header {
            workspace: self.workspace.id(),
            lane: Lane::Control,
            author: self.key.device(),
            incarnation: self.incarnation,
            seq: 0,
            prev: None,
            parents: control.heads(&control.all()),
            heard: Vec::new(),
            stamp: Stamp(1),
            class: Class::Plain,
            epoch: None,
            body: Some(BodyRef::of(&body)),
        };
        self.sign(header, body)
    }

    /// What this device wrote itself is on its disk as well.
    pub(crate) fn keep(&mut self, events: Vec<Verified>) -> Vec<Verified> {
        self.kept.extend(events.iter().map(|event| (event.id(), event.clone())));
        events
    }

    /// Brings the document up to what is admitted.
    pub(crate) fn project(&mut self) -> Option<DocumentDone> {
        let mut last = None;
        loop {
            self.rounds += 1;
            self.workspace.settle();
            for place in self.workspace.wanted_places() {
                self.workspace.body_loaded(&self.kept[&place.id]);
            }
            let tasks = self.workspace.document_tasks(&mut |_, _| true);
            let done = tasks.into_iter().map(|task| self.documents.perform(task)).last();
            last = done.or(last);
            if self.workspace.wanted_places().is_empty() {
                return last;
            }
        }
    }

    /// What is at a path, as JSON text.
    pub(crate) fn get(&mut self, path: &str) -> String {
        self.project();
        let (document, path) = (self.document(), path.parse().unwrap());
        match self.documents.perform(DocumentTask::Read { document, path }) {
            DocumentDone::Read(Ok(read)) => read.value.to_string(),
            DocumentDone::Read(Err(fault)) => fault.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// The state hash with the document's heads.
    pub(crate) fn state(&mut self) -> StateHash {
        self.project();
        let document = self.document();
        let task = DocumentTask::Apply { document, changes: Vec::new() };
        let DocumentDone::Holds { heads, .. } = self.documents.perform(task) else {
            panic!("the document holds nothing");
        };
        let heads = heads.unwrap();
        self.workspace.state_hash([(&document, &heads)].into_iter()).unwrap()
    }

    /// The verdict on an event, as one word.
    pub(crate) fn verdict(&mut self, id: &EventId) -> String {
        self.workspace.settle();
        let (verdict, _) = self.workspace.verdict(id).unwrap();
        format!("{verdict:?}").to_lowercase()
    }
}
