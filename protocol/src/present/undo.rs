//! What was written, and how it is taken back.

use super::{Block, Doc, Text, Tone};
use crate::command::{NotUndone, Undone};
use crate::id::EventId;

/// How what an event did is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Back {
    /// By this command.
    By(String),
    /// Not, and why.
    Never(&'static str),
}

impl Back {
    /// By an undo of the event.
    #[must_use]
    pub fn undo(event: &EventId) -> Self {
        Self::By(format!("kern undo {}", event.short()))
    }
}

/// Something was written, by an event where it was one, and how that is taken back.
#[must_use]
pub fn wrote_by(event: Option<&EventId>, back: &Back) -> Doc {
    let back = match back {
        Back::By(command) => format!("take it back: {command}"),
        Back::Never(why) => format!("it cannot be taken back: {why}"),
    };
    let event = event.map(|event| Block::Line(Text::plain(format!("event {event}"))));
    let back = Block::Line(Text::toned(Tone::Quiet, back));
    Doc(event.into_iter().chain([back]).collect())
}

/// An event was written that an undo takes back.
#[must_use]
pub fn wrote(event: &EventId) -> Doc {
    wrote_by(Some(event), &Back::undo(event))
}

/// Why an event is not taken back, and what a person can do then.
#[must_use]
pub fn not_undone(not: &NotUndone) -> (String, String) {
    let Some(refused) = &not.refused else {
        let hint = "`kern log` shows all; `kern undo EVENT` takes back one that is named";
        return (not.reason.clone(), hint.to_owned());
    };
    let text = format!("{} is not taken back: {}", refused.short(), not.reason);
    let hint = match &not.force {
        Some(command) if command.ends_with(" --force") => {
            format!("`{command}` takes it back all the same, with what was written there since")
        }
        Some(command) => format!("`{command}` takes it back"),
        None => "`kern log` shows what came after it".to_owned(),
    };
    (text, hint)
}

/// An event was taken back.
#[must_use]
pub fn undone(undone: &Undone) -> Doc {
    let what = format!("it takes back event {}", undone.undoes);
    let Doc(mut blocks) = wrote(&undone.event);
    blocks.insert(1, Block::Line(Text::plain(what)));
    Doc(blocks)
}
