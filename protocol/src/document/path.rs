//! Paths into a document: segments joined by `/`, where `~1` is `/`, `~0` is `~`, and a number
//! indexes a list (RFC 6901 without its leading slash).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::board::{BOARDS, BRANCHES, MISSIONS};
use super::policy::POLICIES;
use crate::limits::{PATH_SEGMENT_BYTES_MAX, PATH_SEGMENTS_MAX};

/// The maps that `doc set` and `doc rm` may write below; the others have commands of their own.
pub const WRITABLE: [&str; 3] = ["notes", "policies", "tasks"];

/// How the keys of the root's `workspace` map begin that hold decisions about conflicts which stand
/// in no document; the conflict's id follows. `SPEC: CFL-16`
pub const DECIDED: &str = "decided-";

/// Text that is no path, or one that may not be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum PathFault {
    /// Two slashes in a row, or one at an end.
    #[error("a path has no empty segments: write notes/today, not /notes//today/")]
    Empty,
    /// A `~` that is not `~0` or `~1`.
    #[error("in a path ~ is written ~0 and / inside a segment is written ~1")]
    Escape,
    /// Too many or too long segments.
    #[error("a path has at most {PATH_SEGMENTS_MAX} segments of {PATH_SEGMENT_BYTES_MAX} bytes")]
    TooLong,
    /// Control characters, or ones that reorder text on the screen.
    #[error("a path has no control characters, and none that reorder text")]
    Control,
    /// Elsewhere than below the writable maps.
    #[error(
        "only what is below notes/ and tasks/, also in boards/NAME/ and branches/NAME/, and below \
         policies/ can be written; not {0:?}"
    )]
    NotWritable(String),
}

/// A parsed path. The empty one is the whole document.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DocPath(Vec<String>);

impl DocPath {
    /// Its segments, unescaped.
    #[must_use]
    pub fn segments(&self) -> &[String] {
        &self.0
    }

    /// The first `len` segments, as they are written.
    #[must_use]
    pub fn prefix(&self, len: usize) -> String {
        Self(self.0.iter().take(len).cloned().collect()).to_string()
    }

    /// The path of those segments, or of as many of them as a path can name.
    pub(super) fn nearest(segments: &[String]) -> Self {
        let named = |segment: &&String| {
            !segment.is_empty()
                && segment.len() <= PATH_SEGMENT_BYTES_MAX
                && !segment.chars().any(is_unshowable)
        };
        Self(segments.iter().take(PATH_SEGMENTS_MAX).take_while(named).cloned().collect())
    }

    /// Without its first `len` segments.
    pub(crate) fn below(&self, len: usize) -> Self {
        Self(self.0.iter().skip(len).cloned().collect())
    }

    /// The first `len` segments.
    pub(super) fn first(&self, len: usize) -> Self {
        Self(self.0.iter().take(len).cloned().collect())
    }

    /// This path below another, as far as a path can name it.
    #[must_use]
    pub fn under(&self, above: &Self) -> Self {
        let segments: Vec<_> = above.0.iter().chain(&self.0).cloned().collect();
        Self::nearest(&segments)
    }

    /// The words for a path below this one, which may be no path that can be named.
    pub(super) fn before(&self, path: String) -> String {
        match (self.0.is_empty(), path.is_empty()) {
            (true, _) => path,
            (false, true) => self.to_string(),
            (false, false) => format!("{self}/{path}"),
        }
    }

    /// This path below another.
    pub fn within(&self, above: &Self) -> Result<Self, PathFault> {
        self.0.iter().try_fold(above.clone(), |path, segment| path.child(segment))
    }

    /// May it lead to another document than the root? `SPEC: PRJ-10`
    #[must_use]
    pub fn is_linked(&self) -> bool {
        let map = self.0.first().filter(|_| self.0.len() >= 2);
        map.is_some_and(|map| [BOARDS, BRANCHES, MISSIONS].contains(&map.as_str()))
    }

    /// The path of what is at `segment` below.
    pub fn child(&self, segment: &str) -> Result<Self, PathFault> {
        if segment.is_empty() {
            return Err(PathFault::Empty);
        }
        if segment.len() > PATH_SEGMENT_BYTES_MAX || self.0.len() >= PATH_SEGMENTS_MAX {
            return Err(PathFault::TooLong);
        }
        if segment.chars().any(is_unshowable) {
            return Err(PathFault::Control);
        }
        Ok(Self(self.0.iter().cloned().chain([segment.to_owned()]).collect()))
    }

    /// The path beside this one, whose last segment ends with `suffix` too.
    pub fn beside(&self, suffix: &str) -> Result<Self, PathFault> {
        let Some((last, above)) = self.0.split_last() else { return Err(PathFault::Empty) };
        Self(above.to_vec()).child(&format!("{last}{suffix}"))
    }

    /// May a person write here?
    pub fn check_writable(&self) -> Result<(), PathFault> {
        let (within, is_root) = match &self.0[..] {
            [map, _, within @ ..] if map == BOARDS || map == BRANCHES => (within, false),
            all => (all, true),
        };
        match within {
            [first, _, ..] if first == POLICIES && !is_root => {
                Err(PathFault::NotWritable(self.to_string()))
            }
            [first, _, ..] if WRITABLE.contains(&first.as_str()) => Ok(()),
            _ => Err(PathFault::NotWritable(self.to_string())),
        }
    }
}

impl FromStr for DocPath {
    type Err = PathFault;

    fn from_str(text: &str) -> Result<Self, PathFault> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let segments: Vec<_> = text.split('/').map(unescape).collect::<Result<_, _>>()?;
        if segments.len() > PATH_SEGMENTS_MAX {
            return Err(PathFault::TooLong);
        }
        Ok(Self(segments))
    }
}

impl fmt::Display for DocPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped: Vec<_> =
            self.0.iter().map(|segment| segment.replace('~', "~0").replace('/', "~1")).collect();
        f.write_str(&escaped.join("/"))
    }
}

impl TryFrom<String> for DocPath {
    type Error = PathFault;
    fn try_from(text: String) -> Result<Self, PathFault> {
        text.parse()
    }
}

impl From<DocPath> for String {
    fn from(path: DocPath) -> Self {
        path.to_string()
    }
}

fn unescape(segment: &str) -> Result<String, PathFault> {
    if segment.is_empty() {
        return Err(PathFault::Empty);
    }
    if segment.len() > PATH_SEGMENT_BYTES_MAX {
        return Err(PathFault::TooLong);
    }
    if segment.chars().any(is_unshowable) {
        return Err(PathFault::Control);
    }
    let mut out = String::with_capacity(segment.len());
    let mut rest = segment.chars();
    while let Some(c) = rest.next() {
        match (c, c == '~') {
            (_, true) => match rest.next() {
                Some('0') => out.push('~'),
                Some('1') => out.push('/'),
                _ => return Err(PathFault::Escape),
            },
            (c, false) => out.push(c),
        }
    }
    Ok(out)
}

/// Characters that hide or reorder what a person reads (Unicode TR 36: bidi controls).
#[must_use]
pub fn is_unshowable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&[&str], PathFault>) {
        let parsed = text.parse::<DocPath>();
        let expected = expected.map(|s| s.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
        assert_eq!(parsed.clone().map(|path| path.0), expected, "{text:?}");
        if let Ok(path) = parsed {
            assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn a_path_is_read_as_it_is_printed() {
        check("", Ok(&[]));
        check("notes/today", Ok(&["notes", "today"]));
        check("notes/a~1b/~0c", Ok(&["notes", "a/b", "~c"]));
        check("tasks/0/ü", Ok(&["tasks", "0", "ü"]));
    }

    #[test]
    fn what_is_no_path_is_refused_with_its_reason() {
        check("/notes", Err(PathFault::Empty));
        check("notes//x", Err(PathFault::Empty));
        check("notes/~2", Err(PathFault::Escape));
        check("notes/~", Err(PathFault::Escape));
        check("notes/a\u{202e}b", Err(PathFault::Control));
        check("notes/a\0", Err(PathFault::Control));
        check(&vec!["a"; PATH_SEGMENTS_MAX + 1].join("/"), Err(PathFault::TooLong));
        check(&"a".repeat(PATH_SEGMENT_BYTES_MAX + 1), Err(PathFault::TooLong));
    }

    #[test]
    fn only_below_notes_tasks_and_policies_may_be_written() {
        for (path, writable) in [
            ("notes/x", true),
            ("tasks/1/title", true),
            ("notes", false),
            ("", false),
            ("boards/plan/notes/x", true),
            ("boards/plan/notes", false),
            ("boards/plan/board/name", false),
            ("boards/plan", false),
            ("branches/plan/tasks/1", true),
            ("branches/plan/boards/x/notes/y", false),
            ("boards/boards/x/notes/y", false),
            ("missions/plan/notes/x", false),
        ] {
            let parsed: DocPath = path.parse().unwrap();
            assert_eq!(parsed.check_writable().is_ok(), writable, "{path}");
        }
        assert!("policies/x".parse::<DocPath>().unwrap().check_writable().is_ok());
        assert!("boards/b/policies/x".parse::<DocPath>().unwrap().check_writable().is_err());
        assert!("routing/x".parse::<DocPath>().unwrap().check_writable().is_err());
    }
}
