//! `kern devices`: who is a member.

use kernelos_protocol::command::{Command, DeviceRow, Failure, Reply};
use kernelos_protocol::present;

use serde_json::json;

use crate::cli::Ui;
use crate::cli::names::names;

/// List the devices of the workspace
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern devices
  kern devices --workspace work
  kern devices --json | jq -r '.[] | select(.own) | .id'")]
pub(super) struct Args {}

pub(super) async fn run(ui: &Ui, _: Args) -> Result<(), Failure> {
    match ui.client()?.ask(ui.workspace(), Command::Devices).await? {
        Reply::Devices { devices } => {
            let names = names(ui).await?;
            let row = |row: &DeviceRow| {
                let state = if row.role.is_some() { "member" } else { "revoked" };
                json!({ "device": present::device_name(&row.id, &names), "id": row.id,
                    "role": row.role, "state": state,
                    "added_by": present::device_name(&row.added_by, &names), "own": row.own,
                    "out": row.out })
            };
            let rows: Vec<_> = devices.iter().map(row).collect();
            ui.show(&rows, || present::devices(&devices, &names))
        }
        other => Err(super::doc::unexpected(&other)),
    }
}
