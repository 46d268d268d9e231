//! What others' programs do: measured by `kern-bench`, a program of its own, so that none of them
//! is in this one. It prints one object a run. Where it does not stand beside `kern`, that is told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;
use tokio::time::timeout;

/// Raw Automerge sync over TCP, all in memory.
pub(super) const RAW: &str = "automerge sync";

/// samod over TCP, all in memory.
pub(super) const SAMOD: &str = "samod";

/// The program.
const PROGRAM: &str = "kern-bench";

/// No run of it may take longer: samod does not come to an end with four nodes and many edits.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one run of it says; what was not asked is not there.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Run {
    pub(super) ms: Option<f64>,
    pub(super) p95_ms: Option<f64>,
    pub(super) bytes: Option<f64>,
    settings: BTreeMap<String, String>,
}

/// Where it stands, or why it is not there.
#[derive(Debug)]
pub(super) struct Foreign(Result<PathBuf, String>);

impl Foreign {
    /// Beside this program.
    pub(super) fn beside() -> Self {
        let own = std::env::current_exe().map_err(|error| error.to_string());
        Self(own.and_then(|own| {
            let program = own.with_file_name(PROGRAM);
            let missing = || {
                format!(
                    "{PROGRAM} does not stand beside {}: build it (cargo build --release -p \
                     kernelos-tests --bin {PROGRAM}) to measure what others' programs do",
                    own.display()
                )
            };
            program.is_file().then_some(program).ok_or_else(missing)
        }))
    }

    /// Runs it once and adds what it says, unless something is missing already.
    pub(super) async fn collect(
        &self,
        numbers: &mut Result<Vec<f64>, String>,
        args: &[&str],
        which: impl FnOnce(&Run) -> Option<f64>,
    ) {
        let Ok(known) = numbers else { return };
        match self.run(args).await.map(|run| which(&run)) {
            Ok(Some(number)) => known.push(number),
            Ok(None) => *numbers = Err(format!("{PROGRAM} {} gave no number", args.join(" "))),
            Err(why) => *numbers = Err(why),
        }
    }

    /// How these of others' programs are set, in their own words; nothing where they are not there.
    pub(super) async fn settings(&self, peers: &[&str]) -> BTreeMap<String, String> {
        let told = self.run(&["settings"]).await.map(|run| run.settings).unwrap_or_default();
        told.into_iter().filter(|(peer, _)| peers.contains(&peer.as_str())).collect()
    }

    async fn run(&self, args: &[&str]) -> Result<Run, String> {
        let program = self.0.clone()?;
        let output =
            Command::new(program).args(args).stdin(Stdio::null()).kill_on_drop(true).output();
        let late = |_| format!("{PROGRAM} {} takes longer than {PATIENCE:?}", args.join(" "));
        let output = timeout(PATIENCE, output).await.map_err(late)?;
        let output = output.map_err(|error| format!("{PROGRAM}: {error}"))?;
        if output.status.success() {
            return serde_json::from_slice(&output.stdout)
                .map_err(|error| format!("{PROGRAM} {}: {error}", args.join(" ")));
        }
        let told = String::from_utf8_lossy(&output.stderr);
        Err(format!("{PROGRAM} {}: {}", args.join(" "), told.trim()))
    }
}
