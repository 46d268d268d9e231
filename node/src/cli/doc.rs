//! `kern doc`: reads and edits the workspace's documents.

use std::io::{self, Read as _};
use std::pin::pin;
use std::time::Duration;

use kernelos_protocol::command::{
    Command as Asked, Edited, Failure, FailureKind, ReadReply, Reply,
};
use kernelos_protocol::document::{DocPath, Edit, PathFault};
use kernelos_protocol::id::EventId;
use kernelos_protocol::limits::API_REQUEST_BYTES_MAX;
use kernelos_protocol::present::{self, Block, Doc, Text, Tone};
use serde_json::{Value as Json, json};
use tokio::time::sleep;

use crate::cli::wrote::Wrote;
use crate::cli::{Ui, edits, stdin};

/// Who waits longer for an answer is told why.
const SOON: Duration = Duration::from_millis(500);

/// Read and edit the workspace's documents
#[derive(Debug, clap::Args)]
pub(super) struct Command {
    /// On which branch, by its name or its id
    ///
    /// Paths are those of its document.
    #[arg(long, global = true, value_name = "NAME", allow_hyphen_values = true)]
    branch: Option<String>,
    #[command(subcommand)]
    args: Args,
}

#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  kern doc get notes
  kern doc set notes/today '\"rain\"'
  kern doc history notes/today     every value that ever stood there

A path is segments joined by /; ~1 is / and ~0 is ~ in one; numbers index lists.")]
enum Args {
    /// Show what is at a path; without one, everything
    #[command(after_help = "\
Examples:
  kern doc get
  kern doc get tasks/1/title --json
  kern doc get notes --at 3f9a1c           as it was after that event
  kern doc get notes --at '2 h ago'
  kern doc get notes --glance              while a start reads: as it was before")]
    Get {
        /// Where
        #[arg(default_value = "")]
        path: String,
        /// As it was after an event, or at a time
        ///
        /// A time such as 2026-11-25T21:30:05Z, 14:02 or '2 h ago'; all of that second.
        #[arg(long, value_name = "EVENT|TIME")]
        at: Option<String>,
        /// Do not wait where the node has just started: as it was
        ///
        /// It says on stderr, and in "loading" with --json, how many of the last events are not in
        /// that.
        #[arg(long, conflicts_with = "at")]
        glance: bool,
    },
    /// Show every value that ever stood at a path
    ///
    /// By whom, on which device, and whether it lost; of a map what changed since the row above.
    /// With --json each value is whole.
    #[command(after_help = "\
Examples:
  kern doc history notes/today
  kern doc history boards/garden/notes/soil --limit 20
  kern doc history tasks/1 --json | jq 'select(.lost_to)'")]
    History {
        /// Where
        path: String,
        /// How many at most: the newest
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
    },
    /// Set what is at a path
    ///
    /// Below notes/ and tasks/, also those of boards/NAME/.
    #[command(after_help = "\
Examples:
  kern doc set notes/today '\"rain\"'
  kern doc set tasks/1 '{\"title\": \"pack\", \"days\": 3}'
  kern doc set notes/today '\"sun\"' --branch try")]
    Set {
        /// Where
        path: String,
        /// What, as JSON; a text stands in double quotes
        #[arg(value_name = "JSON", allow_negative_numbers = true)]
        value: String,
    },
    /// Remove what is at a path
    #[command(after_help = "\
Examples:
  kern doc rm notes/today
  kern doc rm boards/garden/notes/soil
  kern doc rm notes/today --branch try")]
    Rm {
        /// Where
        path: String,
    },
    /// Make many edits as one event, all or none
    #[command(after_help = "\
Examples:
  echo '[{\"set\": \"notes/a\", \"value\": 1}]' | kern doc apply -
  kern doc apply edits.json
  kern doc apply edits.json --branch try

An edit is {\"set\": PATH, \"value\": JSON} or {\"rm\": PATH}.")]
    Apply {
        /// A file with a JSON array of edits, or - for stdin
        file: String,
    },
}

pub(super) async fn run(ui: &Ui, command: Command) -> Result<(), Failure> {
    let above = super::branch::above(command.branch.as_deref())?;
    match command.args {
        Args::Get { path, at: Some(at), .. } => {
            super::past::get(ui, within(&above, &path)?, &at).await
        }
        Args::History { path, limit } => {
            super::past::history(ui, within(&above, &path)?, limit).await
        }
        Args::Get { path, at: None, glance } => get(ui, within(&above, &path)?, glance).await,
        Args::Set { path, value } => {
            let path = within(&above, &path)?;
            let value = parse_value(&value)?;
            let edited = edit(ui, vec![Edit::Set { set: path.clone(), value }]).await?;
            let now = read(ui, Asked::Read { path }).await?;
            // Where the value was so already, the event is the one that wrote it.
            let shown = ReadReply { event: edited.event.or(now.event), ..now };
            wrote_at(ui, &edited, &shown)
        }
        Args::Rm { path } => {
            let path = within(&above, &path)?;
            let edited = edit(ui, vec![Edit::Rm { rm: path.clone() }]).await?;
            let gone = ReadReply {
                path,
                value: Json::Null,
                conflict: false,
                conflict_below: false,
                event: edited.event,
                loading: None,
            };
            wrote_at(ui, &edited, &gone)
        }
        Args::Apply { file } => {
            let edits = parse_edits(&read_file(&file).await?)?;
            let edits = edits.iter().map(|edit| edit.within(&above).map_err(not_a_path));
            let edited = edit(ui, edits.collect::<Result<_, _>>()?).await?;
            told(ui, &edited)
        }
    }
}

/// Shows what is at a path: as it is, or by a glance as it was while a start reads. `SPEC: DUR-9`
async fn get(ui: &Ui, path: DocPath, glance: bool) -> Result<(), Failure> {
    let read = if glance {
        read(ui, Asked::Glance { path }).await?
    } else {
        told_after(SOON, read(ui, Asked::Read { path }), tell_start(ui)).await?
    };
    // Who takes the value alone is told too.
    if let Some(behind) = present::behind(&read) {
        ui.show_aside(&json!({ "loading": read.loading }), || behind)?;
    }
    ui.show(&read, || present::read(&read))
}

/// Waits for an answer; where it takes long, `tell` says once what it waits for.
async fn told_after<T>(
    soon: Duration,
    answer: impl Future<Output = T>,
    tell: impl Future<Output = ()>,
) -> T {
    let mut answer = pin!(answer);
    let tell = async {
        sleep(soon).await;
        tell.await;
    };
    tokio::select! {
        answer = &mut answer => return answer,
        () = tell => {}
    }
    answer.await
}

/// Says how far a start is, where it is one. What cannot be told holds up no answer.
async fn tell_start(ui: &Ui) {
    let Ok(client) = ui.client() else { return };
    let Ok(Reply::Status(status)) = client.ask(ui.workspace(), Asked::Status).await else { return };
    let Some(loading) = status.loading else { return };
    let (read, of) = (loading.events, loading.of);
    let text = format!("starting: {read} of {of} events read; --glance shows it as it was");
    let told = || Doc(vec![Block::Line(Text::toned(Tone::Quiet, text))]);
    ui.show_aside(&json!({ "loading": loading }), told).ok();
}

async fn read(ui: &Ui, asked: Asked) -> Result<ReadReply, Failure> {
    match ui.client()?.ask(ui.workspace(), asked).await? {
        Reply::Read(read) => Ok(read),
        other => Err(unexpected(&other)),
    }
}

pub(super) async fn edit(ui: &Ui, edits: Vec<Edit>) -> Result<Edited, Failure> {
    match ui.client()?.ask(ui.workspace(), Asked::Edit { edits }).await? {
        Reply::Edited(edited) => Ok(edited),
        other => Err(unexpected(&other)),
    }
}

/// Says which event edits became, and how it is taken back.
pub(super) fn told(ui: &Ui, edited: &Edited) -> Result<(), Failure> {
    let mut object = json!({ "edits": edited.edits });
    put_decided(&mut object, edited);
    ui.wrote(&wrote(edited), object, || decided(edited))
}

/// What was written, and how that is taken back: by force where a conflict ended for good.
pub(super) fn wrote(edited: &Edited) -> Wrote {
    match edited.event.filter(|_| !edited.ended.is_empty()) {
        Some(event) => Wrote::by(Some(event), undo_of(event, edited)),
        None => Wrote::undo(edited.event),
    }
}

/// Where something ended that no undo opens again.
pub(super) const FORCE: &str = " --force";

/// The command that takes back what was written.
pub(super) fn undo_of(event: EventId, edited: &Edited) -> String {
    let force = if edited.ended.is_empty() { "" } else { FORCE };
    format!("kern undo {}{force}", event.short())
}

pub(super) fn put_decided(object: &mut Json, edited: &Edited) {
    if !edited.ended.is_empty() {
        object["ended"] = json!(edited.ended);
    }
    if edited.ended_more > 0 {
        object["ended_more"] = json!(edited.ended_more);
    }
    if !edited.decided.is_empty() {
        object["decided"] = json!(edited.decided);
    }
}

/// Who writes over a conflict decides it, and may not have seen it.
pub(super) fn decided(edited: &Edited) -> Doc {
    let line = |path: &DocPath| {
        let text = format!("it decided the conflict at {path}: an undo opens it again");
        Block::Line(Text::toned(Tone::Attention, text))
    };
    let ended = |path: &DocPath| {
        let text = format!("it ended the conflict at {path}: no undo opens it again");
        Block::Line(Text::toned(Tone::Attention, text))
    };
    let more = (edited.ended_more > 0).then(|| {
        let text =
            format!("it ended {} conflicts more, which no undo opens again", edited.ended_more);
        Block::Line(Text::toned(Tone::Attention, text))
    });
    let ended = edited.ended.iter().map(ended).chain(more);
    Doc(edited.decided.iter().map(line).chain(ended).collect())
}

/// The same with what stands at the path now; where it was so already, by the event that wrote it.
fn wrote_at(ui: &Ui, edited: &Edited, now: &ReadReply) -> Result<(), Failure> {
    let wrote = wrote(edited);
    let mut object = json!(now);
    wrote.put_in(&mut object);
    object["event"] = json!(now.event);
    put_decided(&mut object, edited);
    ui.wrote_as(&wrote, &object, || decided(edited))
}

pub(super) fn parse_path(text: &str) -> Result<DocPath, Failure> {
    text.parse().map_err(not_a_path)
}

/// A path of a branch's document, as seen from the root.
fn within(above: &DocPath, text: &str) -> Result<DocPath, Failure> {
    parse_path(text)?.within(above).map_err(not_a_path)
}

fn not_a_path(fault: PathFault) -> Failure {
    Failure::new(FailureKind::Usage, fault).with_hint("for example: notes/today")
}

pub(super) fn parse_value(text: &str) -> Result<Json, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::new(FailureKind::Usage, format!("this is no JSON: {error}")).with_hint(
            "a text stands in double quotes, inside single ones for the shell: '\"rain\"'",
        )
    })
}

fn parse_edits(text: &str) -> Result<Vec<Edit>, Failure> {
    edits::parse(text).map_err(|fault| {
        Failure::new(FailureKind::Usage, fault)
            .with_hint("[{\"set\": \"notes/a\", \"value\": 1}, {\"rm\": \"notes/b\"}]")
    })
}

async fn read_file(file: &str) -> Result<String, Failure> {
    let max = API_REQUEST_BYTES_MAX as u64;
    let read = if file == "-" {
        stdin::done(stdin::text(max)?).await
    } else {
        let mut text = String::new();
        let opened = std::fs::File::open(file);
        opened.and_then(|file| file.take(max).read_to_string(&mut text)).map(|_| text)
    };
    let text = read.map_err(|error| {
        // What is there and says nothing is asked wrongly; what is not there is not.
        let kind = match error.kind() {
            io::ErrorKind::InvalidData => FailureKind::Usage,
            _ => FailureKind::Failed,
        };
        Failure::new(kind, format!("{file}: {error}"))
            .with_hint("name a file with a JSON array of edits, or - for stdin")
    })?;
    if text.len() as u64 >= max {
        return Err(Failure::new(FailureKind::Usage, format!("{file} holds {max} bytes or more"))
            .with_hint("split the batch"));
    }
    Ok(text)
}

/// A node of another version may answer what this one does not know.
pub(super) fn unexpected(reply: &Reply) -> Failure {
    Failure::new(FailureKind::Failed, format!("the node answered {reply:?}"))
        .with_hint("kern and the running node may be of different versions: restart it")
}

#[cfg(test)]
mod tests;
