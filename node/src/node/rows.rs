//! Workspaces as lists show them.

pub use kernelos_protocol::api::WorkspaceRow;
use kernelos_protocol::command::{Failure, FailureKind};

use crate::engine::Engine;

pub(super) fn row(engine: &Engine) -> WorkspaceRow {
    WorkspaceRow {
        workspace: engine.meta.name.clone(),
        workspace_id: engine.workspace(),
        device: engine.shared(|shared| shared.device.clone()),
        mode: engine.meta.mode,
    }
}

/// Where there is none, for people: also for who lost every device.
pub(super) fn none() -> Failure {
    Failure::new(FailureKind::Failed, "this device has no workspace").with_hint(
        "make one: kern init NAME --device NAME; or join one: kern join; or bring one back: \
         kern import --events FILE --workspace NAME, then kern rescue",
    )
}
