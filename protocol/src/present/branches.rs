//! Branches, from the reply to what is shown.

use std::collections::BTreeMap;

use crate::command::{
    BranchChanges, BranchKind, BranchPage, BranchSide, BranchState, ConflictPage, LostMerge,
};
use crate::document::check_name;
use crate::id::DeviceId;
use crate::present::conflicts::or_nothing;
use crate::present::{Block, Doc, Text, Tone, conflicts, device_name};

/// The branches, and what devices wrote while apart, each with what can be done.
#[must_use]
pub fn branches(page: &BranchPage, names: &BTreeMap<DeviceId, String>) -> Doc {
    if page.branches.is_empty() {
        return Doc(vec![Block::Line(Text::toned(Tone::Quiet, "no branches"))]);
    }
    let made: Vec<_> = page.branches.iter().filter(|row| row.kind == BranchKind::Made).collect();
    let mut blocks = Vec::new();
    if !made.is_empty() {
        let columns = ["branch", "of", "ahead", "behind", "by", "state", "purpose"];
        let rows = made.iter().map(|row| made_row(row, names)).collect();
        blocks.push(Block::Table { columns: columns.map(str::to_owned).to_vec(), rows });
        for row in made.iter().filter(|row| !row.archived) {
            let told = |one: &LostMerge| {
                Block::Line(Text::toned(Tone::Quiet, format!("{}: {one}", called(row))))
            };
            blocks.extend(row.taken_back.iter().map(told));
            if row.ahead > 0 {
                blocks.extend(next(row));
            }
        }
    }
    if made.iter().any(|row| row.conflict) {
        let text = "several branches of one name were made apart: `kern conflicts` decides which \
                    one it names; each is reached by its id";
        blocks.push(Block::Line(Text::toned(Tone::Attention, text)));
    }
    for row in page.branches.iter().filter(|row| row.kind != BranchKind::Made) {
        blocks.push(Block::Line(Text::toned(Tone::Attention, banner(row, names))));
        blocks.extend(next(row));
    }
    if page.more > 0 {
        let more = format!("and {} more", page.more);
        blocks.push(Block::Line(Text::toned(Tone::Attention, more)));
    }
    Doc(blocks)
}

fn made_row(row: &BranchState, names: &BTreeMap<DeviceId, String>) -> Vec<Text> {
    let name = match (&row.name, &row.document) {
        (Some(name), _) if row.is_shown => Text::plain(name),
        (_, Some(document)) => Text::toned(Tone::Quiet, document),
        (_, None) => Text::plain(""),
    };
    let by: Vec<_> = row.devices.iter().map(|device| device_name(device, names)).collect();
    vec![
        name,
        Text::plain(of(row)),
        Text::plain(row.ahead),
        Text::plain(count(row.behind, row.behind_at_least)),
        Text::plain(by.join(", ")),
        state(row),
        Text::plain(&row.purpose),
    ]
}

/// What it is called in a sentence: what no person could have named so, by its id.
fn called(row: &BranchState) -> String {
    let name = row.name.as_ref().filter(|name| row.is_shown && check_name(name).is_ok());
    let id = || row.document.map_or_else(String::new, |document| document.to_string());
    name.cloned().unwrap_or_else(id)
}

/// The merges of a branch that were taken back, each with what brings it in again.
#[must_use]
pub fn taken_back(all: &[LostMerge]) -> Doc {
    Doc(all.iter().map(|one| Block::Line(Text::toned(Tone::Attention, one))).collect())
}

/// Why there is nothing to merge of a branch.
#[must_use]
pub fn nothing_to_merge(row: &BranchState) -> String {
    match &row.taken_back[..] {
        [] => "nothing was changed on it that is not merged".to_owned(),
        all => all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    }
}

fn state(row: &BranchState) -> Text {
    match (row.conflict, row.name.is_some(), row.archived) {
        (true, ..) if row.is_shown => Text::toned(Tone::Attention, "in conflict, named"),
        (true, ..) => Text::toned(Tone::Attention, "in conflict, by id"),
        (false, false, _) => Text::toned(Tone::Quiet, "no name leads there"),
        (false, true, true) => Text::toned(Tone::Quiet, "archived"),
        (false, true, false) if row.ahead == 0 && !row.taken_back.is_empty() => {
            Text::plain("merge taken back")
        }
        (false, true, false) if row.ahead == 0 => Text::plain("nothing to merge"),
        (false, true, false) => Text::plain("open"),
    }
}

fn of(row: &BranchState) -> &str {
    if row.of.is_empty() { "the workspace" } else { &row.of }
}

fn count(counted: usize, at_least: bool) -> String {
    if at_least { format!("at least {counted}") } else { counted.to_string() }
}

/// What happened, in a sentence.
fn banner(row: &BranchState, names: &BTreeMap<DeviceId, String>) -> String {
    if row.kind == BranchKind::LeftOut {
        let who = row.devices.first().map_or_else(String::new, |of| device_name(of, names));
        let tip = row.event.map_or_else(String::new, |event| event.short());
        return format!(
            "{who} forked: {} events up to {tip} are in no document, since others have their \
             numbers",
            row.ahead
        );
    }
    let who = |side: &BranchSide| device_name(&side.device, names);
    let sides: Vec<_> = row.sides.iter().map(who).collect();
    let counts: Vec<_> = row.sides.iter().map(|side| count(side.changes, side.at_least)).collect();
    let both = if sides.len() == 2 { "both" } else { "all" };
    format!(
        "{} {both} continued {} while apart ({} events)",
        sides.join(" and "),
        of(row),
        counts.join(" and ")
    )
}

fn next(row: &BranchState) -> Vec<Block> {
    let line = |command: &String| Block::Line(Text::toned(Tone::Quiet, format!("  {command}")));
    // What brings a merge in again is said with what took it back.
    let is_said = |command: &&String| row.taken_back.iter().any(|one| one.command() == **command);
    row.next.iter().filter(|command| !is_said(command)).map(line).collect()
}

/// What was changed on a branch; or what its merge would bring, and with which conflicts.
#[must_use]
pub fn branch_changes(
    changes: &BranchChanges,
    is_merge: bool,
    names: &BTreeMap<DeviceId, String>,
) -> Doc {
    let (before, nothing) = match is_merge {
        true => ("now", "the merge would show nothing new"),
        false => ("before", "nothing was changed on it"),
    };
    let mut blocks = Vec::new();
    for row in &changes.changes {
        blocks.push(Block::Fields(vec![
            (row.path.to_string(), Text::plain(or_nothing(&row.then))),
            (before.to_owned(), Text::toned(Tone::Quiet, or_nothing(&row.now))),
        ]));
    }
    if blocks.is_empty() {
        blocks.push(Block::Line(Text::plain(nothing)));
    }
    if changes.more > 0 {
        let more = format!("and {} places more", changes.more);
        blocks.push(Block::Line(Text::toned(Tone::Attention, more)));
    }
    if is_merge {
        blocks.extend(taken_back(&changes.taken_back).0);
        let (rows, more) = (changes.conflicts.clone(), changes.more_conflicts);
        let count = rows.len().saturating_add(more);
        let heading = match count {
            0 => "the merge would bring no conflict".to_owned(),
            1 => "the merge would bring one conflict".to_owned(),
            _ => format!("the merge would bring {count} conflicts"),
        };
        blocks.push(Block::Heading(heading));
        if count > 0 {
            blocks.extend(
                conflicts(&ConflictPage { conflicts: rows, more, total: count, next: None }, names)
                    .0,
            );
        }
    }
    Doc(blocks)
}
