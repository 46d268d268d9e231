//! `kern devices`: who is a member.

use kernelos_protocol::command::{Command, Failure, Reply};
use kernelos_protocol::present;

use crate::cli::Ui;

/// List the devices of the workspace
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern devices
  kern devices --workspace work --json")]
pub(super) struct Args {}

pub(super) async fn run(ui: &Ui, _: Args) -> Result<(), Failure> {
    match ui.client()?.ask(ui.workspace(), Command::Devices).await? {
        Reply::Devices { devices } => ui.show(&devices, || present::devices(&devices)),
        other => Err(super::doc::unexpected(&other)),
    }
}
