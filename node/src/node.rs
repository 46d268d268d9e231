//! All workspaces of one device, and the process around them.

use std::collections::BTreeMap;
use std::sync::Arc;

use kernelos_protocol::command::{Command, Failure, FailureKind, Mode, Reply};
use kernelos_protocol::id::{DeviceId, WorkspaceId};
use kernelos_protocol::key::DeviceKey;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::engine::Engine;
use crate::founding::{Founded, Founding, found};
use crate::home::{OwnedHome, made};

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

/// A device with all its workspaces.
pub struct Node {
    home: OwnedHome,
    secret: [u8; 32],
    engines: Mutex<BTreeMap<WorkspaceId, Arc<Engine>>>,
}

impl Node {
    /// Owns a home and starts every workspace in it.
    pub fn start(home: OwnedHome) -> Result<Self, Failure> {
        let secret = home.device_secret()?;
        let mut engines = BTreeMap::new();
        for path in home.stores()? {
            let engine = Engine::start(&path, secret)?;
            engines.insert(engine.workspace(), Arc::new(engine));
        }
        Ok(Self { home, secret, engines: Mutex::new(engines) })
    }

    /// This device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        DeviceKey::from_secret(&self.secret).device()
    }

    /// All workspaces here, by name.
    pub async fn workspaces(&self) -> Vec<WorkspaceRow> {
        let engines = self.engines.lock().await;
        let mut rows: Vec<_> = engines.values().map(|engine| row(engine)).collect();
        rows.sort_by(|a, b| a.workspace.cmp(&b.workspace));
        rows
    }

    /// Founds a workspace and starts it.
    pub async fn found(&self, founding: &Founding) -> Result<Founded, Failure> {
        // The lock is held throughout, so that two callers cannot take one name.
        let mut engines = self.engines.lock().await;
        let (founded, path) = found(&self.home, founding)?;
        let engine = Engine::start(&path, self.secret).map_err(|failure| made(&failure))?;
        engines.insert(engine.workspace(), Arc::new(engine));
        Ok(founded)
    }

    /// Asks one workspace. Without a name the only one is meant.
    pub async fn ask(&self, name: Option<&str>, command: Command) -> Reply {
        match self.engine(name).await {
            Ok(engine) => engine.ask(command).await,
            Err(failure) => Reply::Failed(failure),
        }
    }

    async fn engine(&self, name: Option<&str>) -> Result<Arc<Engine>, Failure> {
        let engines = self.engines.lock().await;
        let named: Vec<_> = engines
            .values()
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
                FailureKind::Usage,
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
        let engines = std::mem::take(&mut *self.engines.lock().await);
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
                        tokio::task::yield_now().await;
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
