//! Workspaces as lists show them.

pub use kernelos_protocol::api::WorkspaceRow;

use crate::engine::Engine;

pub(super) fn row(engine: &Engine) -> WorkspaceRow {
    WorkspaceRow {
        workspace: engine.meta.name.clone(),
        workspace_id: engine.workspace(),
        device: engine.shared(|shared| shared.device.clone()),
        mode: engine.meta.mode,
    }
}
