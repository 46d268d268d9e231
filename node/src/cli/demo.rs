//! `kern demo`: three real nodes on this machine, shown at work.
//!
//! The demo does what people do, by the commands that people type, and shows what the nodes
//! answer; it knows nothing about a workspace itself. `nodes.rs` starts and ends processes,
//! `folder.rs` is where they live, `story.rs` and `mission.rs` have the chapters, `repository.rs`
//! what the mission works on, `report.rs` what is said of all that.
//!
//! Whatever happens, nothing is left running: on success, failure and a signal the demo ends its
//! nodes, and where the demo itself is killed they end with it.

mod folder;
mod mission;
pub(crate) mod nodes;
mod report;
mod repository;
mod story;
mod wait;

use kernelos_protocol::command::Failure;

use crate::cli::Ui;
use crate::cli::signals::Signals;
use story::Story;

/// Watch three devices pair, part, disagree and agree
///
/// Starts three nodes on loopback, in a temporary folder that is removed at the end. Your own
/// workspaces are not touched. Interrupted (130) or told to end (143), it first ends the nodes and
/// removes the folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern demo
  kern demo --keep      leaves the three nodes running, to look around
  kern demo --json      one object at the end")]
pub(super) struct Args {
    /// Leave the nodes running, and keep their folder
    ///
    /// They run on after a demo that went well; the folder is kept in any case.
    #[arg(long)]
    keep: bool,
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    // Before anything is started, so that no signal finds the default handler.
    let mut signals = Signals::watch()?;
    let mut story = Story::new(ui.json, args.keep)?;
    let told = tokio::select! {
        biased;
        ended = signals.any() => Err(ended),
        told = story.tell() => told,
    };
    story.end(told).await
}
