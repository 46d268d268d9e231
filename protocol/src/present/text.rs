//! A [`Doc`] as plain text for terminals and pipes.
//!
//! What comes from others is shown with its control and reordering characters escaped, so that no
//! name or note can rewrite the screen.

use std::fmt::Write as _;

use crate::document::is_unshowable;
use crate::present::{Block, Doc, Text};

/// Renders `doc`, each block on lines of its own.
#[must_use]
pub fn to_text(doc: &Doc) -> String {
    let mut out = String::new();
    for block in &doc.0 {
        match block {
            Block::Heading(heading) => line(&mut out, &escape(heading)),
            Block::Line(text) => line(&mut out, &escape(&text.text)),
            Block::Fields(fields) => render_fields(&mut out, fields),
            Block::Table { columns, rows } => render_table(&mut out, columns, rows),
            Block::Verbatim(text) => {
                for part in text.split('\n') {
                    line(&mut out, &escape(part));
                }
            }
        }
    }
    out
}

/// `text` with every character that hides or reorders others in visible form.
fn escape(text: &str) -> String {
    if !text.chars().any(is_unshowable) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unshowable(c) {
            write!(out, "\\u{{{:x}}}", u32::from(c)).ok();
        } else {
            out.push(c);
        }
    }
    out
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

fn render_fields(out: &mut String, fields: &[(String, Text)]) {
    // A name may come from others as well: such as the keys of evidence.
    let fields: Vec<_> = fields.iter().map(|(name, value)| (escape(name), value)).collect();
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in fields {
        let pad = width - name.chars().count();
        line(out, &format!("{name}{:pad$}  {}", "", escape(&value.text)));
    }
}

fn render_table(out: &mut String, columns: &[String], rows: &[Vec<Text>]) {
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| escape(&cell.text)).collect()).collect();
    let width = |column: usize| {
        let of = |row: &Vec<String>| row.get(column).map_or(0, |cell| cell.chars().count());
        let name = columns.get(column).map_or(0, |name| name.chars().count());
        cells.iter().map(of).max().unwrap_or(0).max(name)
    };
    let widths: Vec<_> = (0..columns.len()).map(width).collect();
    let mut render = |row: &[String]| {
        let mut text = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let pad = width.saturating_sub(cell.chars().count());
            write!(text, "{cell}{:pad$}  ", "").ok();
        }
        line(out, &text);
    };
    render(columns);
    for row in &cells {
        render(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_rewrite_the_screen() {
        let doc = Doc(vec![Block::Line(Text::plain("a\u{1b}[2Jb\u{202e}c"))]);
        assert_eq!(to_text(&doc), "a\\u{1b}[2Jb\\u{202e}c\n");
        let doc = Doc(vec![Block::Fields(vec![("a\u{1b}".to_owned(), Text::plain("\u{202e}"))])]);
        assert_eq!(to_text(&doc), "a\\u{1b}  \\u{202e}\n");
    }

    #[test]
    fn columns_stand_under_each_other() {
        let row = |a: &str, b: &str| vec![Text::plain(a), Text::plain(b)];
        let columns = vec!["name".to_owned(), "role".to_owned()];
        let rows = vec![row("laptop", "owner"), row("ü", "store")];
        let doc = Doc(vec![Block::Table { columns, rows }]);
        assert_eq!(to_text(&doc), "name    role\nlaptop  owner\nü       store\n");
    }
}
