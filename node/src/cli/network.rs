//! `kern offline` and `kern online`: whether any transport of this device is open.

use kernelos_protocol::command::Failure;
use kernelos_protocol::present::{Block, Doc, Text};
use serde_json::json;

use crate::cli::Ui;

/// Close every connection, and open none until `kern online`, also after a restart
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern offline
  kern offline --json
  kern offline && kern status")]
pub(super) struct Offline {}

/// Meet other devices again
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern online
  kern online --json
  kern online && kern status")]
pub(super) struct Online {}

pub(super) async fn run(ui: &Ui, what: &str) -> Result<(), Failure> {
    let online = ui.client()?.network(what).await?;
    let text = if online { "online" } else { "offline" };
    ui.show(&json!({ "online": online }), || Doc(vec![Block::Line(Text::plain(text))]))
}
