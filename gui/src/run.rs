//! What an entry of the command registry does here.

use kernelos_protocol::command::Command;

use crate::model::{Action, Model};
use crate::panel::{Panel, conflicts};

/// What is asked by it; none where it cannot be done now.
#[must_use]
pub fn action(id: &str, model: &Model) -> Option<Action> {
    if let Some(panel) = Panel::ALL.into_iter().find(|panel| panel.entry() == id) {
        return Some(Action::Go(panel));
    }
    let conflict = conflicts::looked_at(model);
    match id {
        "undo" => Some(Action::Do(Command::Undo { begin: None, force: false })),
        "conflict.next" => Some(conflicts::choose(model, Some(conflict?.2?))),
        "conflict.previous" => Some(conflicts::choose(model, Some(conflict?.1?))),
        "now" => Some(Action::Past(None)),
        "door.create" | "door.join" | "door.restore" => Some(Action::Doors(true)),
        "panes" => Some(Action::NextPane),
        "palette" => Some(Action::Palette(Some(String::new()), 0)),
        "help" => Some(Action::Help(true)),
        other => {
            let side: usize = other.strip_prefix("conflict.keep.")?.parse().ok()?;
            let row = conflict?.0;
            let side = row.sides.get(side.checked_sub(1)?)?;
            Some(Action::Do(conflicts::keep(row, &side.side)))
        }
    }
}
