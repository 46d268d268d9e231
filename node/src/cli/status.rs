//! `kern status`: where this device stands.

use kernelos_protocol::command::{Command, Failure, Reply};
use kernelos_protocol::present;

use crate::cli::Ui;

/// Show where this device stands
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern status
  kern status --json | jq -r .state_hash      equal on devices that hold the same")]
pub(super) struct Args {}

pub(super) async fn run(ui: &Ui, _: Args) -> Result<(), Failure> {
    match ui.client()?.ask(ui.workspace(), Command::Status).await? {
        Reply::Status(status) => ui.show(&status, || present::status(&status)),
        other => Err(super::doc::unexpected(&other)),
    }
}
