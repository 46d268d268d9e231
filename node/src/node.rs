//! All workspaces of one device, and the process around them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use kernelos_protocol::command::{Command, Failure, FailureKind, Mode, Reply, Status};
use kernelos_protocol::id::{DeviceId, WorkspaceId};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::sync::introduce::Pace;
use kernelos_protocol::sync::workspace_tag;
use kernelos_protocol::time::Time;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::engine::Engine;
use crate::founding::{Founded, Founding, found};
use crate::home::{OwnedHome, made};
use crate::mesh::{Online, speaks};
use crate::missions::{Folder, Worker};
use crate::pairing::{PairingHost, lock};
use crate::transport::{Protocol, Transport};

/// A workspace on this device, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceRow {
    /// Its name here.
    pub workspace: String,
    /// Its id.
    pub workspace_id: WorkspaceId,
    /// This device's name in it.
    pub device: String,
    /// Does it speak with others?
    pub mode: Mode,
}

type Engines = BTreeMap<WorkspaceId, Arc<Engine>>;

/// A device with all its workspaces.
pub struct Node {
    home: OwnedHome,
    secret: [u8; 32],
    listen: SocketAddr,
    /// Agents may run on this device.
    worker: Worker,
    engines: RwLock<Engines>,
    /// Held while a workspace is made, so that two callers cannot take one name.
    making: Mutex<()>,
    mesh: Mutex<Option<Online>>,
    pairing: PairingHost,
    introductions: std::sync::Mutex<Pace>,
}

impl Node {
    /// Owns a home and starts every workspace in it; `worker` is what its missions have.
    pub fn start(
        home: OwnedHome,
        listen: SocketAddr,
        worker: Worker,
    ) -> Result<Arc<Self>, Failure> {
        let secret = home.device_secret()?;
        worker.folder.sweep();
        let mut engines = BTreeMap::new();
        for path in home.stores()? {
            let engine = Engine::start(&path, secret, &worker)?;
            engines.insert(engine.workspace(), Arc::new(engine));
        }
        let device = DeviceKey::from_secret(&secret).device();
        Ok(Arc::new(Self {
            home,
            secret,
            listen,
            worker,
            engines: RwLock::new(engines),
            making: Mutex::new(()),
            mesh: Mutex::new(None),
            pairing: PairingHost::new(device),
            introductions: std::sync::Mutex::default(),
        }))
    }

    /// This device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        DeviceKey::from_secret(&self.secret).device()
    }

    /// Its keys.
    pub(crate) fn key(&self) -> DeviceKey {
        DeviceKey::from_secret(&self.secret)
    }

    /// What lies on its disk.
    pub(crate) fn home(&self) -> &OwnedHome {
        &self.home
    }

    /// Where its missions work.
    pub(crate) fn missions(&self) -> &Folder {
        &self.worker.folder
    }

    /// Where it listens.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Those that invite and those that come.
    pub(crate) fn pairing(&self) -> &PairingHost {
        &self.pairing
    }

    fn engines(&self) -> Vec<Arc<Engine>> {
        let engines = self.engines.read().unwrap_or_else(PoisonError::into_inner);
        engines.values().cloned().collect()
    }

    fn add(&self, engine: Engine) -> Arc<Engine> {
        let engine = Arc::new(engine);
        let mut engines = self.engines.write().unwrap_or_else(PoisonError::into_inner);
        engines.insert(engine.workspace(), Arc::clone(&engine));
        engine
    }

    /// The workspaces that speak with others.
    pub(crate) fn synced(&self) -> Vec<Arc<Engine>> {
        self.engines().into_iter().filter(|engine| speaks(engine.meta.mode)).collect()
    }

    /// May this key speak this protocol here? Who was revoked may, to be told so.
    pub(crate) fn admits(&self, device: &DeviceId, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Sync => self.synced().iter().any(|engine| {
                engine.shared(|shared| shared.granted.contains(device))
                    || engine.meta.introducer.as_ref().is_some_and(|(by, _)| by == device)
            }),
            Protocol::Pair => self.pairing.has_invited(),
            // Whoever shows a grant: what it is worth is judged.
            Protocol::Introduce => !self.synced().is_empty(),
        }
    }

    /// The workspace that is named so on a channel with this exporter.
    pub(crate) fn named(&self, exporter: &[u8; 32], tag: &[u8; 32]) -> Option<Arc<Engine>> {
        let named = |engine: &Arc<Engine>| workspace_tag(exporter, &engine.workspace()) == *tag;
        self.synced().into_iter().find(named)
    }

    /// May one more introduction be checked now?
    pub(crate) fn may_check_introduction(&self, now: Time) -> bool {
        lock(&self.introductions).take(now)
    }

    /// Whom a workspace is to dial, and where.
    pub(crate) fn targets(&self, engine: &Engine) -> Vec<(DeviceId, Vec<SocketAddr>)> {
        let own = self.device();
        let (connected, mut reachable, members) = engine.shared(|shared| {
            let connected: BTreeSet<_> = shared.connected.keys().copied().collect();
            (connected, shared.reachable.clone(), shared.members.clone())
        });
        if let Some((device, addresses)) = &engine.meta.introducer {
            reachable.entry(*device).or_insert_with(|| addresses.clone());
        }
        // Before its history is here, a newcomer knows nobody but who brought it in.
        let wanted = |device: &DeviceId| members.is_empty() || members.contains(device);
        reachable
            .into_iter()
            .filter(|(device, at)| {
                *device != own && !connected.contains(device) && !at.is_empty() && wanted(device)
            })
            .collect()
    }

    /// Opens the transport, if any workspace speaks with others.
    pub async fn go_online(self: &Arc<Self>) -> Result<(), Failure> {
        if self.home.is_offline() || self.synced().is_empty() {
            return Ok(());
        }
        self.transport().await.map(drop)
    }

    /// The open transport; opened where it is not.
    pub(crate) async fn transport(self: &Arc<Self>) -> Result<Arc<dyn Transport>, Failure> {
        if self.home.is_offline() {
            return Err(Failure::new(FailureKind::Failed, "this device is offline")
                .with_hint("kern online"));
        }
        let mut mesh = self.mesh.lock().await;
        if let Some(online) = &*mesh {
            return Ok(online.transport());
        }
        let online = Online::open(self, self.secret).await?;
        let transport = online.transport();
        *mesh = Some(online);
        Ok(transport)
    }

    /// Is a transport open?
    pub async fn is_online(&self) -> bool {
        self.mesh.lock().await.is_some()
    }

    /// Closes the transport and keeps it closed until [`Self::online`].
    pub async fn offline(&self) -> Result<(), Failure> {
        self.home.set_offline(true)?;
        self.close_mesh().await;
        Ok(())
    }

    /// Opens the transport again.
    pub async fn online(self: &Arc<Self>) -> Result<(), Failure> {
        self.home.set_offline(false)?;
        self.go_online().await
    }

    async fn close_mesh(&self) {
        let online = self.mesh.lock().await.take();
        for engine in self.engines() {
            engine.offline().await;
        }
        if let Some(online) = online {
            online.close().await;
        }
    }

    /// All workspaces here, by name.
    #[must_use]
    pub fn workspaces(&self) -> Vec<WorkspaceRow> {
        let mut rows: Vec<_> = self.engines().iter().map(|engine| row(engine)).collect();
        rows.sort_by(|a, b| a.workspace.cmp(&b.workspace));
        rows
    }

    /// Founds a workspace and starts it.
    pub async fn found(self: &Arc<Self>, founding: &Founding) -> Result<Founded, Failure> {
        let _making = self.making.lock().await;
        let (founded, path) = found(&self.home, founding)?;
        let engine =
            Engine::start(&path, self.secret, &self.worker).map_err(|failure| made(&failure))?;
        self.add(engine);
        self.go_online().await.map_err(|failure| made(&failure))?;
        Ok(founded)
    }

    /// Starts a workspace that this device was let into.
    pub(crate) async fn enter(
        &self,
        make: impl FnOnce(&OwnedHome) -> Result<std::path::PathBuf, Failure>,
    ) -> Result<Arc<Engine>, Failure> {
        let _making = self.making.lock().await;
        let path = make(&self.home)?;
        Ok(self.add(Engine::start(&path, self.secret, &self.worker)?))
    }

    /// Asks one workspace. Without a name the only one is meant.
    pub async fn ask(&self, name: Option<&str>, command: Command) -> Reply {
        match self.engine(name) {
            Ok(engine) => match engine.ask(command).await {
                Reply::Status(status) => {
                    Reply::Status(Box::new(self.with_paths(&engine, *status).await))
                }
                reply => reply,
            },
            Err(failure) => Reply::Failed(failure),
        }
    }

    /// What only the node sees: its transport, and over what each peer is reached.
    async fn with_paths(&self, engine: &Engine, mut status: Status) -> Status {
        status.online = speaks(engine.meta.mode) && self.is_online().await;
        let paths = engine.shared(|shared| shared.connected.clone());
        for peer in &mut status.peers {
            let path = paths.get(&peer.device).copied().flatten();
            peer.path = path.map(|path| path.kind.name().to_owned());
            peer.rtt_ms = path.and_then(|path| path.rtt_ms);
        }
        status
    }

    /// The workspace of this name or id; without one the only one is meant.
    pub(crate) fn engine(&self, name: Option<&str>) -> Result<Arc<Engine>, Failure> {
        let named: Vec<_> = self
            .engines()
            .into_iter()
            .filter(|engine| {
                name.is_none_or(|name| {
                    engine.meta.name == name || engine.workspace().to_string() == name
                })
            })
            .collect();
        match (&named[..], name) {
            ([engine], _) => Ok(Arc::clone(engine)),
            ([], None) => Err(Failure::new(FailureKind::Failed, "this device has no workspace")
                .with_hint("make one: kern init NAME --device NAME")),
            ([], Some(name)) => Err(Failure::new(
                FailureKind::Failed,
                format!("there is no workspace {name:?} here"),
            )
            .with_hint("`kern workspace list` shows all")),
            (_, _) => {
                let names: Vec<_> = named.iter().map(|engine| engine.meta.name.as_str()).collect();
                Err(Failure::new(FailureKind::Usage, "this device has several workspaces")
                    .with_hint(format!("say which: --workspace {}", names.join(" | "))))
            }
        }
    }

    /// Finishes what is under way, then stops.
    pub async fn stop(&self) {
        self.close_mesh().await;
        let engines = {
            let mut engines = self.engines.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *engines)
        };
        for engine in engines.into_values() {
            // A request under way holds its engine; it is answered first.
            let mut engine = engine;
            loop {
                match Arc::try_unwrap(engine) {
                    Ok(engine) => {
                        engine.stop().await;
                        break;
                    }
                    Err(shared) => {
                        engine = shared;
                        crate::portable::yield_now().await;
                    }
                }
            }
        }
    }
}

fn row(engine: &Engine) -> WorkspaceRow {
    WorkspaceRow {
        workspace: engine.meta.name.clone(),
        workspace_id: engine.workspace(),
        device: engine.meta.device.clone(),
        mode: engine.meta.mode,
    }
}
