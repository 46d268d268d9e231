//! What boards and branches have in common: a name in the root that leads to a document of its own.

use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::document::DocPath;
use kernelos_protocol::id::{DocumentId, EventId};
use kernelos_protocol::present::Doc;
use serde_json::json;

use crate::cli::Ui;
use crate::cli::wrote::Wrote;

/// Where the document is that `name` leads to, by a link in this map of the root.
pub(super) fn path(map: &str, name: &str) -> Result<DocPath, Failure> {
    let path = DocPath::default().child(map).and_then(|path| path.child(name));
    let kind = if map == "boards" { "board" } else { "branch" };
    path.map_err(|fault| {
        Failure::new(FailureKind::Usage, fault).with_hint(format!("`kern {kind} list` shows all"))
    })
}

/// Says that a document was made.
pub(super) fn made(
    ui: &Ui,
    name: &str,
    document: DocumentId,
    wrote: &Wrote,
) -> Result<(), Failure> {
    ui.wrote(wrote, json!({ "name": name, "document": document }), Doc::default)
}

/// Puts what a name leads to away, or brings it back.
pub(super) async fn archive(
    ui: &Ui,
    (name, archived): (&str, bool),
    command: Command,
    back: impl FnOnce(Option<EventId>) -> Wrote,
) -> Result<(), Failure> {
    match ui.client()?.ask(ui.workspace(), command).await? {
        Reply::Edited(edited) => {
            let object = json!({ "name": name, "archived": archived });
            ui.wrote(&back(edited.event), object, Doc::default)
        }
        other => Err(super::doc::unexpected(&other)),
    }
}
