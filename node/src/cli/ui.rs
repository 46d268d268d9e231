//! `kern ui`: starts the inspector, a program of its own.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use kernelos_protocol::command::{Failure, FailureKind};

use crate::cli::{Ui, itself};

/// Open the inspector
///
/// It shows what the node knows and does what you decide; it needs a node that runs, and waits for
/// one that does not. The program kern-gui is looked for beside kern, then on the PATH.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern ui
  kern ui --workspace work
  KERNELOS_HOME=/mnt/disk/kern kern ui")]
pub(super) struct Args {
    /// Write what a screen reader gets to a file
    ///
    /// As JSON lines, whenever it changes: for who debugs one.
    #[arg(long, value_name = "FILE")]
    describe: Option<PathBuf>,
}

/// What names the screen that a window opens on.
const DISPLAYS: [&str; 3] = ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"];

pub(super) fn run(ui: &Ui, args: &Args) -> Result<(), Failure> {
    let Some(program) = itself::find_gui() else {
        return Err(Failure::new(FailureKind::Failed, "the inspector is not installed")
            .with_hint(format!("in a clone of the sources: {}", itself::BUILD_GUI)));
    };
    // The inspector writes for people alone: who asked for JSON gets an object all the same.
    if cfg!(target_os = "linux") && DISPLAYS.iter().all(|name| std::env::var_os(name).is_none()) {
        let text = format!("no window: none of {} is set", DISPLAYS.join(", "));
        return Err(Failure::new(FailureKind::Failed, text).with_hint(
            "set one; `kern status`, `kern log` and `kern conflicts` say in a terminal what it \
             shows",
        ));
    }
    let mut command = Command::new(&program);
    command.arg("--socket").arg(ui.home.socket()?);
    if let Some(workspace) = ui.workspace() {
        command.args(["--workspace", workspace]);
    }
    if let Some(describe) = &args.describe {
        command.arg("--describe").arg(describe);
    }
    // This process becomes the inspector: signals and the exit code are its own.
    let error = command.exec();
    Err(Failure::new(FailureKind::Failed, format!("{}: {error}", program.display()))
        .with_hint(format!("build it anew: {}", itself::BUILD_GUI)))
}
