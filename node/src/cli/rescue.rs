//! `kern rescue`: takes a workspace back by its recovery key; `kern readmit`: brings content back.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use kernelos_protocol::command::{Command, Failure, FailureKind, RecoverySecret, Reply};
use kernelos_protocol::limits::RECOVERY_FILE_BYTES_MAX;
use kernelos_protocol::present::{self, Block, Doc, Text, Tone};
use kernelos_protocol::recovery;
use serde_json::json;

use crate::cli::Ui;
use crate::cli::names::names;
use crate::cli::revoke::find;
use crate::cli::wrote::Wrote;
use crate::founding::check_name;

/// Take a workspace back by its recovery key
///
/// This device becomes its owner, whatever it was, and every device that ever was owner or admin is
/// removed, but those that you keep. That ends every dispute for good. What they wrote and you have
/// stays. The workspace must be here: as a member once, or by `kern import --events`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern rescue --recovery-file /media/usb/home.recovery --device laptop2
  kern rescue --recovery-file - --device laptop2 < words
  kern rescue --recovery-file F --device laptop2 --keep server")]
pub(super) struct Args {
    /// The file that `kern init` wrote, or -
    ///
    /// - is for its 24 words on the standard input.
    #[arg(long, value_name = "F")]
    recovery_file: PathBuf,
    /// This device's name, as the other members see it
    #[arg(long)]
    device: String,
    /// A device that stays what it is; repeatable
    ///
    /// By its name or id.
    #[arg(long, value_name = "DEVICE")]
    keep: Vec<String>,
    /// Why, for the others
    #[arg(long, default_value = "rescued by the recovery key", hide_default_value = true)]
    reason: String,
}

/// Bring back what a revocation or a strike left out
///
/// Of a device everything that is here counts again, on every device; it does not become a member
/// by that: `kern invite` does. What was struck comes back event by event.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern readmit phone
  kern readmit phone --reason 'it was under the sofa'
  kern readmit --event 1f2e3d4c     what was struck, or a branch up to it")]
pub(super) struct Readmit {
    /// The device, by name or id
    device: Option<String>,
    /// One event
    ///
    /// As many digits of its id as say which, and four at least.
    #[arg(long, value_name = "ID", conflicts_with = "device")]
    event: Option<String>,
    /// Why, for the others
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    check_name("device", &args.device)?;
    let key = recovery::key_of(&read(&args.recovery_file)?)?;
    let mut keep = Vec::new();
    for device in &args.keep {
        keep.push(find(ui, device).await?);
    }
    let client = ui.client()?;
    let (recovery, name, reason) = (RecoverySecret(key), args.device.clone(), args.reason);
    let command = Command::Rescue { recovery, name, keep, reason };
    let (event, removed) = match client.ask(ui.workspace(), command).await? {
        Reply::Rescued { event, removed } => (event, removed),
        other => return Err(super::doc::unexpected(&other)),
    };
    let Reply::Status(status) = client.ask(ui.workspace(), Command::Status).await? else {
        return Err(Failure::new(FailureKind::Failed, "the node did not say where it stands"));
    };
    let known = names(ui).await?;
    let name = |id| known.get(id).cloned().unwrap_or_else(|| id.to_string());
    let settled: Vec<_> = removed.iter().map(name).collect();
    let gone = if settled.is_empty() { "nobody".to_owned() } else { settled.join(", ") };
    let object = json!({ "workspace": status.workspace, "device": args.device,
        "settled": settled });
    let why = "a rescue is for good: kern invite lets devices in anew";
    ui.wrote(&Wrote::never(Some(event), why), object, || {
        let mut blocks = vec![Block::Fields(vec![
            ("workspace".to_owned(), Text::plain(&status.workspace)),
            ("owner".to_owned(), Text::plain(&args.device)),
            ("removed".to_owned(), Text::plain(&gone)),
        ])];
        let next = "Next: kern devices, for who is left and who let it in; kern invite";
        blocks.push(Block::Line(Text::toned(Tone::Quiet, next)));
        Doc(blocks)
    })
}

pub(super) async fn readmit(ui: &Ui, args: Readmit) -> Result<(), Failure> {
    let reason = args.reason;
    let struck = args.event.clone();
    let command = match (args.event, args.device) {
        (Some(begin), _) => Command::ReadmitEvent { begin, reason },
        (None, Some(device)) => Command::Readmit { device: find(ui, &device).await?, reason },
        (None, None) => {
            return Err(Failure::new(FailureKind::Usage, "say what to bring back")
                .with_hint("kern readmit DEVICE, or kern readmit --event ID"));
        }
    };
    match ui.client()?.ask(ui.workspace(), command).await? {
        Reply::Readmitted { event, events, others } => {
            let wrote = match struck.filter(|_| events == 1) {
                Some(struck) => Wrote::by(Some(event), format!("kern strike {struck}")),
                None => Wrote::never(Some(event), EACH),
            };
            let mut object = json!({ "events": events });
            if !others.is_empty() {
                object["others"] = json!(others);
            }
            ui.wrote(&wrote, object, || {
                let text = format!("{} came back", present::events(events));
                let also = others.iter().map(|other| format!("by {}, too", other.short()));
                let lines = std::iter::once(text).chain(also);
                Doc(lines.map(|line| Block::Line(Text::plain(line))).collect())
            })
        }
        other => Err(super::doc::unexpected(&other)),
    }
}

/// Why a device's readmission is not taken back at once.
pub(super) const EACH: &str = "kern strike EVENT takes the effect of each event that came back";

fn read(path: &Path) -> Result<String, Failure> {
    let failed = |error: std::io::Error| {
        let text = match error.kind() {
            std::io::ErrorKind::InvalidData => format!("{} is no recovery file", path.display()),
            _ => format!("{}: {error}", path.display()),
        };
        Failure::new(FailureKind::Failed, text)
            .with_hint("name the file that `kern init` wrote, or - to give the words")
    };
    let mut text = String::new();
    let limit = RECOVERY_FILE_BYTES_MAX;
    if path == Path::new("-") {
        std::io::stdin().take(limit).read_to_string(&mut text).map_err(failed)?;
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(limit).read_to_string(&mut text).map_err(failed)?;
    }
    Ok(text)
}
