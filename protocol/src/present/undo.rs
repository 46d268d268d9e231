//! What was written, and how it is taken back.

use super::{Block, Doc, Text, Tone};
use crate::command::Undone;
use crate::id::EventId;

/// An event was written.
#[must_use]
pub fn wrote(event: &EventId) -> Doc {
    let back = format!("take it back: kern undo {}", event.short());
    Doc(vec![
        Block::Line(Text::plain(format!("event {event}"))),
        Block::Line(Text::toned(Tone::Quiet, back)),
    ])
}

/// An event was taken back.
#[must_use]
pub fn undone(undone: &Undone) -> Doc {
    let what = format!("it takes back event {}", undone.undoes);
    let Doc(mut blocks) = wrote(&undone.event);
    blocks.insert(1, Block::Line(Text::plain(what)));
    Doc(blocks)
}
