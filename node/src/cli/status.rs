//! `kern status`: where this device stands.

use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::present;
use kernelos_protocol::sync::PeerState;
use serde_json::json;

use crate::cli::Ui;
use crate::cli::names::names;

/// Show where this device stands
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern status
  kern status --json | jq -r .state_hash     equal where the same is held
  kern status --workspace work")]
pub(super) struct Args {}

pub(super) async fn run(ui: &Ui, _: Args) -> Result<(), Failure> {
    let client = ui.client()?;
    match client.ask(ui.workspace(), Command::Status).await? {
        Reply::Status(status) => {
            let names = names(ui).await?;
            let mut shown = serde_json::to_value(&status)
                .map_err(|error| Failure::new(FailureKind::Failed, error))?;
            let peer = |peer: &PeerState| {
                let mut shown = json!({ "device": present::device_name(&peer.device, &names),
                    "id": peer.device, "path": peer.path, "rtt_ms": peer.rtt_ms,
                    "acked": peer.acked, "of": peer.of, "last_seen_s": peer.last_seen_s });
                if let Some(heard) = peer.heard {
                    shown["heard"] = json!(heard);
                }
                shown
            };
            shown["peers"] = status.peers.iter().map(peer).collect();
            // Scripts get ages, and the same words for the same state.
            shown.as_object_mut().and_then(|shown| shown.remove("said_at"));
            let secret = client.info().await?.secret;
            shown["secret"] = json!(secret);
            ui.show(&shown, || present::status(&status, secret, &names))
        }
        other => Err(super::doc::unexpected(&other)),
    }
}
