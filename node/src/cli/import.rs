//! `kern import`: takes in what another device or program wrote to files.

use std::path::PathBuf;

use kernelos_protocol::api::Entering;
use kernelos_protocol::archive::{ArchiveFault, Header, Item, Reader, Slice};
use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::event::Run;
use kernelos_protocol::present::{Block, Doc, Text, Tone};
use serde_json::json;

use crate::cli::Ui;
use crate::cli::join::host_name;
use crate::cli::stream::{Progress, Source, unreadable};
use crate::cli::wrote::Wrote;
use crate::founding::check_name;
use crate::node::WorkspaceRow;

/// Take in what was written to files elsewhere
///
/// `--events` takes in a file of `kern export --events`: every event of it is judged like one of a
/// peer, and the file may be taken in again. A device without any workspace makes the one that the
/// file is of, named as `--workspace` says; one that has others does so with `--new` alone. This
/// device is no member by that: `kern rescue` makes it one, by the recovery key, or an invitation
/// of a member does (`kern invite` there, `kern join` here).
///
/// `--automerge` writes what stands in another program's Automerge file at PATH, as edits of this
/// device in as many events as that takes. Its history stays in the file. Where it holds several
/// values at one place, those that others hide go to a list beside it, at PATH-conflicts. Counters,
/// dates and bytes become plain values, and are counted.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern import --events /media/usb/home.events
  ssh server 'kern export --events -' | kern import --events -
  kern import --automerge plan.automerge notes/plan

When every device is lost, on a new one, with `kern up` running:
  kern import --events /media/usb/home.events --workspace home
  kern rescue --recovery-file F --device laptop2")]
pub(super) struct Args {
    /// A file of events, or - for stdin
    #[arg(long, value_name = "F")]
    events: Option<PathBuf>,
    /// An Automerge file, or - for stdin
    #[arg(long, value_name = "FILE", conflicts_with = "events", requires = "path")]
    automerge: Option<PathBuf>,
    /// Where its values go, below notes/ or tasks/
    #[arg(conflicts_with = "events", requires = "automerge")]
    path: Option<String>,
    /// This device's name, where the workspace is made
    ///
    /// Without it the computer's.
    #[arg(long, value_name = "NAME", conflicts_with = "automerge")]
    device: Option<String>,
    /// Make the workspace beside others
    ///
    /// Without it a file of a workspace that is not here is refused where others are.
    #[arg(long, conflicts_with = "automerge")]
    new: bool,
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    if let (Some(file), Some(path)) = (args.automerge, args.path) {
        return super::foreign::run(ui, &file, &path).await;
    }
    let Some(path) = args.events else {
        return Err(Failure::new(FailureKind::Usage, "say what to import")
            .with_hint("--events F or --automerge FILE PATH"));
    };
    let device = args.device.unwrap_or_else(host_name);
    check_name("device", &device)?;
    let mut import = Import {
        ui,
        path,
        device,
        may_be_new: args.new,
        target: None,
        is_made: false,
        slice: Slice::default(),
        here: 0,
        new: 0,
    };
    match import.read().await {
        Ok((count, bytes)) => import.told(count, bytes).await,
        Err(failure) => Err(import.after(failure)),
    }
}

/// One file on its way in.
struct Import<'a> {
    ui: &'a Ui,
    path: PathBuf,
    device: String,
    /// May it be of a workspace that is to be made beside others?
    may_be_new: bool,
    /// The workspace it is of, here.
    target: Option<WorkspaceRow>,
    is_made: bool,
    /// What was read and not handed over yet.
    slice: Slice,
    here: u64,
    new: u64,
}

impl Import<'_> {
    /// Reads to the end; gives how many events and bytes that were.
    async fn read(&mut self) -> Result<(u64, u64), Failure> {
        self.ui.client()?.info().await?;
        let mut source = Source::open(&self.path)?;
        let mut reader = Reader::default();
        let mut progress = Progress::new(self.ui.json);
        self.ui.so_far("what came of it by then stays: take it in again for the rest");
        let (mut header, mut bytes) = (None, 0);
        loop {
            let chunk = source.next().await.map_err(|error| unreadable(&self.path, &error));
            let chunk = self.or_hand_over(chunk).await?;
            bytes += chunk.len() as u64;
            reader.push(&chunk);
            let is_end = chunk.is_empty();
            loop {
                let item = reader.next_item().map_err(|fault| self.wrong(&fault));
                match self.or_hand_over(item).await? {
                    None => break,
                    Some(Item::Header(read)) => header = Some(self.find(read).await?),
                    Some(Item::Run(run)) => self.take(run).await?,
                    Some(Item::End) => self.hand_over().await?,
                }
            }
            let count = header.map_or(0, |header: Header| header.count);
            progress.show(self.here, count);
            if is_end {
                let whole = reader.finish().map_err(|fault| self.wrong(&fault));
                self.or_hand_over(whole).await?;
                return Ok((count, bytes));
            }
        }
    }

    /// What was read before a fault goes in before it is told.
    async fn or_hand_over<T>(&mut self, read: Result<T, Failure>) -> Result<T, Failure> {
        if read.is_err() {
            self.hand_over().await?;
        }
        read
    }

    /// Which workspace is it here? One that is not is made once its genesis was read: on a device
    /// that has none, or beside others where that was said. `SPEC: ARC-4`
    async fn find(&mut self, header: Header) -> Result<Header, Failure> {
        let rows = self.ui.client()?.info().await?.workspaces;
        let asked = self.ui.workspace();
        let is_asked = |row: &WorkspaceRow| {
            asked.is_none_or(|name| row.workspace == name || row.workspace_id.to_string() == name)
        };
        let here = rows.iter().find(|row| row.workspace_id == header.workspace);
        let is_taken = asked.is_some() && rows.iter().any(is_asked);
        match here {
            Some(row) if is_asked(row) => self.target = Some(row.clone()),
            Some(row) => {
                let hint = format!("leave --workspace out, or say --workspace {}", row.workspace);
                return Err(self.other(&header, std::slice::from_ref(row), &hint));
            }
            None if !is_taken && (rows.is_empty() || self.may_be_new) => {
                check_name("workspace", &self.new_name(&header))?;
            }
            None => return Err(self.other(&header, &rows, BESIDE)),
        }
        Ok(header)
    }

    /// It is of another workspace than the one that was meant; these are the ones to tell of.
    fn other(&self, header: &Header, rows: &[WorkspaceRow], hint: &str) -> Failure {
        let (path, id) = (self.path.display(), header.workspace);
        let row = |row: &WorkspaceRow| format!("{} ({})", row.workspace, row.workspace_id);
        let rows: Vec<_> = rows.iter().take(ROWS_TOLD).map(row).collect();
        let text = format!(
            "{path} is of another workspace: {id} (wrong_workspace); here: {}",
            rows.join(", ")
        );
        Failure::new(FailureKind::Failed, text).with_hint(hint)
    }

    fn new_name(&self, header: &Header) -> String {
        let id = header.workspace.to_string();
        let named = format!("workspace-{}", id.get(..8).unwrap_or(&id));
        self.ui.workspace().map_or(named, str::to_owned)
    }

    async fn take(&mut self, run: Run) -> Result<(), Failure> {
        if let (None, Some(first)) = (&self.target, run.events().first()) {
            let header = Header { workspace: first.workspace(), count: 1 };
            let (name, device) = (self.new_name(&header), self.device.clone());
            let entering = Entering { name, device, genesis: first.clone() };
            self.target = Some(self.ui.client()?.enter_from(&entering).await?);
            self.is_made = true;
            self.new += 1;
        }
        let before = self.slice.add(run);
        self.hand(before).await
    }

    async fn hand_over(&mut self) -> Result<(), Failure> {
        let runs = self.slice.take();
        self.hand(runs).await
    }

    async fn hand(&mut self, runs: Vec<Run>) -> Result<(), Failure> {
        let Some(target) = self.target.as_ref().filter(|_| !runs.is_empty()) else {
            return Ok(());
        };
        let id = target.workspace_id.to_string();
        match self.ui.client()?.ask(Some(&id), Command::ImportEvents { runs }).await? {
            Reply::EventsTaken { here, new, not_taken } => {
                self.here += here as u64;
                self.new += new as u64;
                let Some(fault) = not_taken else { return Ok(()) };
                let (path, number) = (self.path.display(), self.here + 1);
                let text = format!("{path}: event {number}: {} ({})", fault.message, fault.code);
                Err(Failure::new(FailureKind::Failed, text).with_hint(ANOTHER))
            }
            other => Err(super::doc::unexpected(&other)),
        }
    }

    fn wrong(&self, fault: &ArchiveFault) -> Failure {
        let hint = match fault {
            fault if fault.is_newer() => "upgrade this program, then import the file again",
            ArchiveFault::NotAnArchive => "`kern export --events F` writes such files",
            _ => ANOTHER,
        };
        let text = format!("{}: {fault} ({})", self.path.display(), fault.code());
        Failure::new(FailureKind::Failed, text).with_hint(hint)
    }

    /// A failure, with what is here of the file nevertheless.
    fn after(&self, mut failure: Failure) -> Failure {
        if self.target.is_some() {
            let (here, new) = (self.here, self.new);
            failure.message += &format!("; {here} events of it are here, {new} of them new");
        }
        failure
    }

    async fn told(&self, count: u64, bytes: u64) -> Result<(), Failure> {
        let Some(target) = &self.target else {
            return Err(Failure::new(FailureKind::Failed, "the file holds no event"));
        };
        let id = target.workspace_id.to_string();
        let is_member = match self.ui.client()?.ask(Some(&id), Command::Status).await? {
            Reply::Status(status) => status.role.is_some(),
            other => return Err(super::doc::unexpected(&other)),
        };
        let object = json!({ "file": self.path, "workspace": target.workspace,
            "workspace_id": target.workspace_id, "device": target.device, "events": count,
            "bytes": bytes, "new": self.new, "made": self.is_made, "member": is_member });
        let why = "what others wrote is judged as it is: kern strike takes the effect of an event";
        self.ui.wrote(&Wrote::never(None, why), object, || {
            let (new, name) = (self.new, &target.workspace);
            let text = format!("{count} events, {bytes} bytes; {new} were new in {name}");
            let mut blocks = vec![Block::Line(Text::plain(text))];
            if !is_member {
                blocks.push(Block::Line(Text::toned(Tone::Attention, NO_MEMBER)));
            }
            Doc(blocks)
        })
    }
}

/// What to do with a file that is damaged or was made up.
const ANOTHER: &str =
    "what stands before the fault is kept; export it again and import that file too";

/// Of so many workspaces that are here a refusal tells.
const ROWS_TOLD: usize = 4;

/// What to do with a file of a workspace that is not here.
const BESIDE: &str = "export the one that is here, or make that one beside it: the same with --new \
--workspace NAME, a name that none here has";

const NO_MEMBER: &str = "This device is no member. kern rescue --recovery-file F --device NAME \
makes it one, or an invitation: kern invite on a member, kern join here";
