//! `kern purge`: destroys what an artifact holds, on every device that hears of it.

use std::io::IsTerminal as _;

use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::present::{self, Block, Doc, Text, Tone};
use kernelos_protocol::role::Role;
use serde_json::json;

use crate::cli::names::names;
use crate::cli::wrote::Wrote;
use crate::cli::{Ui, stdin};

/// Destroy what an artifact holds
///
/// Its key and its bytes are destroyed on this device at once, and on every other when it hears of
/// this. That something was there stays, and who purged it, and when; no device that heard of it
/// can bring it back. What was taken out of it before, such as a branch or a file, is not touched.
/// A store keeps its sealed copy, since it reads no purge; the answer names those that there are.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern log --json | jq -r 'select(.kind == \"artifact\") | .id'
  kern purge 1f2e3d4c
  kern purge 1f2e3d4c 5a6b7c8d --yes --json")]
pub(super) struct Args {
    /// The artifacts, by how the ids of their events begin
    ///
    /// As many digits of each as say which, and four at least.
    #[arg(required = true, value_name = "EVENT")]
    events: Vec<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    if !args.yes {
        confirm(ui, args.events.len()).await?;
    }
    let command = Command::Purge { begin: args.events };
    match ui.client()?.ask(ui.workspace(), command).await? {
        Reply::Purged { event, purged } => {
            let stores = stores(ui).await?;
            let wrote = Wrote::never(Some(event), "what was destroyed is nowhere any more");
            ui.wrote(&wrote, json!({ "purged": purged, "stores": stores }), || {
                let text = format!("{} purged here", purged.len());
                let next = "other devices purge it when they hear of it; copies of a home, and a \
                            device that never comes back, do not";
                let kept = stores.iter().map(|store| {
                    let text = format!("the store {store} keeps a sealed copy: it reads no purge");
                    Block::Line(Text::toned(Tone::Attention, text))
                });
                let said = [Text::plain(text), Text::toned(Tone::Quiet, next)];
                Doc(said.map(Block::Line).into_iter().chain(kept).collect())
            })
        }
        other => Err(super::doc::unexpected(&other)),
    }
}

/// The members that are stores, by name. `SPEC: SEAL-5`
async fn stores(ui: &Ui) -> Result<Vec<String>, Failure> {
    match ui.client()?.ask(ui.workspace(), Command::Devices).await? {
        Reply::Devices { devices } => {
            let names = names(ui).await?;
            let stores = devices.iter().filter(|row| row.role == Some(Role::Store));
            Ok(stores.map(|row| present::device_name(&row.id, &names)).collect())
        }
        other => Err(super::doc::unexpected(&other)),
    }
}

/// Asks whoever sits there; a script says it by `--yes`.
async fn confirm(ui: &Ui, count: usize) -> Result<(), Failure> {
    let refused = |kind, message: &str| {
        Err(Failure::new(kind, message).with_hint("`kern purge --yes` does not ask"))
    };
    if ui.json || !std::io::stdin().is_terminal() {
        return refused(FailureKind::Usage, "a purge cannot be undone: say --yes");
    }
    super::print(&format!("Purge {count}? This cannot be undone. [y/N] "))?;
    let line = stdin::done(stdin::line()?).await;
    let line = line.map_err(|error| Failure::new(FailureKind::Failed, error))?;
    if line.trim().eq_ignore_ascii_case("y") {
        Ok(())
    } else {
        refused(FailureKind::Failed, "nothing was purged")
    }
}
