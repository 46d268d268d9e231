//! `kern up`: runs this device's node until it is told to stop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::present::{Block, Doc, Text, Tone};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::api::{listen, serve};
use crate::cli::secret::KeyArgs;
use crate::cli::{Ui, stdin};
use crate::mesh::{Listen, Ways, address};
use crate::missions::{Folder, StepTimeout, Worker};
use crate::node::Node;
use crate::sandbox::{Sandbox, SandboxFault};

/// Run this device's node
///
/// It serves every workspace of this home, also an empty one. SIGTERM and SIGINT let it finish
/// what is under way.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern up
  kern up --run       agents may run here
  kern up --quic 10.0.0.1:7447 --listen none
  kern up --run --step-timeout 30m
  kern up --key-file /run/keys/kernelos
  kern up --json      one line when it answers: {\"ready\":true,\"api\":…}")]
pub(super) struct Args {
    /// Where to be reached, or none
    ///
    /// Port 0 is the one of the last time. `none`: only where --quic says, and no pairing.
    #[arg(long, default_value = "0.0.0.0:0", value_name = "ADDRESS:PORT")]
    listen: Listen,
    /// Plain QUIC at this fixed address
    ///
    /// For devices that are told it by `kern peer add`.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    quic: Option<SocketAddr>,
    /// Do not look for members by multicast DNS
    #[arg(long)]
    no_mdns: bool,
    /// Pass hints on: who is there, and how far
    ///
    /// For meshes whose devices do not all reach each other. Others have to have it switched on,
    /// too. Not over --quic.
    #[arg(long)]
    gossip: bool,
    /// Let agents run here; the others are told
    #[arg(long)]
    run: bool,
    /// How long a step may last
    ///
    /// One of an agent, or one run of a verification: then it is ended, and its record says so.
    #[arg(long, requires = "run", default_value_t, value_name = "TIME")]
    step_timeout: StepTimeout,
    #[command(flatten)]
    key: KeyArgs,
    /// Stop when stdin ends: with the process that started this one, however that ends
    #[arg(long, hide = true)]
    until_stdin_ends: bool,
}

/// For how long a stop lets requests finish. Whoever waits for something to happen waits longer.
const DRAIN: Duration = Duration::from_secs(5);

#[derive(Serialize)]
struct Ready<'a> {
    ready: bool,
    api: &'a Path,
    /// What is wrong since this start.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    told: &'a [String],
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    if args.listen == Listen::None && args.quic.is_none() {
        return Err(Failure::new(FailureKind::Usage, "--listen none leaves no way to others")
            .with_hint("with it: --quic ADDRESS:PORT; or stay alone by `kern offline`"));
    }
    if args.gossip && args.listen == Listen::None {
        return Err(Failure::new(FailureKind::Usage, "plain QUIC carries no gossip")
            .with_hint("with --gossip: --listen ADDRESS:PORT"));
    }
    let (mdns, gossip) = (!args.no_mdns, args.gossip);
    let ways = Ways { listen: args.listen, quic: args.quic, mdns, gossip };
    let socket = ui.home.socket()?;
    let failed = |error: io::Error| Failure::new(FailureKind::Failed, error);
    // Before anything else, so that no signal finds the default handler.
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let home = ui.home.own()?;
    tokio::select! {
        biased;
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
        unlocked = args.key.unlock(&home) => unlocked?,
    }
    let stdin_ends = stdin_ends(args.until_stdin_ends)?;
    let worker = worker(ui.home.path(), args.run, args.step_timeout).await?;
    let node = Node::start(home, ways, worker)?;
    node.go_online().await?;
    let listener = listen(&socket)?;
    let told = node.told();
    ui.show(&Ready { ready: true, api: &socket, told: &told }, || {
        let told = told.iter().map(|told| Text::toned(Tone::Attention, told));
        let ready = Text::plain(format!("ready: {}", socket.display()));
        Doc(told.chain([ready]).map(Block::Line).collect())
    })?;
    let (stopping, stopped) = oneshot::channel();
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = stdin_ends => {}
        }
        stopping.send(()).ok();
    };
    let late = async {
        stopped.await.ok();
        sleep(DRAIN).await;
    };
    let served = tokio::select! {
        served = serve(Arc::clone(&node), listener, stop) => served,
        () = late => Ok(()),
    };
    node.stop().await;
    std::fs::remove_file(&socket).ok();
    served.map_err(failed)
}

/// What this node's missions have. Without a sandbox nothing of an agent's runs.
async fn worker(home: &Path, runs: bool, step_timeout: StepTimeout) -> Result<Worker, Failure> {
    let folder = Folder::below(home);
    let hidden = home.to_owned();
    let sandbox = if runs {
        let scratch = home.join("missions");
        let probed = std::fs::create_dir_all(&scratch).map_err(|error| error.to_string());
        let probed = match probed {
            Ok(()) => Sandbox::probe(Path::new(Sandbox::SELF), &scratch).await,
            Err(error) => Err(SandboxFault::Failed(error)),
        };
        Ok(probed.map_err(|fault| {
            Failure::new(FailureKind::Failed, format!("agents cannot run here: {fault}"))
                .with_hint("start the node without --run: it does everything else")
        })?)
    } else {
        Err("this node was not started with --run".to_owned())
    };
    Ok(Worker { folder, hidden, sandbox: Arc::new(sandbox), runs, step_timeout })
}

/// Is done when stdin ends, where that is `wanted`.
fn stdin_ends(wanted: bool) -> Result<impl Future<Output = ()>, Failure> {
    let read = |stdin: &mut io::StdinLock<'_>| io::copy(stdin, &mut io::sink());
    let ends = wanted.then(|| stdin::read(read)).transpose()?;
    Ok(async move {
        match ends {
            Some(ends) => drop(stdin::done(ends).await),
            None => std::future::pending().await,
        }
    })
}
