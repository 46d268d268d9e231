//! The same choice for many conflicts at once: shown first, as few events as it takes, each all or
//! none, and each told with what takes it back.

use std::io::IsTerminal as _;

use kernelos_protocol::command::{
    Choice, Chosen, Command, ConflictRow, Failure, FailureKind, Reply, Take, batches, choose,
};
use kernelos_protocol::document::Edit;
use kernelos_protocol::id::EventId;
use kernelos_protocol::present::{self, Block, Doc, Text, Tone};
use serde::Serialize;

use super::{ResolveArgs, all, named};
use crate::cli::doc::FORCE;
use crate::cli::stream::Progress;
use crate::cli::{Ui, stdin};
use crate::git::Globs;

/// What was decided.
#[derive(Debug, Default, Serialize)]
struct Decided {
    /// Each event, in order.
    events: Vec<OneEvent>,
    /// How many conflicts they decide.
    decided: usize,
    /// The one command that takes all of them back; none where nothing was written.
    undo: Option<String>,
    /// Those that stay open, and why.
    open: Vec<Choice>,
}

#[derive(Debug, Serialize)]
struct OneEvent {
    event: EventId,
    conflicts: usize,
    /// What takes it back.
    undo: String,
}

pub(super) async fn run(ui: &Ui, args: &ResolveArgs, take: &str) -> Result<(), Failure> {
    let rows = selected(ui, args).await?;
    let choices = choose(&rows, &parse(ui, take).await?);
    let kept = choices.iter().filter(|choice| choice.edit().is_some()).count();
    if args.preview {
        return ui.show(&choices, || present::choices(&choices));
    }
    if kept > 0 && !args.yes {
        confirm(ui, &choices, kept).await?;
    }
    let mut decided = Decided::default();
    let done = decide(ui, &choices, &mut decided).await;
    decided.open.extend(choices.iter().filter(|choice| choice.edit().is_none()).cloned());
    decided.undo = undo_of(&decided.events);
    // What was decided is told, also where the rest failed.
    let object =
        serde_json::to_value(&decided).map_err(|error| Failure::new(FailureKind::Failed, error))?;
    ui.wrote_whole(&object, || doc(&decided))?;
    done
}

/// The conflicts that are meant.
async fn selected(ui: &Ui, args: &ResolveArgs) -> Result<Vec<ConflictRow>, Failure> {
    let rows = all(ui).await?;
    if let Some(glob) = &args.path {
        let globs = Globs::parse(&[glob]).map_err(|fault| {
            Failure::new(FailureKind::Usage, fault)
                .with_hint("for example 'notes/*', or 'tasks/**' for all below; [ begins a set")
        })?;
        let is_meant = |row: &ConflictRow| globs.matches(row.path.to_string().as_bytes());
        return Ok(rows.into_iter().filter(is_meant).collect());
    }
    if args.all {
        return Ok(rows);
    }
    if args.ids.is_empty() {
        return Err(Failure::new(FailureKind::Usage, "which conflicts?")
            .with_hint("name them by their ids, or say --path 'tasks/**', or --all"));
    }
    let ids = args.ids.iter().map(|id| named(&rows, id)).collect::<Result<Vec<_>, _>>()?;
    Ok(rows.into_iter().filter(|row| ids.contains(&row.id)).collect())
}

async fn parse(ui: &Ui, take: &str) -> Result<Take, Failure> {
    match take {
        "newest" => Ok(Take::Newest),
        letter if letter.len() == 1 && letter.as_bytes().iter().all(u8::is_ascii_alphabetic) => {
            Ok(Take::Side(letter.to_ascii_uppercase()))
        }
        device => crate::cli::revoke::find(ui, device).await.map(Take::Device),
    }
}

/// Writes the events. A batch that is too large for one is halved.
async fn decide(ui: &Ui, choices: &[Choice], decided: &mut Decided) -> Result<(), Failure> {
    let mut left = batches(choices);
    left.reverse();
    let (mut progress, of) = (Progress::new(ui.json), count(&left));
    while let Some(batch) = left.pop() {
        let done = of.saturating_sub(count(&left).saturating_add(batch.len()));
        progress.say(|| format!("{done} of {of} conflicts are decided"));
        let edits: Vec<Edit> = batch.iter().filter_map(|choice| choice.edit()).collect();
        let asked = ui.client()?.ask(ui.workspace(), Command::Edit { edits }).await;
        match asked {
            Ok(Reply::Edited(edited)) => {
                decided.decided += batch.len();
                decided.events.extend(edited.event.map(|event| OneEvent {
                    event,
                    conflicts: batch.len(),
                    undo: crate::cli::doc::undo_of(event, &edited),
                }));
                // Who ends it here is told what was written, and how that is taken back.
                if let Some(undo) = undo_of(&decided.events) {
                    let done = decided.decided;
                    ui.so_far(format!(
                        "{done} of {of} conflicts are decided; take it back: {undo}"
                    ));
                }
            }
            Ok(other) => return Err(crate::cli::doc::unexpected(&other)),
            Err(failure) if may_be_halved(&failure) && batch.len() > 1 => {
                let (first, second) = batch.split_at(batch.len() / 2);
                left.push(second.to_vec());
                left.push(first.to_vec());
            }
            // Somebody decided it meanwhile, or it is no more: the others are not held up.
            Err(failure) if may_be_halved(&failure) => {
                let chosen = Chosen::Open(failure.message);
                let open = batch
                    .iter()
                    .map(|choice| Choice { chosen: chosen.clone(), ..(*choice).clone() });
                decided.open.extend(open);
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

fn count(batches: &[Vec<&Choice>]) -> usize {
    batches.iter().map(Vec::len).sum()
}

/// Takes all of them back, the last first.
fn undo_of(events: &[OneEvent]) -> Option<String> {
    let ids: Vec<_> = events.iter().rev().map(|one| one.event.short()).collect();
    let force = if events.iter().any(|one| one.undo.ends_with(FORCE)) { FORCE } else { "" };
    (!ids.is_empty()).then(|| format!("kern undo {}{force}", ids.join(" ")))
}

/// Is it about what was asked, and not about who asked?
fn may_be_halved(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::Failed | FailureKind::Usage)
}

/// Asks whoever sits there; a script says it by `--yes`.
async fn confirm(ui: &Ui, choices: &[Choice], kept: usize) -> Result<(), Failure> {
    let hint = "--preview shows what each becomes, --yes does not ask";
    if ui.json || !std::io::stdin().is_terminal() {
        let text = format!("{kept} conflicts would be decided at once: say --yes");
        return Err(Failure::new(FailureKind::Usage, text).with_hint(hint));
    }
    ui.show(&choices, || present::choices(choices))?;
    crate::cli::print(&format!("Decide {kept}? [y/N] "))?;
    let line = stdin::done(stdin::line()?).await;
    let line = line.map_err(|error| Failure::new(FailureKind::Failed, error))?;
    if line.trim().eq_ignore_ascii_case("y") {
        return Ok(());
    }
    Err(Failure::new(FailureKind::Failed, "nothing was decided").with_hint(hint))
}

fn doc(decided: &Decided) -> Doc {
    let mut blocks = vec![Block::Line(Text::plain(format!("{} decided", decided.decided)))];
    for one in &decided.events {
        let text =
            format!("event {} decides {}; take it back: {}", one.event, one.conflicts, one.undo);
        blocks.push(Block::Line(Text::plain(text)));
    }
    if let Some(undo) = decided.undo.as_ref().filter(|_| decided.events.len() > 1) {
        blocks.push(Block::Line(Text::toned(Tone::Quiet, format!("take all back: {undo}"))));
    }
    if !decided.open.is_empty() {
        let text = format!("{} stay open", decided.open.len());
        blocks.push(Block::Line(Text::toned(Tone::Attention, text)));
        blocks.extend(present::choices(&decided.open).0);
    }
    Doc(blocks)
}
