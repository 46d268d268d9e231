//! `Doc`: what a surface shows, without a style. The command line, the inspector and the phone's
//! page render this one value, so a thing reads the same everywhere.

mod boards;
mod branches;
mod changed;
mod conflicts;
mod event;
mod missions;
mod moment;
mod pairing;
mod past;
mod quarantine;
pub mod registry;
mod text;
mod timeline;
mod undo;
mod views;
mod when;

use serde::{Deserialize, Serialize};

pub use crate::printable::shown;
pub use boards::boards;
pub use branches::{branch_changes, branches, nothing_to_merge, taken_back};
pub use conflicts::{choices, conflict, conflicts, kept, outcomes};
pub use event::event;
pub use missions::{cancelled, headline, mission, missions, started};
pub use moment::{end_of_moment, moment};
pub use pairing::{pending, standing, standing_state, standing_until};
pub use past::{found, history_row, past_read};
pub use quarantine::{preview, quarantine};
pub use text::{to_painted, to_text};
pub use timeline::{
    ascii, timeline, timeline_line, timeline_lines, timeline_row, timeline_sentence,
};
pub use undo::{Back, NOT_HERE, events, not_undone, undone, wrote, wrote_by};
pub use views::{NOT_READ, log_row, read, status, taken_out};
pub use views::{away, behind, conflict_below, device_name, devices, life};
pub use when::utc;

/// Something to show, from top to bottom.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Doc(pub Vec<Block>);

/// One part of a [`Doc`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// A title.
    Heading(String),
    /// A sentence.
    Line(Text),
    /// Names with their values.
    Fields(Vec<(String, Text)>),
    /// Rows under columns.
    Table {
        /// The columns' names.
        columns: Vec<String>,
        /// As many cells a row as there are columns.
        rows: Vec<Vec<Text>>,
    },
    /// Text as it is, such as JSON.
    Verbatim(String),
}

/// A piece of text with what it means; never by colour alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// What it says.
    pub text: String,
    /// What it means.
    pub tone: Tone,
}

/// What a piece of text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// Nothing special.
    Plain,
    /// As it should be.
    Good,
    /// Somebody should look.
    Attention,
    /// Of less interest.
    Quiet,
}

impl Text {
    /// Text with nothing special about it.
    pub fn plain(text: impl ToString) -> Self {
        Self { text: text.to_string(), tone: Tone::Plain }
    }

    /// Text that means something.
    pub fn toned(tone: Tone, text: impl ToString) -> Self {
        Self { text: text.to_string(), tone }
    }
}
