//! `kern import --automerge`: takes in what stands in a file of another program.

use std::path::Path;

use kernelos_protocol::command::{Command, Failure, FailureKind, Reply};
use kernelos_protocol::document::DocPath;
use kernelos_protocol::document::foreign::plan;
use kernelos_protocol::id::EventId;
use kernelos_protocol::limits::FOREIGN_BYTES_MAX;
use kernelos_protocol::present::{self, Block, Doc, Text, Tone};
use serde_json::json;

use crate::cli::Ui;
use crate::cli::doc::{edit, parse_path};
use crate::cli::stream::{Progress, Source, unreadable};
use crate::cli::wrote::{Wrote, quoted};
use crate::foreign;

pub(super) async fn run(ui: &Ui, file: &Path, path: &str) -> Result<(), Failure> {
    let path = parse_path(path)?;
    path.check_writable().map_err(|fault| {
        Failure::new(FailureKind::Usage, fault).with_hint("for example: notes/imported")
    })?;
    ui.client()?.info().await?;
    let bytes = read(file).await?;
    let size = bytes.len();
    let found = foreign::read(bytes).await.map_err(|failure| Failure {
        message: format!("{}: {}", file.display(), failure.message),
        ..failure
    })?;
    let (changes, hidden, converted) =
        (found.changes, found.conflicts.len(), found.converted.clone());
    let taken = plan(found, &path).map_err(|fault| {
        let text = format!("{}: {fault}", file.display());
        Failure::new(FailureKind::Failed, text).with_hint("nothing was changed")
    })?;
    let places = [Some(&path), taken.conflicts_at.as_ref()].into_iter().flatten();
    for place in places.clone() {
        absent(ui, place).await?;
    }
    let removals = places.map(|place| format!("kern doc rm {}", quoted(&place.to_string())));
    let removal = removals.collect::<Vec<_>>().join(" && ");
    let (events, last) = write(ui, &removal, taken.batches).await?;
    let wrote = match events {
        1 => Wrote::undo(last),
        _ => Wrote::by(last, removal),
    };
    let object = json!({ "file": file, "path": path, "events": events, "bytes": size,
        "changes": changes, "conflicts": hidden, "conflicts_at": taken.conflicts_at,
        "converted": converted });
    ui.wrote(&wrote, object, || {
        let text =
            format!("{}, {size} bytes: what stands in it is at {path}", present::events(events));
        let mut blocks = vec![Block::Line(Text::plain(text))];
        if let Some(at) = &taken.conflicts_at {
            let text = format!("{hidden} values that others hide there are at {at}");
            blocks.push(Block::Line(Text::toned(Tone::Attention, text)));
        }
        for (what, count) in &converted {
            let text = format!("{count} of kind {what} became a plain value");
            blocks.push(Block::Line(Text::toned(Tone::Attention, text)));
        }
        Doc(blocks)
    })
}

async fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut source = Source::open(file)?;
    let mut bytes = Vec::new();
    loop {
        let chunk = source.next().await.map_err(|error| unreadable(file, &error))?;
        if chunk.is_empty() {
            return Ok(bytes);
        }
        bytes.extend(chunk);
        if bytes.len() as u64 >= FOREIGN_BYTES_MAX {
            let text = format!("{} has {FOREIGN_BYTES_MAX} bytes or more", file.display());
            return Err(Failure::new(FailureKind::Failed, text)
                .with_hint("nothing was changed; take it in by parts"));
        }
    }
}

/// Nothing may be there: an import hides nothing that somebody wrote.
async fn absent(ui: &Ui, path: &DocPath) -> Result<(), Failure> {
    let read = Command::Read { path: path.clone() };
    match ui.client()?.ask(ui.workspace(), read).await {
        Ok(Reply::Read(_)) => {
            Err(Failure::new(FailureKind::Failed, format!("something is at {path} already"))
                .with_hint("choose another path, or remove that first: kern doc rm PATH"))
        }
        Ok(other) => Err(super::doc::unexpected(&other)),
        // That nothing is there is a failure of the reading; others fail the writing too.
        Err(failure) if failure.kind == FailureKind::Failed => Ok(()),
        Err(failure) => Err(failure),
    }
}

async fn write(
    ui: &Ui,
    removal: &str,
    batches: Vec<Vec<kernelos_protocol::document::Edit>>,
) -> Result<(usize, Option<EventId>), Failure> {
    let mut progress = Progress::new(ui.json);
    let (mut events, mut last, all) = (0, None, batches.len());
    ui.so_far(format!("what came by then stays; before the next time: {removal}"));
    for edits in batches {
        progress.show(events as u64, all as u64);
        match edit(ui, edits).await {
            Ok(edited) => {
                events += 1;
                last = edited.event.or(last);
            }
            Err(mut failure) => {
                failure.message += &format!("; {events} of {all} events were written and stay");
                return Err(failure);
            }
        }
    }
    Ok((events, last))
}
