//! One file, seen three ways: as it is, its code alone, its comments alone.
//!
//! Both views keep every line where it was and every column too; what does not belong to a view is
//! blank in it, and the text of strings belongs to neither. The scanner knows nested comments, raw
//! strings, characters and lifetimes, and nothing else of Rust.

use std::ops::Range;

pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
    pub(super) code: String,
    pub(super) comments: String,
}

/// A function: its name and its lines, counted from 1, from `fn` to the closing brace.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) first: usize,
    pub(super) last: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    Code,
    Comment,
    Text,
}

impl Source {
    pub(super) fn new(path: &str, text: String) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let views =
            if path.ends_with(".rs") { views(&chars) } else { vec![View::Code; chars.len()] };
        let only = |wanted: View| {
            let keep = |(c, view): (&char, &View)| match c {
                '\n' => '\n',
                c if *view == wanted => *c,
                _ => ' ',
            };
            chars.iter().zip(&views).map(keep).collect::<String>()
        };
        let (code, comments) = (only(View::Code), only(View::Comment));
        Self { path: path.to_owned(), text, code, comments }
    }

    /// Where `word` stands in the code with no letter, digit or underscore on either side.
    pub(super) fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        words(&self.code, word)
    }

    /// The line, counted from 1, of a place in either view.
    pub(super) fn line_of(view: &str, at: usize) -> usize {
        view[..at].matches('\n').count() + 1
    }

    /// The functions that have a body.
    pub(super) fn functions(&self) -> Vec<Function> {
        let code = &self.code;
        self.words("fn")
            .filter_map(|at| {
                let name = code[at + 2..].trim_start();
                let name: String = name.chars().take_while(|c| is_word(*c)).collect();
                let body = (!name.is_empty()).then(|| body(code, at))??;
                let (first, last) = (Self::line_of(code, at), Self::line_of(code, body.end - 1));
                Some(Function { name, first, last })
            })
            .collect()
    }

    /// Whether a line, counted from 1, belongs to a test: a file in or beside a `tests` folder, or
    /// an item behind `#[cfg(test)]`.
    pub(super) fn is_test(&self, line: usize) -> bool {
        let in_folder = self.path.split('/').any(|part| part == "tests" || part == "tests.rs");
        in_folder || self.test_lines().iter().any(|lines| lines.contains(&line))
    }

    fn test_lines(&self) -> Vec<Range<usize>> {
        let code = &self.code;
        let attributes =
            code.match_indices("#[cfg(test)]").chain(code.match_indices("#[cfg(all(test"));
        attributes
            .map(|(at, _)| {
                let end = body(code, at).map_or(at, |body| body.end - 1);
                Self::line_of(code, at)..Self::line_of(code, end) + 1
            })
            .collect()
    }
}

/// Where `word` stands in `text` with no letter, digit or underscore on either side.
pub(super) fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = text[..*at].chars().next_back();
        let after = text[*at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The braces of the item that starts at `from`; none if it ends with a semicolon before any.
fn body(code: &str, from: usize) -> Option<Range<usize>> {
    let (mut nested, mut depth, mut start) = (0_usize, 0_usize, from);
    for (at, c) in code[from..].char_indices().map(|(at, c)| (from + at, c)) {
        match c {
            '(' | '[' if depth == 0 => nested += 1,
            ')' | ']' if depth == 0 => nested = nested.saturating_sub(1),
            ';' if depth == 0 && nested == 0 => return None,
            '{' if depth > 0 || nested == 0 => {
                if depth == 0 {
                    start = at;
                }
                depth += 1;
            }
            '}' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    return Some(start..at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// The view that each character belongs to.
fn views(chars: &[char]) -> Vec<View> {
    let mut views = Vec::with_capacity(chars.len());
    while views.len() < chars.len() {
        let at = views.len();
        let rest = &chars[at..];
        let word_before = at > 0 && is_word(chars[at - 1]);
        let (view, length) = match rest {
            ['/', '/', ..] => (View::Comment, length_until(rest, '\n')),
            ['/', '*', ..] => (View::Comment, block_comment(rest)),
            ['"', ..] => (View::Text, quoted(rest, '"')),
            ['r' | 'b' | 'c', ..] if !word_before => prefixed(rest),
            ['\'', ..] => character(rest),
            _ => (View::Code, 1),
        };
        views.extend(std::iter::repeat_n(view, length.clamp(1, rest.len())));
    }
    views
}

fn length_until(rest: &[char], end: char) -> usize {
    rest.iter().position(|c| *c == end).unwrap_or(rest.len())
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at + 1 < rest.len() {
        match (rest[at], rest[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The length of a string or character that starts with its quote.
fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// What starts with `r`, `b` or `c`: a raw string, a byte string, or an ordinary name.
fn prefixed(rest: &[char]) -> (View, usize) {
    let letters = rest.iter().take_while(|c| matches!(c, 'r' | 'b' | 'c')).count();
    let raw = rest[..letters].contains(&'r');
    let hashes = rest[letters..].iter().take_while(|c| **c == '#').count();
    let open = letters + hashes;
    match rest.get(open) {
        Some('"') if raw && letters <= 2 => {
            let mut close = vec!['"'];
            close.extend(std::iter::repeat_n('#', hashes));
            let found = rest[open + 1..].windows(close.len()).position(|w| w == close);
            (View::Text, found.map_or(rest.len(), |at| open + 1 + at + close.len()))
        }
        Some('"') if hashes == 0 && letters == 1 => (View::Text, 1 + quoted(&rest[1..], '"')),
        _ => (View::Code, letters),
    }
}

/// A character, or the tick of a lifetime.
fn character(rest: &[char]) -> (View, usize) {
    match rest {
        ['\'', '\\', ..] => (View::Text, quoted(rest, '\'')),
        ['\'', _, '\'', ..] => (View::Text, 3),
        _ => (View::Code, 1),
    }
}
