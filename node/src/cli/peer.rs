//! `kern peer`: fixed addresses of other devices, for plain QUIC.

use std::net::SocketAddr;

use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::present::{Block, Doc, Text, Tone, device_name};
use serde_json::json;

use crate::api::peers::{PeerRow, PeersAnswer, PeersAsked};
use crate::cli::Ui;
use crate::cli::names::{Names, names};

/// Fixed addresses of other devices, in a network without any other way
///
/// Both devices run `kern up --quic ADDRESS:PORT`; one of them needs the address of the other.
/// Only members are spoken with: the key that answers there says who it is.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  kern up --quic 10.0.0.1:7447
  kern peer add 10.0.0.2:7447
  kern peer list
  kern peer rm 10.0.0.2:7447")]
pub(super) enum Args {
    /// Meet the member at an address, from now on
    ///
    /// It is dialed whenever it is not connected.
    #[command(after_help = "\
Examples:
  kern peer add 10.0.0.2:7447
  kern peer add 10.0.0.2:7447 --json
  kern peer add '[fd77::2]:7447' --workspace work --json")]
    Add {
        /// Where
        #[arg(value_name = "ADDRESS:PORT", value_parser = crate::mesh::address)]
        address: SocketAddr,
    },
    /// List those that are kept, with who was found there since the node runs
    #[command(after_help = "\
Examples:
  kern peer list
  kern peer list --json
  kern peer list --workspace work")]
    List,
    /// Dial an address no longer; a connection that is up stays until it ends
    #[command(after_help = "\
Examples:
  kern peer rm 10.0.0.2:7447
  kern peer rm '[fd77::2]:7447'
  kern peer rm 10.0.0.2:7447 --json")]
    Rm {
        /// Where
        #[arg(value_name = "ADDRESS:PORT", value_parser = crate::mesh::address)]
        address: SocketAddr,
    },
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    let asked = match args {
        Args::Add { address } => {
            PeersAsked::Add { workspace: ui.workspace().map(str::to_owned), address }
        }
        Args::List => PeersAsked::List,
        Args::Rm { address } => PeersAsked::Remove { address },
    };
    let answer = ui.client()?.peers(&asked).await?;
    let names = if ui.json { Names::new() } else { names(ui).await? };
    match (answer, &asked) {
        (PeersAnswer::Found(found), _) => ui.show(&found, || {
            let name = device_name(&found.id, &names);
            Doc(vec![Block::Line(Text::plain(format!("{name}, over {}", found.path)))])
        }),
        (PeersAnswer::List(rows), _) => ui.show(&rows, || table(&rows, &names)),
        (PeersAnswer::Removed, PeersAsked::Remove { address }) => ui
            .show(&json!({ "removed": address }), || {
                Doc(vec![Block::Line(Text::plain(format!("removed: {address}")))])
            }),
        (PeersAnswer::Removed, _) => {
            Err(Failure::new(FailureKind::Failed, "the node answers something else"))
        }
    }
}

fn table(rows: &[PeerRow], names: &Names) -> Doc {
    let columns = ["address", "device"].map(str::to_owned).to_vec();
    let cells = rows.iter().map(|row| {
        let device = match &row.id {
            Some(id) => Text::plain(device_name(id, names)),
            None => Text::toned(Tone::Quiet, "not met yet"),
        };
        vec![Text::plain(row.address), device]
    });
    Doc(vec![Block::Table { columns, rows: cells.collect() }])
}
