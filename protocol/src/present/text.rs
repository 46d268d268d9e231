//! A [`Doc`] as plain text for terminals and pipes.
//!
//! What comes from others is shown with its control and reordering characters escaped, so that no
//! name or note can rewrite the screen.

use std::fmt::Write as _;

use crate::document::is_unshowable;
use crate::present::{Block, Doc, Text, Tone};

/// Characters that make a column wide. What is longer moves the rest of its own row alone: so one
/// long text of a row does not make every other as long.
const COLUMN_CHARS_MAX: usize = 100;

/// Renders `doc`, each block on lines of its own.
#[must_use]
pub fn to_text(doc: &Doc) -> String {
    to_painted(doc, |_| ("", ""))
}

/// The same for a terminal: `paint` gives what stands before and behind a text of this tone. Its
/// words, and where they stand, are those of [`to_text`].
#[must_use]
pub fn to_painted(doc: &Doc, paint: impl Fn(Tone) -> (&'static str, &'static str)) -> String {
    let mut page = Page { out: String::new(), paint };
    for block in &doc.0 {
        match block {
            Block::Heading(heading) => page.line(&[(Tone::Plain, escape(heading))]),
            Block::Line(text) => page.line(&[(text.tone, escape(&text.text))]),
            Block::Fields(fields) => render_fields(&mut page, fields),
            Block::Table { columns, rows } => render_table(&mut page, columns, rows),
            Block::Verbatim(text) => {
                for part in text.split('\n') {
                    page.line(&[(Tone::Plain, escape(part))]);
                }
            }
        }
    }
    page.out
}

struct Page<P> {
    out: String,
    paint: P,
}

impl<P: Fn(Tone) -> (&'static str, &'static str)> Page<P> {
    /// One line of these pieces, without what is blank at its end.
    fn line(&mut self, pieces: &[(Tone, String)]) {
        let is_blank = |piece: &&(Tone, String)| piece.1.trim_end().is_empty();
        let ended = pieces.len() - pieces.iter().rev().take_while(is_blank).count();
        for (index, (tone, text)) in pieces.iter().take(ended).enumerate() {
            let text = if index + 1 == ended { text.trim_end() } else { text };
            let (before, behind) = if text.is_empty() { ("", "") } else { (self.paint)(*tone) };
            self.out.extend([before, text, behind]);
        }
        self.out.push('\n');
    }
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

fn blank(count: usize) -> (Tone, String) {
    (Tone::Plain, " ".repeat(count))
}

fn render_fields(
    page: &mut Page<impl Fn(Tone) -> (&'static str, &'static str)>,
    fields: &[(String, Text)],
) {
    // A name may come from others as well: such as the keys of evidence.
    let fields: Vec<_> = fields.iter().map(|(name, value)| (escape(name), value)).collect();
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let width = width.min(COLUMN_CHARS_MAX);
    for (name, value) in fields {
        let pad = width.saturating_sub(name.chars().count());
        page.line(&[(Tone::Quiet, name), blank(pad + 2), (value.tone, escape(&value.text))]);
    }
}

fn render_table(
    page: &mut Page<impl Fn(Tone) -> (&'static str, &'static str)>,
    columns: &[String],
    rows: &[Vec<Text>],
) {
    let names = columns.iter().map(|name| (Tone::Quiet, name.clone())).collect();
    let cells = |row: &Vec<Text>| row.iter().map(|cell| (cell.tone, escape(&cell.text))).collect();
    let lines: Vec<Vec<_>> = std::iter::once(names).chain(rows.iter().map(cells)).collect();
    let width = |column: usize| {
        let of = |line: &Vec<(Tone, String)>| line.get(column).map(|cell| cell.1.chars().count());
        lines.iter().filter_map(of).max().unwrap_or(0).min(COLUMN_CHARS_MAX)
    };
    let widths: Vec<_> = (0..columns.len()).map(width).collect();
    for line in lines {
        let cells = line.into_iter().zip(&widths).flat_map(|(cell, width)| {
            let pad = width.saturating_sub(cell.1.chars().count());
            [cell, blank(pad + 2)]
        });
        page.line(&cells.collect::<Vec<_>>());
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

    #[test]
    fn paint_stands_around_texts_and_moves_nothing() {
        let toned = |tone, text: &str| Text::toned(tone, text);
        let row = vec![toned(Tone::Good, "yes"), toned(Tone::Attention, " ")];
        let rows = vec![row, vec![toned(Tone::Plain, ""), toned(Tone::Attention, "no ")]];
        let columns = vec!["is it".to_owned(), "why".to_owned()];
        let doc = Doc(vec![
            Block::Line(toned(Tone::Attention, "look")),
            Block::Fields(vec![("a".to_owned(), toned(Tone::Good, "b "))]),
            Block::Table { columns, rows },
        ]);
        let painted = to_painted(&doc, |tone| match tone {
            Tone::Plain => ("", ""),
            Tone::Good => ("<", ">"),
            Tone::Attention => ("[", "]"),
            Tone::Quiet => ("(", ")"),
        });
        let expected = "[look]\n(a)  <b>\n(is it)  (why)\n<yes>\n       [no]\n";
        assert_eq!(painted, expected);
        let bare: String = painted.chars().filter(|c| !"<>[]()".contains(*c)).collect();
        assert_eq!(bare, to_text(&doc));
    }

    #[test]
    fn one_long_text_does_not_make_every_row_as_long() {
        let row = |id: &str| vec![Text::plain(id), Text::plain("open")];
        let long = "x".repeat(100_000);
        let rows = std::iter::once(row(&long)).chain((0..100).map(|_| row("a"))).collect();
        let columns = vec!["task".to_owned(), "state".to_owned()];
        let table = to_text(&Doc(vec![Block::Table { columns, rows }]));
        assert!(table.len() < 2 * long.len(), "{}", table.len());
        let name = |name: &str| (name.to_owned(), Text::plain("b"));
        let fields = std::iter::once(name(&long)).chain((0..100).map(|_| name("a"))).collect();
        let fields = to_text(&Doc(vec![Block::Fields(fields)]));
        assert!(fields.len() < 2 * long.len(), "{}", fields.len());
    }
}
