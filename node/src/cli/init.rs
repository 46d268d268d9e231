//! `kern init`: makes a workspace, with a node that runs or without.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use kernelos_protocol::command::{Failure, FailureKind, Mode};
use kernelos_protocol::id::EventId;
use kernelos_protocol::key::RecoveryKey;
use kernelos_protocol::present::{Block, Doc, Text, Tone};
use kernelos_protocol::recovery;
use serde::Serialize;
use serde_json::json;

use crate::cli::secret::KeyArgs;
use crate::cli::wrote::Wrote;
use crate::cli::{Ui, is_terminal};
use crate::founding::{Founded, Founding, check_name, found};
use crate::home::{random, write_private};

/// Make a workspace on this device
///
/// The recovery key is above every device: it gives the workspace back when all owners are lost.
/// It is kept nowhere but in the file, or on the paper that you write the words on.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern init home --device laptop --recovery-file /media/usb/home.recovery
  kern init work --device laptop --mode local      no transport ever opens
  kern init home --device server --recovery-file F --key-file K")]
pub(super) struct Args {
    /// The workspace's name on this device
    name: String,
    /// This device's name, as the other members see it
    #[arg(long)]
    device: String,
    /// synced, or local: no transport ever opens
    ///
    /// Without it synced.
    #[arg(long, value_enum, default_value = "synced", hide_default_value = true)]
    #[arg(hide_possible_values = true)]
    mode: ModeArg,
    /// Where to write the recovery key; must not exist
    #[arg(long, value_name = "F")]
    recovery_file: Option<PathBuf>,
    #[command(flatten)]
    key: KeyArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModeArg {
    Local,
    Synced,
}

#[derive(Serialize)]
struct Made<'a> {
    #[serde(flatten)]
    founded: &'a Founded,
    recovery_file: Option<&'a Path>,
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    check_name("workspace", &args.name)?;
    check_name("device", &args.device)?;
    if args.recovery_file.is_none() && (ui.json || !is_terminal()) {
        return Err(Failure::new(FailureKind::Usage, "nobody would see the recovery words")
            .with_hint("say where to write them: --recovery-file FILE"));
    }
    let secret = random()?;
    let public = RecoveryKey::from_bytes(secret).public();
    if let Some(path) = &args.recovery_file {
        write_file(path, &args.name, &secret)?;
    }
    let founding = Founding {
        name: args.name,
        device: args.device,
        mode: match args.mode {
            ModeArg::Local => Mode::Local,
            ModeArg::Synced => Mode::Synced,
        },
        recovery_signing: public.signing,
        recovery_sealing: EventId(public.sealing.0),
    };
    let founded = match make(ui, &founding, &args.key).await {
        Ok(founded) => founded,
        Err(failure) => {
            // The key of a workspace that does not exist must not lie around as if it did. Where
            // it may exist, the key is kept.
            if let Some(path) = &args.recovery_file
                && failure.kind != FailureKind::Busy
            {
                std::fs::remove_file(path).ok();
            }
            return Err(failure);
        }
    };
    let path = args.recovery_file.as_deref();
    let words = if path.is_none() { Some(recovery::words(&secret)?) } else { None };
    let made = Made { founded: &founded, recovery_file: path };
    let why = "a workspace is there for good; on this device alone it is a folder: kern paths";
    ui.wrote(&Wrote::never(Some(founded.event), why), json!(made), || doc(&founded, path, words))
}

/// The node makes it, if one runs; else this process is its home's owner for as long as it takes.
async fn make(ui: &Ui, founding: &Founding, key: &KeyArgs) -> Result<Founded, Failure> {
    let founded = ui.client()?.found(founding).await;
    match founded {
        Err(failure) if failure.kind == FailureKind::NotRunning => {
            let home = ui.home.own()?;
            key.unlock(&home).await?;
            found(&home, founding).map(|(founded, _)| founded)
        }
        answer => answer,
    }
}

fn write_file(path: &Path, name: &str, secret: &[u8; 32]) -> Result<(), Failure> {
    let text = recovery::file_text(name, secret)?;
    write_private(path, text.as_bytes()).map_err(|error| {
        Failure::new(FailureKind::Failed, format!("{}: {error}", path.display()))
            .with_hint("name a file that does not exist yet, in a folder that can be written")
    })
}

fn doc(founded: &Founded, path: Option<&Path>, words: Option<String>) -> Doc {
    let mut blocks = vec![Block::Fields(vec![
        ("workspace".to_owned(), Text::plain(&founded.workspace)),
        ("id".to_owned(), Text::plain(founded.workspace_id)),
        ("device".to_owned(), Text::plain(&founded.device)),
    ])];
    if let Some(path) = path {
        let text = format!("Recovery key written to {}: keep it off this device.", path.display());
        blocks.push(Block::Line(Text::toned(Tone::Attention, text)));
    }
    if let Some(words) = words {
        let text = "Write these 24 words down. They are shown once and kept nowhere:";
        blocks.push(Block::Line(Text::toned(Tone::Attention, text)));
        blocks.push(Block::Verbatim(words));
    }
    blocks.push(Block::Line(Text::toned(Tone::Quiet, "Next: kern up")));
    Doc(blocks)
}
