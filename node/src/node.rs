//! All workspaces of one device, and the process around them.

mod rows;
mod seen;
mod wanted;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use kernelos_protocol::api::Entering;
use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::id::{DeviceId, WorkspaceId};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::present;
use kernelos_protocol::sync::introduce::Pace;
use kernelos_protocol::sync::workspace_tag;
use kernelos_protocol::time::Time;
use tokio::sync::{Mutex, watch};

use crate::engine::{Engine, Shared};
use crate::entering::{make, make_from, workspace_of};
use crate::founding::{Founded, Founding, found};
use crate::home::{DeviceSecret, OwnedHome, made};
use crate::mesh::{Listen, Online, Ways, speaks};
use crate::missions::{Folder, Worker};
use crate::pairing::{PairingHost, lock};
use crate::peers::Peers;
use crate::store::{Introducer, SqliteStore, to_failure};
use crate::transport::quinn::QuinnTransport;
use crate::transport::{Protocol, Transport};

pub use rows::WorkspaceRow;
use rows::row;

type Engines = BTreeMap<WorkspaceId, Arc<Engine>>;

/// A device with all its workspaces.
pub struct Node {
    home: OwnedHome,
    secret: DeviceSecret,
    ways: Ways,
    peers: Peers,
    /// Agents may run on this device.
    worker: Worker,
    engines: RwLock<Engines>,
    /// Workspaces whose store could not be opened, by their folder's name, and why.
    unopened: BTreeMap<String, Failure>,
    /// Held while a workspace is made, so that two callers cannot take one name.
    making: Mutex<()>,
    mesh: Mutex<Option<Online>>,
    pairing: PairingHost,
    introductions: std::sync::Mutex<Pace>,
    /// How often a workspace came here, or the transport opened or closed.
    changes: watch::Sender<u64>,
}

impl Node {
    /// Owns a home and starts every workspace in it; `worker` is what its missions have.
    pub fn start(home: OwnedHome, ways: Ways, worker: Worker) -> Result<Arc<Self>, Failure> {
        let secret = home.device_secret()?;
        let peers = Peers::load(home.home())?;
        worker.folder.sweep();
        let (mut engines, mut unopened) = (BTreeMap::new(), BTreeMap::new());
        for path in home.stores()? {
            match Engine::start(&path, &secret, &worker) {
                Ok(engine) => drop(engines.insert(engine.workspace(), Arc::new(engine))),
                Err(failure) => drop(unopened.insert(folder_of(&path), failure)),
            }
        }
        // One store that cannot be opened takes nothing from the others.
        if engines.is_empty()
            && let Some((_, failure)) = unopened.pop_first()
        {
            return Err(failure);
        }
        let device = DeviceKey::from_secret(&secret).device();
        let node = Arc::new(Self {
            home,
            secret,
            ways,
            peers,
            worker,
            engines: RwLock::new(engines),
            unopened,
            making: Mutex::new(()),
            mesh: Mutex::new(None),
            pairing: PairingHost::new(device),
            introductions: std::sync::Mutex::default(),
            changes: watch::Sender::default(),
        });
        node.pairing.load_standing(&node);
        Ok(node)
    }

    /// What is wrong since this start, for the person who started it. `SPEC: DUR-13`
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        let unopened = self.unopened.iter();
        let unopened = unopened.map(|(folder, failure)| format!("{folder}: {}", words(failure)));
        let of_stores = |engine: &Arc<Engine>| {
            let told = engine.told.as_deref().map(present::life);
            let shut = self.pairing.shut(engine.workspace());
            let shut = shut.map(|failure| words(&failure));
            let told = told.into_iter().chain(shut);
            told.map(|told| format!("{}: {told}", engine.meta.name)).collect::<Vec<_>>()
        };
        unopened.chain(self.engines().iter().flat_map(of_stores)).collect()
    }

    /// What everything of this device follows from.
    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.secret
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

    /// Where it waits for others.
    pub(crate) fn ways(&self) -> Ways {
        self.ways
    }

    /// The fixed addresses of others.
    pub(crate) fn peers(&self) -> &Peers {
        &self.peers
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
        self.changed();
        engine
    }

    /// The workspaces that speak with others.
    pub(crate) fn synced(&self) -> Vec<Arc<Engine>> {
        self.engines().into_iter().filter(|engine| speaks(engine.meta.mode)).collect()
    }

    /// May this key speak this protocol here? Who was revoked may, to be told so.
    pub(crate) fn admits(&self, device: &DeviceId, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Sync => self.synced().iter().any(|engine| may_sync(engine, device)),
            Protocol::Pair => self.pairing.has_invited(),
            // Whoever shows a grant: what it is worth is judged.
            Protocol::Introduce => !self.synced().is_empty(),
            Protocol::Gossip => self.may_gossip(device),
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

    /// Opens the transports, if any workspace speaks with others. Where none does yet, they can be
    /// opened.
    pub async fn go_online(self: &Arc<Self>) -> Result<(), Failure> {
        if self.home.is_offline() {
            return Ok(());
        }
        if self.synced().is_empty() {
            return self.ways.check();
        }
        self.opened(|_| ()).await
    }

    /// The open transport of pairing; opened where it is not.
    pub(crate) async fn transport(self: &Arc<Self>) -> Result<Arc<dyn Transport>, Failure> {
        self.may_pair()?;
        let iroh = self.opened(Online::iroh).await?;
        iroh.ok_or_else(|| Failure::new(FailureKind::Failed, "the transport is closed"))
    }

    /// Pairing needs addresses that can be told.
    pub(crate) fn may_pair(&self) -> Result<(), Failure> {
        match self.ways.listen {
            Listen::At(_) => Ok(()),
            Listen::None => {
                Err(Failure::new(FailureKind::Failed, "devices do not pair over plain QUIC")
                    .with_hint("restart the node for it: kern up --listen ADDRESS:PORT"))
            }
        }
    }

    /// The open transport to fixed addresses; opened where it is not.
    pub(crate) async fn plain_quic(self: &Arc<Self>) -> Result<Arc<QuinnTransport>, Failure> {
        self.opened(Online::quic).await?.ok_or_else(|| {
            Failure::new(FailureKind::Failed, "this node was started without plain QUIC")
                .with_hint("kern up --quic ADDRESS:PORT")
        })
    }

    async fn opened<T>(self: &Arc<Self>, which: impl FnOnce(&Online) -> T) -> Result<T, Failure> {
        if self.home.is_offline() {
            return Err(Failure::new(FailureKind::Failed, "this device is offline")
                .with_hint("kern online"));
        }
        let mut mesh = self.mesh.lock().await;
        if let Some(online) = &*mesh {
            return Ok(which(online));
        }
        let online = Online::open(self, &self.secret).await?;
        self.changed();
        Ok(which(mesh.insert(online)))
    }

    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Grows with the workspaces, as the transport opens and closes, and as devices pair.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
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
        self.changed();
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
            Engine::start(&path, &self.secret, &self.worker).map_err(|failure| made(&failure))?;
        self.add(engine);
        self.go_online().await.map_err(|failure| made(&failure))?;
        Ok(founded)
    }

    /// Starts a workspace that this device was let into. One that is here already, since an archive
    /// brought it, starts anew and knows then who let it in. `SPEC: ARC-4`
    pub(crate) async fn enter(
        &self,
        workspace: WorkspaceId,
        name: &str,
        device: &str,
        introducer: Introducer,
    ) -> Result<Arc<Engine>, Failure> {
        let _making = self.making.lock().await;
        let here = {
            let mut engines = self.engines.write().unwrap_or_else(PoisonError::into_inner);
            engines.remove(&workspace)
        };
        let (path, let_in) = match here {
            Some(engine) => {
                ended(engine).await;
                let path = self.home.store(&workspace);
                let store = SqliteStore::open(&path);
                (path, store.and_then(|mut store| store.let_in(device, &introducer)))
            }
            None => {
                let device = device.to_owned();
                (make(&self.home, workspace, name, device, Some(introducer), &[])?, Ok(()))
            }
        };
        let engine = self.add(Engine::start(&path, &self.secret, &self.worker)?);
        let_in.map_err(|error| to_failure(&error))?;
        Ok(engine)
    }

    /// Makes a workspace from its genesis, which an archive brought, and starts it; one that is
    /// here stays as it is. `SPEC: ARC-4`
    pub async fn enter_from(
        self: &Arc<Self>,
        entering: &Entering,
    ) -> Result<WorkspaceRow, Failure> {
        let workspace = workspace_of(entering)?;
        let making = self.making.lock().await;
        let here = self.engines().into_iter().find(|engine| engine.workspace() == workspace);
        if let Some(engine) = here {
            return Ok(row(&engine));
        }
        let path = make_from(&self.home, entering)?;
        let engine = self.add(Engine::start(&path, &self.secret, &self.worker)?);
        drop(making);
        let made = row(&engine);
        drop(engine);
        // It is made, whether or not others can be met now: `kern online` says why not.
        self.go_online().await.ok();
        Ok(made)
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

    /// The workspace of this name or id; without one the only one is meant.
    pub(crate) fn engine(&self, name: Option<&str>) -> Result<Arc<Engine>, Failure> {
        if let Some(failure) = name.and_then(|name| self.unopened.get(name)) {
            return Err(failure.clone());
        }
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
            ([engine], Some(_)) => Ok(Arc::clone(engine)),
            ([engine], None) if self.unopened.is_empty() => Ok(Arc::clone(engine)),
            ([], None) => Err(rows::none()),
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
            ended(engine).await;
        }
    }
}

/// The folder of a workspace, which its id names.
fn folder_of(store: &Path) -> String {
    let name = store.parent().and_then(Path::file_name).unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// What is wrong, and what to do.
fn words(failure: &Failure) -> String {
    let hint = failure.hint.as_deref().map(|hint| format!(": {hint}"));
    format!("{}{}", failure.message, hint.unwrap_or_default())
}

/// May this key speak about this workspace? While its history is read its loop lets it wait.
pub(crate) fn may_sync(engine: &Engine, device: &DeviceId) -> bool {
    let is_open =
        |shared: &Shared| shared.granted.contains(device) || shared.is_lost || shared.is_starting;
    engine.shared(is_open) || engine.meta.introducer.as_ref().is_some_and(|(by, _)| by == device)
}

/// Stops a workspace that nobody finds any more. A request under way is answered first.
async fn ended(mut engine: Arc<Engine>) {
    loop {
        match Arc::try_unwrap(engine) {
            Ok(engine) => return engine.stop().await,
            Err(shared) => {
                engine = shared;
                crate::portable::yield_now().await;
            }
        }
    }
}
