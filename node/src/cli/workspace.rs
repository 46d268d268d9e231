//! `kern workspace`: the workspaces of this device.

use kernelos_protocol::command::Failure;
use kernelos_protocol::present::{Block, Doc, Text};

use crate::cli::Ui;
use crate::node::WorkspaceRow;

/// The workspaces of this device
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  kern workspace list
  kern workspace list --json
  kern doc get --workspace home notes      what --workspace takes")]
pub(super) enum Args {
    /// List them
    #[command(after_help = "\
Examples:
  kern workspace list
  kern workspace list --json
  kern workspace list --json | jq -r '.[].workspace'")]
    List,
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    let Args::List = args;
    let rows = ui.client()?.info().await?.workspaces;
    ui.show(&rows, || doc(&rows))
}

fn doc(rows: &[WorkspaceRow]) -> Doc {
    let columns = ["workspace", "device", "id"].map(str::to_owned).to_vec();
    let cells = rows.iter().map(|row| {
        vec![Text::plain(&row.workspace), Text::plain(&row.device), Text::plain(row.workspace_id)]
    });
    Doc(vec![Block::Table { columns, rows: cells.collect() }])
}
