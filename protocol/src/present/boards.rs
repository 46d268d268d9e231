//! Boards, from the reply to what is shown.

use crate::command::{BoardPage, BoardRow};
use crate::present::{Block, Doc, Text, Tone};

/// The boards.
#[must_use]
pub fn boards(page: &BoardPage) -> Doc {
    if page.boards.is_empty() {
        return Doc(vec![Block::Line(Text::toned(Tone::Quiet, "no boards"))]);
    }
    let columns = ["board", "state", "document"].map(str::to_owned).to_vec();
    let row = |row: &BoardRow| {
        let name = match &row.name {
            Some(name) => Text::plain(name),
            None => Text::toned(Tone::Quiet, "(no name leads there)"),
        };
        vec![name, state(row), Text::plain(row.document)]
    };
    let mut blocks = vec![Block::Table { columns, rows: page.boards.iter().map(row).collect() }];
    if page.boards.iter().any(|row| row.conflict) {
        let text = "several boards of one name were made apart: `kern conflicts` decides which \
                    one it names; each is reached by its id, as boards/ID";
        blocks.push(Block::Line(Text::toned(Tone::Attention, text)));
    }
    if page.more > 0 {
        let more = format!("and {} more", page.more);
        blocks.push(Block::Line(Text::toned(Tone::Attention, more)));
    }
    Doc(blocks)
}

fn state(row: &BoardRow) -> Text {
    match (row.conflict, row.is_shown, row.archived) {
        (true, true, _) => Text::toned(Tone::Attention, "in conflict, named"),
        (true, false, _) => Text::toned(Tone::Attention, "in conflict, by id"),
        (false, _, true) => Text::toned(Tone::Quiet, "archived"),
        (false, ..) => Text::plain("open"),
    }
}
