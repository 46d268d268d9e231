//! A workspace whose devices are lost comes back: its archive is taken in slice by slice, as `kern
//! import --events` does it, and then the recovery key makes this device its owner. `SPEC: ARC-4`

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use hyper::Method;
use kernelos_protocol::api::{Asked, Entering, NodeInfo, WorkspaceRow};
use kernelos_protocol::archive::{ArchiveFault, Header, Item, Reader, Slice};
use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::event::Run;
use kernelos_protocol::id::WorkspaceId;
use tokio::sync::mpsc;

use super::http::send;
use super::link::{answered, ordered};
use super::{News, Restored, Restoring, doors};

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// One file on its way in.
struct Import<'a> {
    socket: &'a Path,
    asked: &'a Restoring,
    news: &'a mpsc::Sender<News>,
    wake: &'a (dyn Fn() + Send + Sync),
    /// The workspace that it is of, once it is here.
    target: Option<WorkspaceRow>,
    /// What was read and not handed over yet.
    slice: Slice,
    here: u64,
    of: u64,
}

/// Brings it here, and makes this device the owner where it is no member.
pub(super) async fn restore(
    socket: &Path,
    asked: &Restoring,
    (news, wake): (&mpsc::Sender<News>, &(dyn Fn() + Send + Sync)),
) -> Result<Restored, Failure> {
    // A file that holds no key is told before anything is brought here.
    let rescue = doors::rescue(&asked.rescuing)?;
    let slice = Slice::default();
    let mut import = Import { socket, asked, news, wake, target: None, slice, here: 0, of: 0 };
    let read = import.read().await;
    let (here, target) = (import.here, import.target.clone());
    let after = |mut failure: Failure| {
        failure.message += &format!("; {here} events of it are here, do it again to go on");
        failure
    };
    read.map_err(|failure| if target.is_some() { after(failure) } else { failure })?;
    let Some(target) = target else {
        return Err(Failure::new(FailureKind::Failed, "the file holds no event"));
    };
    let (workspace, workspace_id) = (target.workspace, target.workspace_id);
    let is_member = match import.ask(workspace_id, Command::Status).await? {
        Reply::Status(status) => status.role.is_some(),
        _ => return Err(unexpected()),
    };
    if !is_member {
        let rescued = import.ask(workspace_id, rescue).await;
        rescued.map_err(|failure| {
            let text = format!("the archive is here, and {}", failure.message);
            let hint = "Rescue this workspace, in its overview, takes the recovery key again";
            Failure { message: text, ..failure }.with_hint(hint)
        })?;
    }
    Ok(Restored { workspace, workspace_id, events: here, is_rescued: !is_member })
}

impl Import<'_> {
    /// Reads to the end.
    async fn read(&mut self) -> Result<(), Failure> {
        let mut file = self.open()?;
        let mut reader = Reader::default();
        loop {
            let mut chunk = vec![0; CHUNK_BYTES];
            let length = file.read(&mut chunk).map_err(|error| self.unreadable(&error))?;
            reader.push(chunk.get(..length).unwrap_or_default());
            while let Some(item) = self.or_hand_over(reader.next_item()).await? {
                match item {
                    Item::Header(header) => self.find(header).await?,
                    Item::Run(run) => self.take(run).await?,
                    Item::End => self.hand_over().await?,
                }
            }
            if length == 0 {
                return self.or_hand_over(reader.finish()).await;
            }
        }
    }

    fn open(&self) -> Result<File, Failure> {
        doors::open(&self.asked.events).map_err(|error| self.unreadable(&error))
    }

    fn unreadable(&self, why: &dyn std::fmt::Display) -> Failure {
        Failure::new(FailureKind::Failed, format!("{}: {why}", self.asked.events.display()))
            .with_hint("name the file that kern export --events wrote")
    }

    /// What was read before a fault goes in before it is told.
    async fn or_hand_over<T>(&mut self, read: Result<T, ArchiveFault>) -> Result<T, Failure> {
        let fault = match read {
            Ok(read) => return Ok(read),
            Err(fault) => fault,
        };
        self.hand_over().await?;
        let hint = match &fault {
            fault if fault.is_newer() => "upgrade this program, then restore from the file again",
            ArchiveFault::NotAnArchive => "kern export --events writes such files",
            _ => "what stands before the fault is kept: export it again, or take another copy",
        };
        let text = format!("{}: {fault} ({})", self.asked.events.display(), fault.code());
        Err(Failure::new(FailureKind::Failed, text).with_hint(hint))
    }

    /// The workspace may be here already: then this goes on where it was interrupted.
    async fn find(&mut self, header: Header) -> Result<(), Failure> {
        self.of = header.count;
        let info: NodeInfo = ordered(send(self.socket, Method::GET, "/v1/node", &())).await?;
        let mut rows = info.workspaces.into_iter();
        self.target = rows.find(|row| row.workspace_id == header.workspace);
        Ok(())
    }

    async fn take(&mut self, run: Run) -> Result<(), Failure> {
        if let (None, Some(genesis)) = (&self.target, run.events().first()) {
            let (name, device) = (self.asked.name.clone(), self.asked.rescuing.device.clone());
            let entering = Entering { name, device, genesis: genesis.clone() };
            let made = answered(self.socket, "/v1/workspaces/from", &entering);
            self.target = Some(ordered(made).await?);
        }
        let before = self.slice.add(run);
        self.hand(before).await
    }

    async fn hand_over(&mut self) -> Result<(), Failure> {
        let runs = self.slice.take();
        self.hand(runs).await
    }

    async fn hand(&mut self, runs: Vec<Run>) -> Result<(), Failure> {
        let Some(id) = self.target.as_ref().map(|row| row.workspace_id) else { return Ok(()) };
        if runs.is_empty() {
            return Ok(());
        }
        let Reply::EventsTaken { here, not_taken, .. } =
            self.ask(id, Command::ImportEvents { runs }).await?
        else {
            return Err(unexpected());
        };
        self.here += here as u64;
        if let Some(fault) = not_taken {
            let (path, number) = (self.asked.events.display(), self.here + 1);
            let text = format!("{path}: event {number}: {} ({})", fault.message, fault.code);
            let hint = "what stands before it is kept: export it again, or take another copy";
            return Err(Failure::new(FailureKind::Failed, text).with_hint(hint));
        }
        // Where the window hears nothing now, the next says more.
        self.news.try_send(News::Restoring { here: self.here, of: self.of }).ok();
        (self.wake)();
        Ok(())
    }

    async fn ask(&self, id: WorkspaceId, command: Command) -> Result<Reply, Failure> {
        let asked = Asked { workspace: Some(id.to_string()), command };
        match ordered(send(self.socket, Method::POST, "/v1/command", &asked)).await? {
            Reply::Failed(failure) => Err(failure),
            reply => Ok(reply),
        }
    }
}

fn unexpected() -> Failure {
    Failure::new(FailureKind::Failed, "the node answered something else")
        .with_hint("it may be of another version than this window: restart both")
}
