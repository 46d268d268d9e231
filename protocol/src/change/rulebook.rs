//! The rulebook: kinds of paths that no change may add, each with what it catches and what it
//! lets pass. It is the data file `rulebook.txt`; its form is told there.

use super::glob::Pattern;
use crate::limits::RULEBOOK_BYTES_MAX;

/// The rulebook of this program, as it is hashed for evidence. `SPEC: CHG-9`
pub const RULEBOOK: &str = include_str!("rulebook.txt");

const _: () = assert!(RULEBOOK.len() <= RULEBOOK_BYTES_MAX);

/// One kind of throwaway path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Its name: lower case, digits and dashes.
    pub name: String,
    /// Why such a file does not belong into a change.
    pub why: String,
    /// A path of this kind.
    pub catches: String,
    /// A path that looks close and is of no kind.
    pub passes: String,
    pattern: Pattern,
}

/// All kinds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rulebook(Vec<Kind>);

/// A line that is no kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rulebook, line {line}: {what}")]
pub struct RulebookFault {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub what: &'static str,
}

impl Rulebook {
    /// Reads a rulebook: one kind a line, five fields between ` | `, comments after `#`.
    pub fn read(text: &str) -> Result<Self, RulebookFault> {
        let mut kinds: Vec<Kind> = Vec::new();
        if text.len() > RULEBOOK_BYTES_MAX {
            return Err(RulebookFault { line: 1, what: "too many bytes" });
        }
        for (number, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let fault = |what| RulebookFault { line: number + 1, what };
            let fields: Vec<&str> = line.split(" | ").map(str::trim).collect();
            let &[name, pattern, why, catches, passes] = fields.as_slice() else {
                return Err(fault("not five fields"));
            };
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if name.is_empty() || !name.chars().all(is_name) {
                return Err(fault("not a name of a kind"));
            }
            if kinds.iter().any(|kind| kind.name == name) {
                return Err(fault("a kind that was there before"));
            }
            if [why, catches, passes].iter().any(|field| field.is_empty()) {
                return Err(fault("an empty field"));
            }
            let pattern = Pattern::read(pattern).ok_or_else(|| fault("not a pattern"))?;
            let [name, why, catches, passes] = [name, why, catches, passes].map(str::to_owned);
            kinds.push(Kind { name, why, catches, passes, pattern });
        }
        if kinds.is_empty() {
            return Err(RulebookFault { line: 1, what: "no kinds" });
        }
        Ok(Self(kinds))
    }

    /// The kinds, in the order of the file.
    #[must_use]
    pub fn kinds(&self) -> &[Kind] {
        &self.0
    }

    /// The first kind that this path is of. A link may stand for a folder: it is judged as one too.
    #[must_use]
    pub fn kind_of(&self, path: &str, is_link: bool) -> Option<&Kind> {
        self.kinds_of(path, is_link).next()
    }

    /// All kinds that this path is of.
    pub fn kinds_of(&self, path: &str, is_link: bool) -> impl Iterator<Item = &Kind> {
        let segments = |path: &str| -> Vec<Vec<char>> {
            path.split('/').map(|segment| segment.to_lowercase().chars().collect()).collect()
        };
        let as_file = segments(path);
        let as_folder = is_link.then(|| [as_file.as_slice(), &[vec!['x']]].concat());
        self.0.iter().filter(move |kind| {
            kind.pattern.matches(&as_file)
                || as_folder.as_ref().is_some_and(|path| kind.pattern.matches(path))
        })
    }
}
