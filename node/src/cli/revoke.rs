//! `kern revoke`: removes a device for good.

use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::facts::ID_DIGITS_MIN;
use kernelos_protocol::id::{DeviceId, EventId};
use kernelos_protocol::present::{Doc, NOT_HERE};
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
        Reply::Revoked { event } => {
            ui.wrote(&back_of(ui, event, device).await, json!({}), Doc::default)
        }
        other => Err(super::doc::unexpected(&other)),
    }
}

/// How a revocation is taken back: not by this device, where it put itself out.
async fn back_of(ui: &Ui, event: EventId, device: DeviceId) -> Wrote {
    let Ok(client) = ui.client() else { return Wrote::undo(Some(event)) };
    match client.ask(ui.workspace(), Command::Status).await {
        Ok(Reply::Status(status)) if status.device_id == device => {
            Wrote::never(Some(event), NOT_HERE)
        }
        _ => Wrote::undo(Some(event)),
    }
}

/// The device that is called so, or whose id is or begins so: who reads nothing, as a store does,
/// knows no names.
pub(super) async fn find(ui: &Ui, device: &str) -> Result<DeviceId, Failure> {
    if let Ok(id) = device.parse() {
        return Ok(id);
    }
    let named: Vec<_> =
        names(ui).await?.into_iter().filter(|(_, name)| name == device).map(|(id, _)| id).collect();
    let (found, how) = match named.is_empty() {
        true => (begun(ui, device).await?, "begin with"),
        false => (named, "are named"),
    };
    match found[..] {
        [id] => Ok(id),
        [] => Err(Failure::new(FailureKind::Failed, format!("no device is named {device:?}"))
            .with_hint("`kern devices` shows all")),
        _ => Err(Failure::new(FailureKind::Usage, format!("several devices {how} {device:?}"))
            .with_hint("give more of its id: `kern devices --json` shows all")),
    }
}

/// The devices whose ids begin so; none where that says too little.
async fn begun(ui: &Ui, begin: &str) -> Result<Vec<DeviceId>, Failure> {
    if begin.len() < ID_DIGITS_MIN {
        return Ok(Vec::new());
    }
    match ui.client()?.ask(ui.workspace(), Command::Devices).await? {
        Reply::Devices { devices } => {
            let ids = devices.into_iter().map(|row| row.id);
            Ok(ids.filter(|id| id.to_string().starts_with(begin)).collect())
        }
        other => Err(super::doc::unexpected(&other)),
    }
}
