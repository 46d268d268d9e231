//! The command `kern`: arguments in, the node's words out.
//!
//! Data goes to stdout, everything else to stderr. How it ended is the exit code, as the help says.
//! A name of something that is not there is a failure (1) with a hint which command lists what is;
//! what can be no name, or names several things, is asked wrongly (2). Nothing is decided here.

mod agent;
mod bench;
mod board;
mod branch;
mod conflicts;
pub(crate) mod demo;
mod devices;
mod doc;
mod doctor;
mod edits;
#[cfg(test)]
mod examples;
mod export;
mod foreign;
mod import;
mod init;
mod invite;
pub(crate) mod itself;
mod join;
mod join_file;
mod key;
mod keyring;
mod links;
mod log;
mod look;
mod mission;
mod names;
mod network;
mod past;
mod peer;
mod policy;
mod purge;
mod quarantine;
mod rescue;
mod revoke;
mod secret;
mod signals;
mod status;
mod stdin;
mod stream;
mod task;
mod ui;
mod undo;
mod up;
mod usage;
mod workspace;
mod wrote;

use std::future::Future;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use clap::{FromArgMatches as _, Parser, Subcommand};
use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::present::Doc;
use serde::Serialize;

use crate::api::client::Client;
use crate::home::Home;
use crate::sandbox;

/// A local-first control plane for AI agents: one node a device, no server.
#[derive(Debug, Parser)]
#[command(name = "kern", version, after_help = SHORT, after_long_help = EXAMPLES)]
struct Args {
    /// Print JSON, for scripts
    ///
    /// One object or list, or one object a line.
    #[arg(long, global = true)]
    json: bool,
    /// Which workspace, by name or id
    ///
    /// Needed only where there are several.
    #[arg(long, global = true, value_name = "W")]
    workspace: Option<String>,
    #[command(subcommand)]
    command: Subcommands,
}

const SHORT: &str = "\
Examples:
  kern demo                        watch three devices at work
  kern init home --device laptop   make a workspace on this device
  kern up                          run this device's node
kern COMMAND -h says more of one, kern --help what each does and exit codes.";

const EXAMPLES: &str = "\
Examples:
  kern demo                          watch three devices at work, in a folder of their own
  kern init home --device laptop     make a workspace on this device
  kern up                            run this device's node
  kern doc set notes/today '\"rain\"'  write
  kern log                           what happened, and what became of it

All state is in KERNELOS_HOME (default: the platform's data folder).

Exit codes:
  0  done
  1  failed; also where an argument names something that is not there
  2  asked wrongly: an argument is malformed, missing, or names several things
  3  the node does not run
  4  conflicts are open (conflicts --exit-code)
  5  denied by the policy, or refused by the other device
  6  an approval is needed (no command asks for one yet)
  7  busy, or the other device is not reached or took too long
  130 interrupted (SIGINT), 143 told to end (SIGTERM, SIGHUP); `kern up` ends with 0 by them";

#[derive(Debug, Subcommand)]
enum Subcommands {
    Demo(demo::Args),
    Init(init::Args),
    Up(up::Args),
    Invite(invite::Args),
    Join(join::Args),
    Offline(network::Offline),
    Online(network::Online),
    #[command(subcommand)]
    Peer(peer::Args),
    Status(status::Args),
    Doc(doc::Command),
    #[command(subcommand)]
    Board(board::Args),
    #[command(subcommand)]
    Branch(branch::Args),
    Task(task::Command),
    #[command(subcommand)]
    Agent(agent::Args),
    #[command(subcommand)]
    Mission(mission::Args),
    #[command(subcommand)]
    Policy(policy::Args),
    Log(log::Args),
    Conflicts(conflicts::Args),
    Ui(ui::Args),
    Undo(undo::Args),
    Revoke(revoke::Args),
    Strike(quarantine::Strike),
    Purge(purge::Args),
    #[command(subcommand)]
    Quarantine(quarantine::Args),
    Readmit(rescue::Readmit),
    Rescue(rescue::Args),
    Export(export::Args),
    Import(import::Args),
    Devices(devices::Args),
    #[command(subcommand)]
    Key(key::Args),
    #[command(subcommand)]
    Workspace(workspace::Args),
    Doctor(doctor::Args),
    Paths(itself::Paths),
    Completions(itself::Completions),
    Man(itself::Man),
    Bench(bench::Args),
}

impl Subcommands {
    /// Has it something to end, or to undo, when a signal comes? Then it hears signals itself.
    fn ends_itself(&self) -> bool {
        matches!(self, Self::Demo(_) | Self::Up(_) | Self::Invite(_) | Self::Join(_))
    }
}

/// What every command has at hand.
struct Ui {
    home: Home,
    json: bool,
    workspace: Option<String>,
    /// Something was written, and it was not said yet how that is taken back.
    owes: Arc<AtomicBool>,
    /// What was done by now, for who interrupts it.
    so_far: signals::SoFar,
}

/// Runs `kern` with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    // Before a thread or a file of ours is there: this process becomes a command in the sandbox.
    if std::env::args_os().nth(1).is_some_and(|arg| arg == sandbox::INSIDE) {
        return sandbox::inside();
    }
    if std::env::args_os().nth(1).is_some_and(|arg| arg == crate::foreign::INSIDE) {
        return crate::foreign::inside();
    }
    let asked = usage::command(std::env::args_os().skip(1)).try_get_matches();
    let args = match asked.and_then(|asked| Args::from_arg_matches(&asked)) {
        Ok(args) => args,
        Err(error) => return usage::tell(&error),
    };
    let json = args.json;
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tell(json, &failure);
            ExitCode::from(failure.kind.exit_code())
        }
    }
}

fn run(args: Args) -> Result<(), Failure> {
    let owes = Arc::new(AtomicBool::new(false));
    let ui = Ui {
        home: Home::find()?,
        json: args.json,
        workspace: args.workspace,
        owes: Arc::clone(&owes),
        so_far: signals::SoFar::default(),
    };
    let so_far = Arc::clone(&ui.so_far);
    let ends_itself = args.command.ends_itself();
    let work = async {
        match args.command {
            Subcommands::Demo(args) => demo::run(&ui, args).await,
            Subcommands::Up(args) => up::run(&ui, args).await,
            Subcommands::Invite(args) => invite::run(&ui, args).await,
            Subcommands::Join(args) => join::run(&ui, args).await,
            Subcommands::Init(args) => init::run(&ui, args).await,
            Subcommands::Offline(_) => network::run(&ui, "offline").await,
            Subcommands::Online(_) => network::run(&ui, "online").await,
            Subcommands::Peer(args) => peer::run(&ui, args).await,
            Subcommands::Status(args) => status::run(&ui, args).await,
            Subcommands::Doc(args) => doc::run(&ui, args).await,
            Subcommands::Board(args) => board::run(&ui, args).await,
            Subcommands::Branch(args) => branch::run(&ui, args).await,
            Subcommands::Task(args) => task::run(&ui, args).await,
            Subcommands::Agent(args) => agent::run(&ui, args).await,
            Subcommands::Mission(args) => mission::run(&ui, args).await,
            Subcommands::Policy(args) => policy::run(&ui, &args),
            Subcommands::Log(args) => log::run(&ui, args).await,
            Subcommands::Conflicts(args) => conflicts::run(&ui, args).await,
            Subcommands::Ui(args) => ui::run(&ui, &args),
            Subcommands::Undo(args) => undo::run(&ui, args).await,
            Subcommands::Revoke(args) => revoke::run(&ui, args).await,
            Subcommands::Strike(args) => quarantine::strike(&ui, args).await,
            Subcommands::Purge(args) => purge::run(&ui, args).await,
            Subcommands::Quarantine(args) => quarantine::run(&ui, args).await,
            Subcommands::Readmit(args) => rescue::readmit(&ui, args).await,
            Subcommands::Rescue(args) => rescue::run(&ui, args).await,
            Subcommands::Export(args) => export::run(&ui, args).await,
            Subcommands::Import(args) => import::run(&ui, args).await,
            Subcommands::Devices(args) => devices::run(&ui, args).await,
            Subcommands::Key(args) => key::run(&ui, args).await,
            Subcommands::Workspace(args) => workspace::run(&ui, args).await,
            Subcommands::Doctor(_) => doctor::run(&ui).await,
            Subcommands::Paths(_) => itself::paths(&ui),
            Subcommands::Completions(args) => itself::completions(&ui, &args),
            Subcommands::Man(args) => itself::man(&ui, args),
            Subcommands::Bench(args) => bench::run(&ui, args).await,
        }
    };
    let done =
        async { if ends_itself { work.await } else { signals::until_told(so_far, work).await } };
    block_on(done)??;
    if cfg!(debug_assertions) && owes.load(Ordering::Relaxed) {
        let text = "this wrote something, and did not say how to take it back";
        return Err(Failure::new(FailureKind::Failed, text));
    }
    Ok(())
}

fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(FailureKind::Failed, error))?;
    Ok(runtime.block_on(work))
}

fn tell(json: bool, failure: &Failure) {
    let mut to = io::stderr().lock();
    let told = if json {
        let text = serde_json::to_string(failure).unwrap_or_default();
        writeln!(to, "{text}")
    } else {
        write!(to, "{}", look::failed(failure))
    };
    // Where even stderr is closed, the exit code still says it.
    told.ok();
}

impl Ui {
    fn client(&self) -> Result<Client, Failure> {
        Client::marking(&self.home, Arc::clone(&self.owes))
    }

    /// Keeps what was done by now, and what to do where a signal ends it here.
    fn so_far(&self, what: impl Into<String>) {
        *self.so_far.lock().unwrap_or_else(PoisonError::into_inner) = Some(what.into());
    }

    fn workspace(&self) -> Option<&str> {
        self.workspace.as_deref()
    }

    /// Prints an object: as JSON, or for people.
    fn show(&self, object: &impl Serialize, doc: impl FnOnce() -> Doc) -> Result<(), Failure> {
        print(&self.text(object, doc, look::at_stdout())?)
    }

    /// Tells a script that a list goes on: people see it in the list.
    fn told_more(&self, more: usize) -> Result<(), Failure> {
        if more > 0 && self.json {
            self.show_aside(&serde_json::json!({ "more": more }), Doc::default)?;
        }
        Ok(())
    }

    /// The same on stderr, where data is on stdout already.
    fn show_aside(
        &self,
        object: &impl Serialize,
        doc: impl FnOnce() -> Doc,
    ) -> Result<(), Failure> {
        // The data is there, whether or not this can be told.
        let text = self.text(object, doc, look::at_stderr())?;
        io::stderr().write_all(text.as_bytes()).ok();
        Ok(())
    }

    fn text(
        &self,
        object: &impl Serialize,
        doc: impl FnOnce() -> Doc,
        look: look::Look,
    ) -> Result<String, Failure> {
        if !self.json {
            return Ok(look.text(&doc()));
        }
        let text = serde_json::to_string(object);
        Ok(text.map_err(|error| Failure::new(FailureKind::Failed, error))? + "\n")
    }
}

/// Prints to stdout at once, so that a reader of a pipe sees it.
fn print(text: &str) -> Result<(), Failure> {
    let mut to = io::stdout().lock();
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        // Who closed the pipe has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(|error| Failure::new(FailureKind::Failed, error)),
    }
}

/// Does a person look at stdout?
fn is_terminal() -> bool {
    io::stdout().is_terminal()
}
