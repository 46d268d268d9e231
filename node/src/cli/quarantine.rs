//! `kern quarantine`: what is kept apart, and what it would set; `kern strike`: goes on from before
//! an event.

use kernelos_protocol::command::{Command, Failure, Reply};
use kernelos_protocol::present::{self, Block, Doc, Text, Tone};
use serde_json::json;

use crate::cli::Ui;
use crate::cli::names::names;
use crate::cli::wrote::Wrote;

/// Show what is kept apart
///
/// Nothing is deleted here: what a revoked device wrote, what was struck, and what builds on it is
/// kept, passed on to who needs it, and without effect until a readmission brings it back.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  kern quarantine list
  kern quarantine show 1f2e3d4c
  kern readmit --event 1f2e3d4c           brings a branch back")]
pub(super) enum Args {
    List(List),
    Show(Show),
}

/// List the branches that are kept apart
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern quarantine list
  kern quarantine list --workspace work
  kern quarantine list --json | jq -r '.[] | select(.why == \"struck\") | .tip'")]
pub(super) struct List {}

/// Show what a branch would set, were it to count
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern quarantine show 1f2e3d4c
  kern quarantine show 1f2e --json
  kern quarantine show 1f2e3d4c --workspace work")]
pub(super) struct Show {
    /// The branch's last event
    ///
    /// As many digits of its id as say which, and four at least.
    tip: String,
}

/// Go on from before an event
///
/// What it did is taken back on every device, and so is what builds on it: a document that fails at
/// an event goes on without it. Nothing is deleted; `kern readmit --event` brings it back.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern strike 1f2e3d4c
  kern strike 1f2e3d4c --json
  kern strike 1f2e3d4c --reason 'an import gone wrong'")]
pub(super) struct Strike {
    /// The event
    ///
    /// As many digits of its id as say which, and four at least.
    event: String,
    /// Why, for the others
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    match args {
        Args::List(_) => match ui.client()?.ask(ui.workspace(), Command::Quarantine).await? {
            Reply::Quarantine(page) => {
                let names = names(ui).await?;
                ui.show(&page.branches, || present::quarantine(&page, &names))?;
                ui.told_more(page.more)
            }
            other => Err(super::doc::unexpected(&other)),
        },
        Args::Show(show) => {
            let command = Command::Preview { begin: show.tip };
            match ui.client()?.ask(ui.workspace(), command).await? {
                Reply::Preview(preview) => ui.show(&preview, || present::preview(&preview)),
                other => Err(super::doc::unexpected(&other)),
            }
        }
    }
}

pub(super) async fn strike(ui: &Ui, args: Strike) -> Result<(), Failure> {
    let back = format!("kern readmit --event {}", args.event);
    let command = Command::Strike { begin: args.event, reason: args.reason };
    match ui.client()?.ask(ui.workspace(), command).await? {
        Reply::Struck { event, events } => {
            ui.wrote(&Wrote::by(Some(event), back), json!({ "events": events }), || {
                let text = format!("{} without effect now", present::events(events));
                let next = "kern quarantine list: what is kept apart, and how it comes back";
                Doc(vec![
                    Block::Line(Text::plain(text)),
                    Block::Line(Text::toned(Tone::Quiet, next)),
                ])
            })
        }
        other => Err(super::doc::unexpected(&other)),
    }
}
