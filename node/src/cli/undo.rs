//! `kern undo`: takes back what an event did, by an event.

use std::collections::VecDeque;

use kernelos_protocol::command::{Command, Failure, FailureKind, Reply, TakenBack};
use kernelos_protocol::present;
use serde_json::json;

use crate::cli::Ui;
use crate::cli::names::{Names, names};
use crate::cli::wrote::Wrote;

/// Take back what an event did
///
/// What it set shows again what it showed before; a grant is taken back by a revocation, and that
/// by a new grant. Nothing leaves the history: what takes back is an event, and can be taken back
/// itself. Where something else was written there, since or apart from it, it is refused, and the
/// event that did is named. Of several events each is taken back in turn, one that another of them
/// builds on behind that, until one is refused.
/// Without EVENT it is the last of this device, passing over what fell with an undo or cannot be
/// put back; where that is refused, as a revocation is, it is named, and none before it is tried.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern undo                 the last of this device; a refusal names it
  kern undo 3f9a            the event whose id begins so, whoever wrote it
  kern undo 3f9a 77c0       both, one after the other
  kern undo 3f9a --force    also where something else was written there")]
pub(super) struct Args {
    /// Which events, by how each id begins
    ///
    /// As `kern log` shows it; four digits at least.
    #[arg(value_name = "EVENT")]
    events: Vec<String>,
    /// Also where something else was written there
    #[arg(long, requires = "events")]
    force: bool,
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    let Args { events, force } = args;
    if events.is_empty() {
        return tell(ui, ask(ui, None, force).await?).await;
    }
    let (mut left, mut waiting) = (VecDeque::from(events), 0);
    while let Some(event) = left.pop_front() {
        let reply = ask(ui, Some(event.clone()), force).await?;
        // What builds on it may be another of them. Once each that is left waits, none of them is.
        if waiting < left.len() && is_built_on(&reply) {
            left.push_back(event);
            waiting += 1;
            continue;
        }
        // What was taken back before it stays so: each is an event of its own, and was told.
        tell(ui, reply).await?;
        waiting = 0;
    }
    Ok(())
}

fn is_built_on(reply: &Reply) -> bool {
    matches!(reply, Reply::NotUndone(not) if not.by.is_some())
}

async fn ask(ui: &Ui, begin: Option<String>, force: bool) -> Result<Reply, Failure> {
    ui.client()?.ask(ui.workspace(), Command::Undo { begin, force }).await
}

async fn tell(ui: &Ui, reply: Reply) -> Result<(), Failure> {
    match reply {
        Reply::Undone(undone) => {
            let mut object = json!(undone);
            let wrote = match (undone.reopened, &undone.what) {
                (true, _) => Wrote::by(Some(undone.event), "kern conflicts".to_owned()),
                (false, Some(TakenBack::Grant { own: true, .. })) => {
                    Wrote::never(Some(undone.event), present::NOT_HERE)
                }
                (false, _) => Wrote::undo(Some(undone.event)),
            };
            wrote.put_in(&mut object);
            // Of an edit there is no device to name.
            let is_edit = matches!(undone.what, None | Some(TakenBack::Edit { .. }));
            let names = if ui.json || is_edit { Names::new() } else { names(ui).await? };
            ui.wrote_whole(&object, || present::undone(&undone, &names))
        }
        Reply::NotUndone(not) => {
            if ui.json {
                ui.show(&not, Default::default)?;
            }
            let is_told = !ui.json && not.device.is_some();
            let names = if is_told { names(ui).await.unwrap_or_default() } else { Names::new() };
            let (text, hint) = present::not_undone(&not, &names);
            Err(Failure::new(FailureKind::Failed, text).with_hint(hint))
        }
        other => Err(super::doc::unexpected(&other)),
    }
}
