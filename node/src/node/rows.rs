//! Workspaces as lists show them.

use kernelos_protocol::command::Mode;
use kernelos_protocol::id::WorkspaceId;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;

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

pub(super) fn row(engine: &Engine) -> WorkspaceRow {
    WorkspaceRow {
        workspace: engine.meta.name.clone(),
        workspace_id: engine.workspace(),
        device: engine.meta.device.clone(),
        mode: engine.meta.mode,
    }
}
