//! `kern export`: what is here as files, for devices that never meet and for other programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use kernelos_protocol::archive::{Header, Writer};
use kernelos_protocol::command::{Command, DocumentPart, Failure, FailureKind, Reply};
use kernelos_protocol::event::Run;
use kernelos_protocol::id::{ChangeHash, DocumentId, WorkspaceId};
use kernelos_protocol::limits::NAME_BYTES_MAX;
use kernelos_protocol::present::{Block, Doc, Text};
use serde_json::json;

use crate::cli::Ui;
use crate::cli::stream::{DASH, Progress, Sink};

/// Write what is here to files
///
/// `--events` writes every event of the workspace, sealed as it is in the store: `kern import
/// --events` takes it in on a device that this one never meets, and brings a workspace back whose
/// devices are all lost, by its recovery key. Artifacts (a mission's files) are not in it.
///
/// `--automerge` writes each document with its history and conflicts, in the clear, as every
/// program with Automerge reads it; the workspace's is `workspace.automerge`, a board's is
/// named like it where that can be the name of a file, and after its id where not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern export --events /media/usb/home.events
  kern export --events - | ssh server 'kern import --events -'
  kern export --automerge notes-of-today

No file is overwritten. Exit code 1 also where a file is there already.")]
pub(super) struct Args {
    /// A new file for all events, or - for stdout
    #[arg(long, value_name = "F")]
    events: Option<PathBuf>,
    /// A folder for a file of each document, readable
    ///
    /// Other programs with Automerge open them.
    #[arg(long, value_name = "DIR", conflicts_with = "events")]
    automerge: Option<PathBuf>,
}

pub(super) async fn run(ui: &Ui, args: Args) -> Result<(), Failure> {
    match (args.events, args.automerge) {
        (Some(path), _) => events(ui, &path).await,
        (None, Some(folder)) => documents(ui, &folder).await,
        (None, None) => Err(Failure::new(FailureKind::Usage, "say what to export")
            .with_hint("--events F or --automerge DIR")),
    }
}

/// Part of the history, in the order in which it came here.
struct Page {
    workspace: WorkspaceId,
    count: usize,
    runs: Vec<Run>,
}

async fn page(ui: &Ui, from: usize) -> Result<Page, Failure> {
    match ui.client()?.ask(ui.workspace(), Command::ExportEvents { from }).await? {
        Reply::EventsPage { workspace, count, runs, .. } => Ok(Page { workspace, count, runs }),
        other => Err(super::doc::unexpected(&other)),
    }
}

async fn events(ui: &Ui, path: &Path) -> Result<(), Failure> {
    let mut page_now = page(ui, 0).await?;
    // What comes while this is written is in the next file.
    let (workspace, count) = (page_now.workspace, page_now.count);
    let sink = Sink::create(path)?;
    let (mut writer, begin) = Writer::begin(Header { workspace, count: count as u64 });
    let mut bytes = begin.len() as u64;
    let mut goes_on = sink.write(begin).await;
    let mut progress = Progress::new(ui.json);
    let mut written = 0;
    ui.so_far(if path == Path::new(DASH) { A_PART_LEFT } else { NOTHING_LEFT });
    while goes_on && written < count {
        // A run goes in whole, so none stands on both sides of the count.
        let events = page_now.runs.into_iter().flat_map(Run::into_events);
        for event in events.take(count - written) {
            let event = writer.event(&event).ok_or_else(changed)?;
            bytes += event.len() as u64;
            written += 1;
            progress.show(written as u64, count as u64);
            goes_on = goes_on && sink.write(event).await;
        }
        if written == count {
            break;
        }
        page_now = page(ui, written).await?;
        if page_now.workspace != workspace || page_now.runs.is_empty() {
            return Err(changed());
        }
    }
    drop(progress);
    let end = writer.finish();
    bytes += end.len() as u64;
    sink.write(end.to_vec()).await;
    sink.finish().await?;
    ui.so_far("all of it was written");
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
    if path == Path::new(DASH) { ui.show_aside(&object, doc) } else { ui.show(&object, doc) }
}

/// What an interrupted export leaves.
const NOTHING_LEFT: &str = "nothing is left of the file: export it again";

/// The same on stdout, which takes nothing back.
const A_PART_LEFT: &str = "stdout has a part of it: export it again";

/// One document that was written.
struct Written {
    file: PathBuf,
    document: DocumentId,
    heads: Vec<ChangeHash>,
    changes: usize,
    bytes: usize,
}

async fn documents(ui: &Ui, folder: &Path) -> Result<(), Failure> {
    let root = part(ui, None, 0).await?;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| {
        Failure::new(FailureKind::Failed, format!("{}: {error}", folder.display()))
            .with_hint("name a folder that can be made or written")
    })?;
    let (others, events) = (root.others.clone(), root.events);
    let boards = super::board::boards(ui, true).await?.boards.into_iter();
    let boards = boards.filter(|row| row.is_shown).map(|row| (row.document, row.name));
    let branches = super::branch::branches(ui, true).await?.branches.into_iter();
    let branches = branches
        .filter(|row| row.is_shown)
        .filter_map(|row| Some((row.document?, row.name.map(|name| format!("branch-{name}")))));
    let names = file_names(boards.chain(branches));
    let mut progress = Progress::new(ui.json);
    let all = others.len() + 1;
    progress.say(|| format!("0 of {all} documents"));
    ui.so_far("files that have their names are whole; export all again to another folder");
    let mut written = vec![document(ui, root, folder.join("workspace.automerge")).await?];
    for other in others {
        progress.say(|| format!("{} of {all} documents", written.len()));
        let first = part(ui, Some(other), 0).await?;
        let name = names.get(&other).cloned().unwrap_or_else(|| other.to_string());
        written.push(document(ui, first, folder.join(format!("{name}.automerge"))).await?);
    }
    drop(progress);
    let rows: Vec<_> = written
        .iter()
        .map(|row| {
            json!({ "file": row.file, "document": row.document, "heads": row.heads,
                "changes": row.changes, "bytes": row.bytes })
        })
        .collect();
    let bytes: usize = written.iter().map(|row| row.bytes).sum();
    ui.show(&json!({ "events": events, "bytes": bytes, "files": rows }), || {
        let line = |row: &Written| {
            let (changes, bytes) = (row.changes, row.bytes);
            let text = format!("{changes} changes, {bytes} bytes: {}", row.file.display());
            Block::Line(Text::plain(text))
        };
        Doc(written.iter().map(line).collect())
    })
}

/// The documents whose names can stand for their files: what a member names is no path, hides
/// nothing, and is one file also where upper and lower case are the same. Others have their id.
fn file_names(
    named: impl Iterator<Item = (DocumentId, Option<String>)>,
) -> BTreeMap<DocumentId, String> {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let mut taken = BTreeSet::from(["workspace".to_owned()]);
    let mut names = BTreeMap::new();
    for (document, name) in named {
        let Some(name) = name.filter(|name| name.chars().all(is_plain)) else { continue };
        // Longer ones are no names of files everywhere.
        let is_short = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.trim() == name;
        if is_short && !names.contains_key(&document) && taken.insert(name.to_lowercase()) {
            names.insert(document, name);
        }
    }
    names
}

async fn part(ui: &Ui, document: Option<DocumentId>, from: usize) -> Result<DocumentPart, Failure> {
    match ui.client()?.ask(ui.workspace(), Command::SaveDocument { document, from }).await? {
        Reply::DocumentPart(part) => Ok(*part),
        other => Err(super::doc::unexpected(&other)),
    }
}

async fn document(ui: &Ui, first: DocumentPart, file: PathBuf) -> Result<Written, Failure> {
    let sink = Sink::create(&file)?;
    let DocumentPart { document, heads, changes, size, mut bytes, .. } = first;
    let mut done = 0;
    loop {
        done += bytes.len();
        if !sink.write(bytes).await || done >= size {
            break;
        }
        let next = part(ui, Some(document), done).await?;
        if next.heads != heads || next.size != size || next.bytes.is_empty() {
            return Err(changed());
        }
        bytes = next.bytes;
    }
    sink.finish().await?;
    Ok(Written { file, document, heads, changes, bytes: size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_a_file_only_where_that_hides_nothing() {
        // SPEC: PRJ-8
        let names = [
            ("garden", true),
            ("Haus und Hof", true),
            ("Garden", false),
            ("workspace", false),
            ("..", false),
            (".hidden", false),
            ("a/b", false),
            ("a\u{202e}b", false),
            ("", false),
            (" spaced", false),
            ("two", true),
        ];
        let row = |(number, (name, _)): (usize, &(&str, bool))| {
            (DocumentId([u8::try_from(number).unwrap(); 32]), Some((*name).to_owned()))
        };
        let mut rows: Vec<_> = names.iter().enumerate().map(row).collect();
        // Two links to one document, and one without a name.
        rows.push((rows[0].0, Some("again".to_owned())));
        rows.push((DocumentId([99; 32]), None));
        let files: Vec<_> = file_names(rows.into_iter()).into_values().collect();
        let expected: Vec<_> = names.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
        assert_eq!(files, expected);
    }
}
