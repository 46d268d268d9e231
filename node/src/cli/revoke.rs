//! `kern revoke`: removes a device for good.

use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::id::DeviceId;
use kernelos_protocol::present::Doc;
use serde_json::json;

use crate::cli::Ui;
use crate::cli::names::names;
use crate::cli::wrote::Wrote;

/// Remove a device from the workspace
///
/// What it wrote and you have stays; what it writes from now on stays out, whoever relays it, and
/// it cannot read what is written from now on.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern revoke phone
  kern revoke phone --json
  kern revoke phone --reason 'left on the train'")]
pub(super) struct Args {
    /// The device, by name or id
    device: String,
    /// Why, for the others
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    let device = find(ui, &args.device).await?;
    let command = Command::Revoke { device, reason: args.reason };
    match ui.client()?.ask(ui.workspace(), command).await? {
        Reply::Revoked { event } => ui.wrote(&Wrote::undo(Some(event)), json!({}), Doc::default),
        other => Err(super::doc::unexpected(&other)),
    }
}

pub(super) async fn find(ui: &Ui, device: &str) -> Result<DeviceId, Failure> {
    if let Ok(id) = device.parse() {
        return Ok(id);
    }
    let named: Vec<_> =
        names(ui).await?.into_iter().filter(|(_, name)| name == device).map(|(id, _)| id).collect();
    match named[..] {
        [id] => Ok(id),
        [] => Err(Failure::new(FailureKind::Failed, format!("no device is named {device:?}"))
            .with_hint("`kern devices` shows all")),
        _ => Err(Failure::new(FailureKind::Usage, format!("several devices are named {device:?}"))
            .with_hint("name it by its id: `kern devices` shows all")),
    }
}
