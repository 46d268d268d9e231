//! The names that devices have in the document.

use std::collections::BTreeMap;

use kernelos_protocol::command::{Command, Failure, Reply};
use kernelos_protocol::document::DocPath;
use kernelos_protocol::id::DeviceId;

use crate::cli::Ui;

/// Names by device.
pub(super) type Names = BTreeMap<DeviceId, String>;

/// Reads them; a document that is not here yet names nobody.
pub(super) async fn names(ui: &Ui) -> Result<Names, Failure> {
    let Ok(path) = "devices".parse::<DocPath>() else { return Ok(Names::new()) };
    // Hardly a name is new, and nothing is done by it: a start shows what it had.
    let read = match ui.client()?.ask(ui.workspace(), Command::Glance { path }).await {
        Ok(Reply::Read(read)) => read,
        Ok(other) => return Err(super::doc::unexpected(&other)),
        Err(_) => return Ok(Names::new()),
    };
    let devices = read.value.as_object().into_iter().flatten();
    let named = devices.filter_map(|(id, about)| {
        Some((id.parse().ok()?, about.get("name")?.as_str()?.to_owned()))
    });
    Ok(named.collect())
}
