//! What an entry of the command registry does here.

use kernelos_protocol::command::Command;

use crate::form::{Fill, Form};
use crate::model::{Action, Model};
use crate::panel::{Panel, conflicts, timeline};

/// What is asked by it; none where it cannot be done now.
#[must_use]
pub fn action(id: &str, model: &Model) -> Option<Action> {
    if let Some(panel) = Panel::ALL.into_iter().find(|panel| panel.entry() == id) {
        return Some(Action::Go(panel));
    }
    if let Some(fill) = fill(id) {
        return Some(Action::Form(Some(Form::of(fill, model))));
    }
    match id {
        "undo" => Some(Action::Do(Command::Undo { begin: None, force: false })),
        "undo.event" => timeline::undo(model),
        "conflict.next" => conflicts::step(model, true).map(Action::Choose),
        "conflict.previous" => conflicts::step(model, false).map(Action::Choose),
        "conflict.select" => {
            let (_, row) = conflicts::looked_at(model)?;
            Some(Action::Select(vec![row.clone()], !model.selected.contains_key(&row.id)))
        }
        "conflict.value" => {
            let (_, row) = conflicts::looked_at(model)?;
            Some(Action::Form(Some(Form::of(Fill::Decide(row.id), model))))
        }
        "past" => timeline::past(model).map(|past| Action::Past(Some(past))),
        "now" => Some(Action::Past(None)),
        "panes" => Some(Action::NextPane),
        "palette" => Some(Action::Palette(Some(String::new()), 0)),
        "help" => Some(Action::Help(true)),
        other => {
            let side: usize = other.strip_prefix("conflict.keep.")?.parse().ok()?;
            let (_, row) = conflicts::looked_at(model)?;
            let side = row.sides.get(side.checked_sub(1)?)?;
            Some(conflicts::keeping(model, row, &side.side))
        }
    }
}

/// The form that an entry fills in first.
fn fill(id: &str) -> Option<Fill> {
    Some(match id {
        "doc.set" => Fill::SetValue,
        "doc.remove" => Fill::RemoveValue,
        "conflict.bulk" => Fill::Bulk,
        "board.create" => Fill::CreateBoard,
        "branch.create" => Fill::CreateBranch,
        "branch.merge" => Fill::MergeBranch,
        "mission.start" => Fill::StartMission,
        "mission.cancel" => Fill::CancelMission,
        "agent.set" => Fill::SetAgent,
        "board.archive" => Fill::ArchiveBoard(true),
        "board.back" => Fill::ArchiveBoard(false),
        "branch.archive" => Fill::ArchiveBranch(true),
        "branch.back" => Fill::ArchiveBranch(false),
        "event.strike" => Fill::Strike,
        "event.readmit" => Fill::Readmit,
        "event.purge" => Fill::Purge,
        "device.readmit" => Fill::ReadmitDevice,
        "device.invite" => Fill::Invite,
        "device.revoke" => Fill::Revoke,
        "door.create" => Fill::CreateWorkspace,
        "door.join" => Fill::Join,
        "door.restore" => Fill::Restore,
        _ => return None,
    })
}
