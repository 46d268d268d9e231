//! `kern ui`: starts the inspector, a program of its own.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use kernelos_protocol::command::{Failure, FailureKind};

use crate::cli::Ui;

/// The inspector's program.
const PROGRAM: &str = "kern-gui";

/// Open the inspector
///
/// It shows what the node knows and does what you decide; it needs a node that runs, and waits for
/// one that does not. The program kern-gui is looked for beside kern, then on the PATH.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern ui
  kern ui --workspace work")]
pub(super) struct Args {
    /// Write what a screen reader gets to a file, as JSON lines, whenever it changes: for who
    /// debugs one
    #[arg(long, value_name = "FILE")]
    describe: Option<PathBuf>,
}

pub(super) fn run(ui: &Ui, args: &Args) -> Result<(), Failure> {
    let beside = std::env::current_exe().ok().map(|kern| kern.with_file_name(PROGRAM));
    let program = beside.filter(|beside| beside.is_file()).unwrap_or_else(|| PROGRAM.into());
    let mut command = Command::new(program);
    command.arg("--socket").arg(ui.home.socket()?);
    if let Some(workspace) = ui.workspace() {
        command.args(["--workspace", workspace]);
    }
    if let Some(describe) = &args.describe {
        command.arg("--describe").arg(describe);
    }
    // This process becomes the inspector: signals and the exit code are its own.
    let error = command.exec();
    Err(Failure::new(FailureKind::Failed, format!("the inspector does not start: {error}"))
        .with_hint("build it: cargo install --path gui"))
}
