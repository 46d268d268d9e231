//! A device of the bench: a Replica, its documents and a store in memory, and where its time went.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::time::{Duration, Instant};

use kernelos_protocol::command::{Command, Mode, Reply, RequestId};
use kernelos_protocol::document::{DocumentTask, Documents, Edit};
use kernelos_protocol::event::Verified;
use kernelos_protocol::id::{DeviceId, EventId, Incarnation, Signature, WorkspaceId};
use kernelos_protocol::key::{DeviceKey, RecoveryKey};
use kernelos_protocol::replica::{Config, Input, Output, Replica};
use kernelos_protocol::role::Role;
use kernelos_protocol::store::{LoadRequest, Record, Slice, Sought};
use kernelos_protocol::sync::{LinkId, Message};
use kernelos_protocol::time::Time;

use crate::edits::{Edits, FIELDS, TASKS, name, text};

/// Edits handed in at once.
const GROUP: usize = 128;

/// Tasks in one command: a text takes an operation for each character.
const BATCH: usize = 250;

const NOW: Time = Time { monotonic_ms: 0, wall_us: 1_700_000_000_000_000 };

/// What time is spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Rows of the serving store become events.
    Load,
    /// All else that who serves does: what to send, and frames written.
    Serve,
    /// Frames are read, and what is in them is verified.
    Read,
    /// The Replica takes messages: insert, admit, effects.
    Handle,
    /// The Replica's turns: what the documents are told, what is said.
    Turn,
    /// Records become rows.
    Keep,
    /// The documents do what they are told.
    Documents,
}

impl Stage {
    pub(crate) const ALL: [Self; 7] = [
        Self::Load,
        Self::Serve,
        Self::Read,
        Self::Handle,
        Self::Turn,
        Self::Keep,
        Self::Documents,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Load => "sender: rows read",
            Self::Serve => "sender: chosen, frames written",
            Self::Read => "receiver: frames read and verified",
            Self::Handle => "receiver: handled (insert, admit, effects)",
            Self::Turn => "receiver: turns (documents told, acks)",
            Self::Keep => "receiver: records encoded",
            Self::Documents => "receiver: documents applied",
        }
    }
}

/// Where time went.
#[derive(Debug, Default)]
pub(crate) struct Spent(BTreeMap<Stage, Duration>);

impl Spent {
    fn on<T>(&mut self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = work();
        *self.0.entry(stage).or_default() += start.elapsed();
        done
    }

    /// What it says is of who serves: all of that but loading is one stage.
    pub(crate) fn serves(&mut self) {
        let load = self.of(Stage::Load);
        let serve = self.all() - load;
        self.0 = [(Stage::Load, load), (Stage::Serve, serve)].into();
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (stage, time) in &other.0 {
            *self.0.entry(*stage).or_default() += *time;
        }
    }

    pub(crate) fn of(&self, stage: Stage) -> Duration {
        self.0.get(&stage).copied().unwrap_or_default()
    }

    pub(crate) fn all(&self) -> Duration {
        self.0.values().sum()
    }

    pub(crate) fn without_documents(&self) -> Duration {
        self.all() - self.of(Stage::Documents)
    }
}

/// Rows of events in their order, and nothing else.
#[derive(Default)]
struct Rows {
    rows: Vec<Vec<u8>>,
    places: BTreeMap<EventId, usize>,
}

impl Rows {
    fn commit(&mut self, records: &[Record]) {
        for record in records {
            let Record::Event(event) = record else { continue };
            if self.places.insert(event.id(), self.rows.len()).is_none() {
                self.rows.push(event.encode());
            }
        }
    }

    fn load(&self, request: &LoadRequest) -> Result<Slice, Box<dyn Error>> {
        let mut slice = Slice::default();
        if let LoadRequest::Sought(sought) = request {
            for Sought { place, header } in sought {
                let at = self.places.get(&place.id).ok_or("an event is not kept")?;
                let (row, header) = (self.rows.get(*at).ok_or("no row")?, header.as_ref());
                let known = header.and_then(|header| Verified::of_known_row(row, place.id, header));
                slice.events.push(known.ok_or("another event")?);
            }
        }
        Ok(slice)
    }
}

/// A device.
pub(crate) struct Device {
    key: DeviceKey,
    workspace: WorkspaceId,
    replica: Replica,
    documents: Documents,
    rows: Rows,
    replies: VecDeque<Reply>,
    frames: Vec<Vec<u8>>,
    links: u64,
    /// Where its time went.
    pub(crate) spent: Spent,
    /// What its documents were told, in order.
    pub(crate) changes: Vec<Vec<u8>>,
}

fn secret(number: u8) -> [u8; 32] {
    [number; 32]
}

fn config(number: u8, workspace: WorkspaceId) -> Config {
    Config {
        secret: secret(number),
        incarnation: Incarnation([number; 8]),
        seed: [number; 32],
        workspace,
        workspace_name: "bench".to_owned(),
        device_name: format!("device {number}"),
        mode: Mode::Synced,
        runs: false,
        quota: u64::MAX,
    }
}

impl Device {
    fn new(number: u8, replica: Replica) -> Self {
        Self {
            key: DeviceKey::from_secret(&secret(number)),
            workspace: replica.workspace().id(),
            replica,
            documents: Documents::default(),
            rows: Rows::default(),
            replies: VecDeque::new(),
            frames: Vec::new(),
            links: 0,
            spent: Spent::default(),
            changes: Vec::new(),
        }
    }

    /// One that founds a workspace and writes so many events into it, after the tasks.
    pub(crate) fn writer(events: u32) -> Result<Self, Box<dyn Error>> {
        let recovery = RecoveryKey::from_bytes([0xec; 32]).public();
        let replica = Replica::found(config(1, WorkspaceId::UNBORN), recovery, NOW)?;
        let mut device = Self::new(1, replica);
        device.turns()?;
        let tasks = (0..TASKS).zip(Edits::new(0)).map(|(task, edit)| {
            let [title, state, owner, days] = FIELDS;
            let shown = text(edit.value);
            let value = serde_json::json!({
                title: shown, state: shown, owner: shown, days: edit.value,
            });
            Ok(Edit::Set { set: format!("tasks/{}", name(task)).parse()?, value })
        });
        let tasks: Vec<Edit> = tasks.collect::<Result<_, Box<dyn Error>>>()?;
        for tasks in tasks.chunks(BATCH) {
            device.ask(vec![Command::Edit { edits: tasks.to_vec() }])?;
        }
        let edits: Vec<_> = Edits::new(1).take(usize::try_from(events)?).collect();
        for group in edits.chunks(GROUP) {
            let commands = group.iter().map(|edit| {
                let field = FIELDS.get(edit.field).copied().unwrap_or_default();
                let set = format!("tasks/{}/{field}", name(edit.task)).parse()?;
                Ok(Command::Edit { edits: vec![Edit::Set { set, value: edit.value.into() }] })
            });
            device.ask(commands.collect::<Result<_, Box<dyn Error>>>()?)?;
        }
        Ok(device)
    }

    /// A member with nothing.
    pub(crate) fn let_in(&mut self, number: u8) -> Result<Self, Box<dyn Error>> {
        let key = DeviceKey::from_secret(&secret(number));
        let sealing = key.sealing_statement();
        self.ask(vec![Command::Grant {
            device: key.device(),
            sealing_key: sealing.key,
            sealing_signature: Signature(sealing.signature),
            role: Role::Member,
            name: format!("device {number}"),
            rule: "bench".to_owned(),
            uses: None,
        }])?;
        let mut member = Self::new(number, Replica::load(config(number, self.workspace), NOW));
        member.turns()?;
        Ok(member)
    }

    pub(crate) fn id(&self) -> DeviceId {
        self.key.device()
    }

    pub(crate) fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    pub(crate) fn kept(&self) -> usize {
        self.rows.rows.len()
    }

    pub(crate) fn links_so_far(&self) -> u64 {
        self.links
    }

    pub(crate) fn connect(&mut self, link: LinkId, device: DeviceId, dialed: bool, tag: [u8; 32]) {
        self.links += 1;
        self.replica.handle(NOW, Input::PeerUp { link, device, dialed, workspace: tag });
    }

    pub(crate) fn hang_up(&mut self, link: LinkId) -> Result<(), Box<dyn Error>> {
        self.replica.handle(NOW, Input::PeerDown(link));
        self.turns()
    }

    fn ask(&mut self, commands: Vec<Command>) -> Result<(), Box<dyn Error>> {
        let asked = commands.len();
        for command in commands {
            self.replica.handle(NOW, Input::Command(RequestId(1), command));
        }
        self.turns()?;
        if self.replies.len() != asked {
            return Err(format!("{} of {asked} commands were answered", self.replies.len()).into());
        }
        for reply in self.replies.drain(..) {
            if let Reply::Failed(failure) = reply {
                return Err(failure.to_string().into());
            }
        }
        Ok(())
    }

    /// What was sent since.
    pub(crate) fn take_frames(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.frames)
    }

    /// Takes frames, in one turn.
    pub(crate) fn hear(&mut self, link: LinkId, frames: &[Vec<u8>]) -> Result<(), Box<dyn Error>> {
        for frame in frames {
            let read = || Message::decode(frame, &self.workspace);
            let message = self.spent.on(Stage::Read, read)?;
            let input = Input::Message(link, message);
            self.spent.on(Stage::Handle, || self.replica.handle(NOW, input));
        }
        Ok(())
    }

    /// Turns until nothing is to be done.
    pub(crate) fn turns(&mut self) -> Result<(), Box<dyn Error>> {
        loop {
            let take = || std::iter::from_fn(|| self.replica.poll_output()).collect::<Vec<_>>();
            let outputs = self.spent.on(Stage::Turn, take);
            if outputs.is_empty() {
                return Ok(());
            }
            for output in outputs {
                self.perform(output)?;
            }
        }
    }

    fn perform(&mut self, output: Output) -> Result<(), Box<dyn Error>> {
        match output {
            Output::Persist(records) => {
                self.spent.on(Stage::Keep, || self.rows.commit(&records));
            }
            Output::Load(request) => {
                let slice = self.spent.on(Stage::Load, || self.rows.load(&request))?;
                self.spent.on(Stage::Handle, || self.replica.handle(NOW, Input::Loaded(slice)));
            }
            Output::Perform(task) => {
                if let DocumentTask::Apply { changes, .. } = &task {
                    self.changes.extend_from_slice(changes);
                }
                let done = self.spent.on(Stage::Documents, || self.documents.perform(task));
                self.spent.on(Stage::Handle, || self.replica.handle(NOW, Input::Done(done)));
            }
            Output::Reply(_, reply) => self.replies.push_back(reply),
            Output::Send(_, frame) => self.frames.push(frame),
            Output::Disconnect(_, reason) => return Err(reason.into()),
            Output::Reachable(..) | Output::Work(_) | Output::Cancel(_) => {}
        }
        Ok(())
    }
}
