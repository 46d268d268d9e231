//! `kern invite --join-file`, `--list` and `--revoke`; the file itself at `kern join --join-file`.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::limits::JOIN_FILE_BYTES_MAX;
use kernelos_protocol::present::{
    Block, Doc, Text, Tone, standing, standing_state, standing_until,
};
use kernelos_protocol::role::Role;
use serde_json::{Value as Json, json};

use crate::api::client::Client;
use crate::api::{PairAnswer, PairAsked};
use crate::cli::Ui;
use crate::cli::invite::unexpected;
use crate::home::write_private;
use crate::pairing::StandingRow;

/// Invitations that stand: in a file, for machines without a screen.
#[derive(Debug, clap::Args)]
pub(super) struct FileArgs {
    /// Write a file that lets devices in, without digits
    ///
    /// As anything but admin or owner: who has the file needs nothing else.
    #[arg(long, value_name = "F", conflicts_with = "ttl")]
    join_file: Option<PathBuf>,
    /// How many it lets in; at most 64
    #[arg(long, value_name = "N", default_value = "1", requires = "join_file")]
    uses: u32,
    /// For how long: 90m, 12h, at most 30d
    #[arg(long, value_name = "TIME", default_value = "24h", requires = "join_file",
        value_parser = seconds)]
    expires: u64,
    /// List the join files of this device
    #[arg(long, conflicts_with_all = ["join_file", "ttl", "revoke"])]
    list: bool,
    /// Let nobody in by this join file any more
    #[arg(long, value_name = "ID", conflicts_with_all = ["join_file", "ttl"])]
    revoke: Option<String>,
}

fn seconds(text: &str) -> Result<u64, String> {
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let read = units.iter().find_map(|(unit, seconds)| {
        text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(*seconds)
    });
    read.ok_or_else(|| "give seconds, minutes, hours or days, such as 90m, 24h, 30d".to_owned())
}

/// Does what is asked of join files; false where nothing is.
pub(super) async fn run(ui: &Ui, args: &FileArgs, role: Role) -> Result<bool, Failure> {
    let client = ui.client()?;
    let workspace = ui.workspace.clone();
    if let Some(path) = &args.join_file {
        let (uses, lifetime_s) = (args.uses, args.expires);
        let asked = PairAsked::Stand { workspace, role, uses, lifetime_s };
        let PairAnswer::Stands(row, text) = client.pair(&asked).await? else {
            return Err(unexpected());
        };
        write(ui, &client, path, &row, &text).await?;
        let mut object = row_json(&row);
        object["join_file"] = json!(path);
        ui.show(&object, || made(&row, path))?;
        return Ok(true);
    }
    let asked = match &args.revoke {
        Some(id) => PairAsked::Withdraw { workspace, invitation: id.clone() },
        None if args.list => PairAsked::Standing { workspace },
        None => return Ok(false),
    };
    let PairAnswer::Standing(rows) = client.pair(&asked).await? else { return Err(unexpected()) };
    let rows_json: Vec<_> = rows.iter().map(row_json).collect();
    ui.show(&rows_json, || standing(&rows))?;
    Ok(true)
}

/// A file that cannot be written lets nobody in.
async fn write(
    ui: &Ui,
    client: &Client,
    path: &Path,
    row: &StandingRow,
    text: &str,
) -> Result<(), Failure> {
    let Err(error) = write_private(path, text.as_bytes()) else { return Ok(()) };
    let invitation = row.invitation.clone();
    let asked = PairAsked::Withdraw { workspace: ui.workspace.clone(), invitation };
    client.pair(&asked).await?;
    Err(Failure::new(FailureKind::Failed, format!("{}: {error}", path.display()))
        .with_hint("name a file that does not exist yet, in a folder that can be written"))
}

fn row_json(row: &StandingRow) -> Json {
    json!({ "invitation": row.invitation, "role": row.role, "uses": row.uses, "left": row.left,
        "expires": row.expires, "state": standing_state(row) })
}

fn made(row: &StandingRow, path: &Path) -> Doc {
    let devices = if row.uses == 1 { "one device" } else { "devices" };
    let text = format!(
        "{} lets {devices} in as {} ({} in all), until {}: who has it needs nothing else.",
        path.display(),
        row.role.name(),
        row.uses,
        standing_until(row)
    );
    Doc(vec![
        Block::Line(Text::toned(Tone::Attention, text)),
        Block::Line(Text::plain("On the new device, with `kern up` running:")),
        Block::Verbatim("kern join --join-file FILE".to_owned()),
        Block::Line(Text::toned(
            Tone::Quiet,
            format!("To let nobody in by it any more: kern invite --revoke {}", row.invitation),
        )),
    ])
}

/// What stands in a join file that its owner alone may read. `SPEC: PAIR-20`
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let failed = |error: io::Error| {
        let text = match error.kind() {
            io::ErrorKind::InvalidData => format!("{} is no join file", path.display()),
            _ => format!("{}: {error}", path.display()),
        };
        Failure::new(FailureKind::Failed, text)
            .with_hint("name the file that `kern invite --join-file` wrote")
    };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        let text = format!("{} can be read by others (mode {:o})", path.display(), mode & 0o777);
        return Err(Failure::new(FailureKind::Failed, text).with_hint(format!(
            "somebody may have read it: if that is possible, ask for a new one; else chmod 600 {}",
            path.display()
        )));
    }
    let mut text = String::new();
    let limit = u64::try_from(JOIN_FILE_BYTES_MAX + 1).unwrap_or(u64::MAX);
    file.take(limit).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// It let in the last one. `SPEC: PAIR-25`
pub(super) fn remove(path: &Path) -> Result<(), Failure> {
    fs::remove_file(path).map_err(|error| {
        let text = format!("this device is in, but {}: {error}", path.display());
        Failure::new(FailureKind::Failed, text).with_hint("remove it: it lets nobody in any more")
    })
}
