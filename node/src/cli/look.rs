//! How words look on a terminal: by their tone, and never by colour alone, since every tone is said
//! in words too. Nothing is painted where nobody looks, or where the environment says so.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};

use kernelos_protocol::command::Failure;
use kernelos_protocol::present::{self, Block, Doc, Text, Tone, to_painted, to_text};

/// With colours or without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Plain,
    Painted,
}

/// How stdout looks.
pub(super) fn at_stdout() -> Look {
    Look::of(io::stdout().is_terminal(), |name| std::env::var_os(name))
}

/// How stderr looks.
pub(super) fn at_stderr() -> Look {
    Look::of(io::stderr().is_terminal(), |name| std::env::var_os(name))
}

impl Look {
    /// The usual variables: `NO_COLOR` (no-color.org) goes before `CLICOLOR_FORCE`, that before
    /// `CLICOLOR` (bixense.com/clicolors). The help follows the same.
    fn of(is_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
        let is_zero = |name: &str| variable(name).is_some_and(|value| value == "0");
        let is_dumb = variable("TERM").is_none_or(|value| value == "dumb");
        let is_painted = match () {
            () if is_set("NO_COLOR") => false,
            () if is_set("CLICOLOR_FORCE") && !is_zero("CLICOLOR_FORCE") => true,
            () if is_zero("CLICOLOR") => false,
            () => is_terminal && !is_dumb,
        };
        if is_painted { Self::Painted } else { Self::Plain }
    }

    /// A document as it looks there.
    pub(super) fn text(self, doc: &Doc) -> String {
        match self {
            Self::Plain => to_text(doc),
            Self::Painted => to_painted(doc, |tone| match tone {
                Tone::Plain => ("", ""),
                Tone::Good => ("\u{1b}[32m", RESET),
                Tone::Attention => ("\u{1b}[1;33m", RESET),
                Tone::Quiet => ("\u{1b}[2m", RESET),
            }),
        }
    }
}

/// Bytes of one line of a failure: names that it repeats may be long.
const SAID_MAX: usize = 2_000;

const RESET: &str = "\u{1b}[0m";

/// What went wrong, and what to do.
pub(super) fn failed(failure: &Failure) -> String {
    let said = format!("error: {}", cut(&failure.message));
    let mut blocks: Vec<_> = said.lines().map(|text| line(Tone::Attention, text)).collect();
    let hint = failure.hint.as_ref().map(|hint| format!("hint: {}", cut(hint)));
    blocks.extend(hint.iter().flat_map(|hint| hint.lines()).map(|text| line(Tone::Plain, text)));
    at_stderr().text(&Doc(blocks))
}

/// As much of it as a person reads; the whole of it is in `--json`.
fn cut(text: &str) -> String {
    let lines = text.lines().map(|line| present::shown(line, SAID_MAX));
    lines.collect::<Vec<_>>().join("\n")
}

fn line(tone: Tone, text: &str) -> Block {
    Block::Line(Text::toned(tone, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_painted_where_nobody_looks_or_nobody_wants_it() {
        use Look::{Painted, Plain};
        type Row<'a> = (bool, &'a [(&'a str, &'a str)], Look);
        let xterm = ("TERM", "xterm");
        let table: [Row<'_>; 13] = [
            (true, &[xterm], Painted),
            (false, &[xterm], Plain),
            (true, &[], Plain),
            (true, &[("TERM", "dumb")], Plain),
            (true, &[xterm, ("NO_COLOR", "1")], Plain),
            (true, &[xterm, ("NO_COLOR", "")], Painted),
            (true, &[xterm, ("NO_COLOR", "0")], Plain),
            (true, &[xterm, ("CLICOLOR", "0")], Plain),
            (true, &[xterm, ("CLICOLOR", "1")], Painted),
            (false, &[xterm, ("CLICOLOR", "1")], Plain),
            (false, &[("CLICOLOR_FORCE", "1"), ("CLICOLOR", "0")], Painted),
            (false, &[xterm, ("CLICOLOR_FORCE", "0")], Plain),
            (true, &[xterm, ("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], Plain),
        ];
        for (is_terminal, variables, look) in table {
            let variable = |name: &str| {
                let found = variables.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| OsString::from(value))
            };
            assert_eq!(Look::of(is_terminal, variable), look, "{is_terminal} {variables:?}");
        }
    }

    #[test]
    fn paint_says_nothing_that_words_do_not_say() {
        let tones = [Tone::Plain, Tone::Good, Tone::Attention, Tone::Quiet];
        let doc = Doc(tones.map(|tone| line(tone, &format!("{tone:?}\u{1b}[31m"))).to_vec());
        let painted = Look::Painted.text(&doc);
        assert_eq!(painted.matches(RESET).count(), 3, "{painted:?}");
        assert!(!painted.contains("\u{1b}[31m"), "{painted:?}");
        let bare = ["\u{1b}[32m", "\u{1b}[1;33m", "\u{1b}[2m", RESET]
            .iter()
            .fold(painted, |text, code| text.replace(code, ""));
        assert_eq!(bare, to_text(&doc));
    }
}
