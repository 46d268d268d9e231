//! `kern-bench`: what others' programs do with the same document and the same edits, one run a
//! process, told as one JSON object. `kern bench` starts it where it stands beside; none of them is
//! ever a part of `kern`.
//!
//! Raw Automerge sync: TCP on loopback, frames of four bytes of length, `TCP_NODELAY`; one sync
//! state a link, and all messages that wait are taken in before any is answered; all in memory.
//! samod: its own framing, `TCP_NODELAY`, in memory; its dialers wait behind a gate until the clock
//! starts, so that a dial that fails at first is not counted. Both on a runtime of two threads.

#[path = "../../node/src/bench/edits.rs"]
pub mod edits;
mod raw;
mod samod;
mod tasks;

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use serde_json::{Value as Json, json};

/// Whatever goes wrong ends the run.
type Fault = Box<dyn Error + Send + Sync>;

/// What others' programs do, one run a process.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    workload: Workload,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Peer {
    Raw,
    Samod,
}

#[derive(Debug, Subcommand)]
enum Workload {
    /// Nodes that wrote apart meet, each with each: milliseconds until all hold all
    Heal {
        #[arg(long)]
        peer: Peer,
        #[arg(long)]
        nodes: usize,
        #[arg(long)]
        edits: usize,
    },
    /// Bytes of all edits over raw sync: made at once, or each waited for
    Bytes {
        #[arg(long)]
        edits: usize,
        #[arg(long)]
        single: bool,
    },
    /// How the others' programs are set
    Settings,
    /// An edit every 50 ms: the 95th percentile until the other has it, in milliseconds
    Live {
        #[arg(long)]
        peer: Peer,
        #[arg(long)]
        edits: usize,
    },
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let ran = runtime.map_err(Fault::from).and_then(|runtime| runtime.block_on(run(args.workload)));
    let told = match &ran {
        Ok(object) => writeln!(std::io::stdout(), "{object}"),
        Err(fault) => writeln!(std::io::stderr(), "{fault}"),
    };
    if told.is_ok() && ran.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Both at their best: what slows them in their own ways to connect is set aside.
fn settings() -> Json {
    let [automerge, samod, tokio] = ["automerge", "samod", "tokio"].map(version);
    let runtime = format!("tokio {tokio} with two worker threads");
    json!({ "settings": {
        "automerge sync": format!(
            "automerge {automerge}; TCP on loopback with TCP_NODELAY, frames of four bytes of \
             length, one write each, read through a buffer of {} bytes; one sync state a link, \
             all messages that wait taken in before any is answered; in memory, unsigned, \
             unsealed; {runtime}",
            raw::READ_BYTES
        ),
        "samod": format!(
            "samod {samod} over automerge {automerge}; TCP on loopback with TCP_NODELAY, its own \
             framing; its dialers wait at a gate, so that no backoff is counted; storage in \
             memory, unsigned, unsealed; {runtime}"
        ),
    }})
}

/// What this program was built with.
fn version(name: &str) -> &'static str {
    let packages = include_str!("../../Cargo.lock").split("[[package]]");
    let field = |package: &'static str, name: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")));
        line.map(|value| value.trim_matches('"'))
    };
    let named = packages.filter(|package| field(package, "name") == Some(name));
    let versions = named.filter_map(|package| field(package, "version"));
    versions.last().unwrap_or("of another name")
}

async fn run(workload: Workload) -> Result<Json, Fault> {
    match workload {
        Workload::Heal { peer: Peer::Raw, nodes, edits } => raw::heal(nodes, edits).await,
        Workload::Heal { peer: Peer::Samod, nodes, edits } => samod::heal(nodes, edits).await,
        Workload::Settings => Ok(settings()),
        Workload::Bytes { edits, single } => raw::bytes(edits, single).await,
        Workload::Live { peer: Peer::Raw, edits } => raw::live(edits).await,
        Workload::Live { peer: Peer::Samod, edits } => samod::live(edits).await,
    }
}
