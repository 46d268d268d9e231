//! `kern export`: what is here as files, for devices that never meet and for other programs.

use std::path::{Path, PathBuf};

use kernelos_protocol::archive::{Header, Writer};
use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::event::Verified;
use kernelos_protocol::id::WorkspaceId;
use kernelos_protocol::present::{Block, Doc, Text};
use serde_json::json;

use crate::cli::Ui;
use crate::cli::stream::{Progress, Sink};

/// Write what is here to files
///
/// `--events` writes every event of the workspace, sealed as it is in the store: `kern import
/// --events` takes it in on a device that this one never meets, and brings a workspace back whose
/// devices are all lost, by its recovery key. Artifacts (a mission's files) are not in it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern export --events /media/usb/home.events
  kern export --events - | ssh server 'kern import --events -'

No file is overwritten. Exit code 1 also where a file is there already.")]
pub(super) struct Args {
    /// A new file for all events, or - for stdout
    #[arg(long, value_name = "F")]
    events: PathBuf,
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    events(ui, &args.events).await
}

/// Part of the history, in the order in which it came here.
struct Page {
    workspace: WorkspaceId,
    count: usize,
    events: Vec<Verified>,
}

async fn page(ui: &Ui, from: usize) -> Result<Page, Failure> {
    match ui.client()?.ask(ui.workspace(), Command::ExportEvents { from }).await? {
        Reply::EventsPage { workspace, count, events, .. } => Ok(Page { workspace, count, events }),
        other => Err(super::doc::unexpected(&other)),
    }
}

async fn events(ui: &Ui, path: &Path) -> Result<(), Failure> {
    let mut page_now = page(ui, 0).await?;
    // What comes while this is written is in the next file.
    let (workspace, count) = (page_now.workspace, page_now.count);
    let mut sink = Sink::create(path)?;
    let (mut writer, begin) = Writer::begin(Header { workspace, count: count as u64 });
    let mut bytes = begin.len() as u64;
    let mut goes_on = sink.write(begin).await;
    let mut progress = Progress::new(ui.json);
    let mut written = 0;
    while goes_on && written < count {
        for event in page_now.events.into_iter().take(count - written) {
            let event = writer.event(&event).ok_or_else(changed)?;
            bytes += event.len() as u64;
            written += 1;
            goes_on = goes_on && sink.write(event).await;
        }
        progress.show(written as u64, count as u64);
        if written == count {
            break;
        }
        page_now = page(ui, written).await?;
        if page_now.workspace != workspace || page_now.events.is_empty() {
            return Err(changed());
        }
    }
    drop(progress);
    let end = writer.finish();
    bytes += end.len() as u64;
    sink.write(end.to_vec()).await;
    sink.finish().await?;
    told(ui, path, workspace, (count as u64, bytes))
}

fn changed() -> Failure {
    Failure::new(
        FailureKind::Busy,
        "the history changed while it was written; nothing is left of it",
    )
    .with_hint("try again")
}

fn told(ui: &Ui, path: &Path, id: WorkspaceId, sizes: (u64, u64)) -> Result<(), Failure> {
    let object = json!({ "file": path, "workspace_id": id, "events": sizes.0, "bytes": sizes.1 });
    let doc = || {
        let text = format!("{} events, {} bytes: {}", sizes.0, sizes.1, path.display());
        Doc(vec![Block::Line(Text::plain(text))])
    };
    // Where the events are on stdout, nothing else may be.
    if path == Path::new("-") { ui.show_aside(&object, doc) } else { ui.show(&object, doc) }
}
