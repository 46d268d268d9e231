//! Devices of a run: a home and an engine each, as `kern up` has them, in one process.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kernelos_protocol::command::{Command, Failure, FailureKind, Mode, Reply};
use kernelos_protocol::document::{DocPath, Edit as DocEdit};
use kernelos_protocol::id::{DeviceId, EventId};
use kernelos_protocol::key::{DeviceKey, RecoveryKey};
use kernelos_protocol::role::Role;
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::edits::{Edit, Edits, FIELDS, TASKS, name, text};
use super::scratch::Scratch;
use crate::engine::Engine;
use crate::entering::make;
use crate::founding::{Founding, found};
use crate::home::{Home, OwnedHome, random};
use crate::missions::{Folder, StepTimeout, Worker};
use crate::transport::memory::{MemoryNetwork, MemoryTransport};
use crate::transport::quinn::QuinnTransport;
use crate::transport::{DialError, Guard, Link, Protocol, Transport};

/// Edits handed in at once where it is not the point how many.
pub(super) const GROUP: usize = 128;

/// Tasks in one command: a text takes an operation for each character.
const BATCH: usize = 250;

/// Nothing that a workload waits for takes longer, or it is told that it does.
const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks whether something has come.
const LOOK: Duration = Duration::from_micros(500);

/// Bytes by what they say.
pub(super) type Sent = BTreeMap<&'static str, u64>;

/// A device with its engine.
pub(super) struct Device {
    name: String,
    secret: Zeroizing<[u8; 32]>,
    home: OwnedHome,
    store: PathBuf,
    engine: Engine,
}

impl Device {
    /// One that founds a workspace, with the tasks in it.
    pub(super) async fn founder(scratch: &Scratch) -> Result<Self, Failure> {
        let home = Home::at(&scratch.file("device")).own()?;
        let recovery = RecoveryKey::from_bytes(random()?).public();
        let founding = Founding {
            name: "bench".to_owned(),
            device: "founder".to_owned(),
            mode: Mode::Synced,
            recovery_signing: recovery.signing,
            recovery_sealing: EventId(recovery.sealing.0),
        };
        let store = found(&home, &founding)?.1;
        let device = Self::start("founder", home, store)?;
        for edits in tasks()?.chunks(BATCH) {
            device.ask(Command::Edit { edits: edits.to_vec() }).await?;
        }
        Ok(device)
    }

    /// One that this device lets in, and that has nothing yet.
    pub(super) async fn let_in(&self, scratch: &Scratch, name: &str) -> Result<Self, Failure> {
        let home = Home::at(&scratch.file("device")).own()?;
        let secret = home.device_secret()?;
        self.ask(grant(&DeviceKey::from_secret(&secret), name)).await?;
        let introducer = Some((self.id(), Vec::new()));
        let store =
            make(&home, self.engine.workspace(), "bench", name.to_owned(), introducer, &[])?;
        Self::start(name, home, store)
    }

    fn start(name: &str, home: OwnedHome, store: PathBuf) -> Result<Self, Failure> {
        let worker = Worker {
            folder: Folder::below(home.home().path()),
            hidden: home.home().path().to_owned(),
            sandbox: Arc::new(Err("nothing runs in a bench".to_owned())),
            runs: false,
            step_timeout: StepTimeout::default(),
        };
        let secret = home.device_secret()?;
        let engine = Engine::start(&store, &secret, &worker)?;
        Ok(Self { name: name.to_owned(), secret, home, store, engine })
    }

    /// Stops it; gives its home, for a node in a process of its own, and where its events lie.
    pub(super) async fn leave(self) -> (PathBuf, PathBuf) {
        let Self { home, store, engine, .. } = self;
        engine.stop().await;
        (home.home().path().to_owned(), store)
    }

    /// Its key, as others know it.
    pub(super) fn id(&self) -> DeviceId {
        DeviceKey::from_secret(&self.secret).device()
    }

    /// Its key, which opens what it holds.
    pub(super) fn key(&self) -> DeviceKey {
        DeviceKey::from_secret(&self.secret)
    }

    /// Bytes of frames that it sent, by what they say.
    pub(super) fn sent(&self) -> Sent {
        self.engine.shared(|shared| shared.sent.clone())
    }

    /// Where it has what it keeps.
    pub(super) fn home(&self) -> PathBuf {
        self.home.home().path().to_owned()
    }

    /// Where its events lie.
    pub(super) fn store(&self) -> &Path {
        &self.store
    }

    pub(super) async fn stop(self) {
        self.engine.stop().await;
    }

    /// Ends all its links; returns when none is up.
    pub(super) async fn parted(&self) {
        self.engine.offline().await;
        while !self.engine.shared(|shared| shared.connected.is_empty()) {
            sleep(LOOK).await;
        }
    }

    pub(super) async fn ask(&self, command: Command) -> Result<Reply, Failure> {
        match self.engine.ask(command).await {
            Reply::Failed(failure) => Err(failure),
            reply => Ok(reply),
        }
    }

    /// Edits, a command each, so many handed in at once; done when the last is durable.
    pub(super) async fn write(&self, edits: &[Edit], group: usize) -> Result<(), Failure> {
        for group in edits.chunks(group) {
            let mut asked = JoinSet::new();
            for edit in group {
                let (asker, command) = (self.engine.asker(), command(*edit)?);
                asked.spawn(async move { asker.ask(command).await });
            }
            while let Some(reply) = asked.join_next().await {
                if let Reply::Failed(failure) = reply.map_err(failed)? {
                    return Err(failure);
                }
            }
        }
        Ok(())
    }

    /// Writes something that others can wait for: by then all that was written before is there.
    pub(super) async fn mark(&self, mark: u64) -> Result<Mark, Failure> {
        let mark = Mark { path: path(&format!("notes/{}", self.name))?, value: json!(mark) };
        let edit = DocEdit::Set { set: mark.path.clone(), value: mark.value.clone() };
        self.ask(Command::Edit { edits: vec![edit] }).await?;
        Ok(mark)
    }

    /// Is the mark here, in the document?
    pub(super) async fn has(&self, mark: &Mark) -> bool {
        let reply = self.engine.ask(Command::Read { path: mark.path.clone() }).await;
        matches!(reply, Reply::Read(read) if read.value == mark.value)
    }

    /// Waits until all of the marks are here.
    pub(super) async fn wait_for(&self, marks: &[Mark]) -> Result<(), Failure> {
        let end = Instant::now() + PATIENCE;
        for mark in marks {
            while !self.has(mark).await {
                if Instant::now() > end {
                    return Err(failed(format!("{} did not get everything", self.name)));
                }
                sleep(LOOK).await;
            }
        }
        Ok(())
    }
}

/// Lets a key in as a member.
pub(super) fn grant(key: &DeviceKey, name: &str) -> Command {
    let statement = key.sealing_statement();
    Command::Grant {
        device: key.device(),
        sealing_key: statement.key,
        sealing_signature: kernelos_protocol::id::Signature(statement.signature),
        role: Role::Member,
        name: name.to_owned(),
        rule: "bench".to_owned(),
        uses: None,
    }
}

/// Something that is waited for.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    path: DocPath,
    value: Json,
}

/// Two devices in one process with nothing between them; their link ends with it.
pub(super) struct Wire {
    network: MemoryNetwork,
    _ends: [MemoryTransport; 2],
}

impl Wire {
    /// Connects them.
    pub(super) async fn between(a: &Device, b: &Device) -> Result<Self, Failure> {
        let network = MemoryNetwork::default();
        let ends = [a, b].map(|device| network.bind(device.id(), everybody()));
        join(a, b, dialed(&ends[0], &ends[1]).await?).await;
        Ok(Self { network, _ends: ends })
    }

    /// Bytes that it carried, in both directions and with the lengths of frames.
    pub(super) fn bytes(&self) -> u64 {
        self.network.carried()
    }
}

/// The ends of plain QUIC over loopback of some devices; their links end with it.
pub(super) struct Loopback(Vec<QuinnTransport>);

impl Loopback {
    /// Binds all of them.
    pub(super) fn bind(devices: &[&Device]) -> Result<Self, Failure> {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let bound =
            devices.iter().map(|device| QuinnTransport::bind(&device.secret, at, everybody()));
        Ok(Self(bound.collect::<Result<_, _>>().map_err(failed)?))
    }

    /// Binds all of them and connects each with each.
    pub(super) async fn meet(devices: &[&Device]) -> Result<Self, Failure> {
        let loopback = Self::bind(devices)?;
        for (one, other, link) in loopback.links().await? {
            join(devices[one], devices[other], link).await;
        }
        Ok(loopback)
    }

    /// A link between each two of them, all made before the first is used.
    pub(super) async fn links(&self) -> Result<Vec<(usize, usize, [Link; 2])>, Failure> {
        let mut links = Vec::new();
        for (one, near) in self.0.iter().enumerate() {
            for (other, far) in self.0.iter().enumerate().skip(one + 1) {
                links.push((one, other, dialed(near, far).await?));
            }
        }
        Ok(links)
    }

    /// Ends all links and gives the ports back.
    pub(super) async fn close(self) {
        for transport in self.0 {
            transport.close().await;
        }
    }
}

/// Hands a link over to the engines at its ends.
pub(super) async fn join(a: &Device, b: &Device, [near, far]: [Link; 2]) {
    a.engine.attach(near, None).await;
    b.engine.attach(far, None).await;
}

async fn dialed(near: &dyn Transport, far: &dyn Transport) -> Result<[Link; 2], Failure> {
    let addresses = far.addresses();
    let dial = near.dial(far.device(), &addresses, Protocol::Sync);
    let (near, far) = tokio::join!(dial, far.accept());
    let near = near.map_err(failed)?;
    let far = far.ok_or_else(|| failed(DialError::Closed))?;
    Ok([near, far])
}

pub(super) fn everybody() -> Guard {
    Arc::new(|_, _| true)
}

/// The tasks, an edit each.
fn tasks() -> Result<Vec<DocEdit>, Failure> {
    let task = |(task, edit): (usize, Edit)| {
        let [title, state, owner, days] = FIELDS;
        let shown = text(edit.value);
        let value = json!({ title: shown, state: shown, owner: shown, days: edit.value });
        Ok(DocEdit::Set { set: path(&format!("tasks/{}", name(task)))?, value })
    };
    (0..TASKS).zip(Edits::new(0)).map(task).collect()
}

/// An edit as a command.
pub(super) fn command(edit: Edit) -> Result<Command, Failure> {
    Ok(Command::Edit { edits: vec![doc_edit(edit)?] })
}

/// An edit of the document.
pub(super) fn doc_edit(edit: Edit) -> Result<DocEdit, Failure> {
    let field = FIELDS.get(edit.field).copied().unwrap_or_default();
    let set = path(&format!("tasks/{}/{field}", name(edit.task)))?;
    Ok(DocEdit::Set { set, value: json!(edit.value) })
}

pub(super) fn path(text: &str) -> Result<DocPath, Failure> {
    text.parse().map_err(failed)
}

pub(super) fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(FailureKind::Failed, error)
}
