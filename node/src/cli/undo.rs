//! `kern undo`: takes back what an event did, by an event.

use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::present;
use serde_json::json;

use crate::cli::Ui;
use crate::cli::wrote::Wrote;

/// Take back what an event did
///
/// What it set shows again what it showed before; a grant is taken back by a revocation, and that
/// by a new grant. Nothing leaves the history: what takes back is an event, and can be taken back
/// itself. Where something else was written there since, it is refused, and the event that did is
/// named.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern undo                 the last of this device that can be taken back
  kern undo 3f9a            the event whose id begins so, whoever wrote it
  kern undo 3f9a --force    also where something else was written there since")]
pub(super) struct Args {
    /// Which event, by how its id begins
    ///
    /// As `kern log` shows it; four digits at least.
    event: Option<String>,
    /// Also where something else was written there since
    #[arg(long, requires = "event")]
    force: bool,
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    let command = Command::Undo { begin: args.event, force: args.force };
    match ui.client()?.ask(ui.workspace(), command).await? {
        Reply::Undone(undone) => {
            let mut object = json!(undone);
            Wrote::undo(Some(undone.event)).put_in(&mut object);
            ui.wrote_whole(&object, || present::undone(&undone))
        }
        Reply::NotUndone(not) => {
            if ui.json {
                ui.show(&not, Default::default)?;
            }
            let text = format!("{} is not taken back: {}", not.refused.short(), not.reason);
            Err(Failure::new(FailureKind::Failed, text)
                .with_hint("`kern log` shows what came after it; --force writes all the same"))
        }
        other => Err(super::doc::unexpected(&other)),
    }
}
