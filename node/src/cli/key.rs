//! `kern key`: how the device's secret is kept on the disk.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::present::{Block, Doc, Text, Tone};
use serde_json::json;

use crate::cli::secret::{self, KeyArgs};
use crate::cli::{Ui, keyring};
use crate::home::{Protection, SealedBy, is_locked};

/// How this device's secret is kept on the disk
///
/// Whoever has the secret is this device, and reads all that it may read. Sealed, it opens only
/// with a key file or a passphrase, which `kern up` then needs, or in a desktop session with the
/// keyring that holds its key. The node must not run meanwhile.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  kern key status
  kern key protect      asks for a new passphrase on the terminal
  kern key protect --keyring
  kern key unprotect --key-file /media/usb/laptop.key")]
pub(super) enum Args {
    /// Say how it is kept
    #[command(after_help = "\
Examples:
  kern key status
  kern key status --json
  kern key status --json | jq -r .secret")]
    Status,
    /// Seal it; a home without one gets one that was never clear
    #[command(after_help = "\
Examples:
  kern key protect      asks for a new passphrase on the terminal
  kern key protect --keyring
  kern key protect --key-file NEW --old-key-file F")]
    Protect(ProtectArgs),
    /// Leave it clear, in a file that its owner alone may read
    #[command(after_help = "\
Examples:
  kern key unprotect      asks for the passphrase on the terminal
  kern key unprotect --passphrase-file F
  kern key unprotect --key-file F")]
    Unprotect(KeyArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct ProtectArgs {
    #[command(flatten)]
    new: KeyArgs,
    /// Under a new key in the desktop's keyring
    ///
    /// It opens with your login then, and nobody types another passphrase.
    #[arg(long, conflicts_with_all = ["key_file", "passphrase_file"])]
    keyring: bool,
    /// It is sealed already under this file's bytes
    #[arg(long, value_name = "F")]
    old_key_file: Option<PathBuf>,
    /// Or under the passphrase in this file
    #[arg(long, value_name = "F", conflicts_with = "old_key_file")]
    old_passphrase_file: Option<PathBuf>,
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    match args {
        Args::Status => {}
        Args::Protect(args) => protect(ui, args).await?,
        Args::Unprotect(args) => {
            let home = ui.home.own()?;
            if home.home().kept()?.is_none() {
                return Err(none());
            }
            args.unlock(&home).await?;
            home.reseal(None)?;
        }
    }
    show(ui)
}

async fn protect(ui: &Ui, args: ProtectArgs) -> Result<(), Failure> {
    let home = ui.home.own()?;
    let kept = home.home().kept()?;
    let is_sealed = kept.is_some_and(|kept| kept.protection != Protection::Clear);
    let old = KeyArgs::of(args.old_key_file, args.old_passphrase_file);
    if is_sealed {
        let protection = kept.map_or(Protection::Clear, |kept| kept.protection);
        old.unlock(&home).await.map_err(|failure| match (protection, is_locked(&failure)) {
            (Protection::KeyFile, true) => failure.with_hint(
                "say what seals it now: --old-key-file F, beside what it is to be sealed under",
            ),
            (Protection::Passphrase, true) => failure.with_hint(
                "say what seals it now: on a terminal when asked, or by --old-passphrase-file F",
            ),
            _ => failure,
        })?;
    } else if old.is_given() {
        let text = "an old key was given, and this device's secret is not sealed";
        return Err(Failure::new(FailureKind::Usage, text).with_hint("kern key status"));
    }
    let new = match args.new.named_here().await? {
        Some(new) => new,
        None if args.keyring => keyring::new().await?,
        None if std::io::stdin().is_terminal() => SealedBy::Passphrase(secret::chosen().await?),
        None => {
            return Err(Failure::new(FailureKind::Usage, "say what to seal it under")
                .with_hint("--keyring, --key-file F, or --passphrase-file F (- is stdin)"));
        }
    };
    if kept.is_none() {
        return home.unlock(Some(&new));
    }
    home.reseal(Some(&new))
}

fn show(ui: &Ui) -> Result<(), Failure> {
    let kept = ui.home.kept()?.ok_or_else(none)?;
    let path = ui.home.key_path();
    let object = json!({ "device_id": kept.device, "kept": kept.protection, "path": path });
    ui.show(&object, || {
        let tone = if kept.protection == Protection::Clear { Tone::Attention } else { Tone::Good };
        Doc(vec![Block::Fields(vec![
            ("device".to_owned(), Text::plain(kept.device)),
            ("secret".to_owned(), Text::toned(tone, kept.protection.name())),
            ("path".to_owned(), Text::plain(path.display())),
        ])])
    })
}

fn none() -> Failure {
    Failure::new(FailureKind::Failed, "this home has no device secret yet")
        .with_hint("kern key protect makes a sealed one; kern init and kern up make one")
}
