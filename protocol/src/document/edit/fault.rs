//! Faults of edits as they are told where the document stands below another path.

use super::EditFault;
use crate::document::DocPath;
use crate::document::board::{BOARDS, BRANCHES};

impl EditFault {
    /// Nothing that is linked is where a path leads.
    pub(crate) fn not_linked(path: &DocPath) -> Self {
        let segment = |at: usize| path.segments().get(at).map_or("", String::as_str);
        Self::no_link(segment(0), segment(1))
    }

    /// No link of that name is in a map of the root.
    pub(in crate::document) fn no_link(map: &str, name: &str) -> Self {
        if map == BRANCHES {
            Self::NoBranch(name.to_owned())
        } else {
            Self::NoBoard(name.to_owned())
        }
    }

    /// The same, in the words that who writes there hears, where the path leads to no document.
    pub(in crate::document) fn of_link(self, path: &DocPath) -> Self {
        let leads = path.segments().first().is_some_and(|map| map == BOARDS || map == BRANCHES);
        match self {
            Self::Absent(_) if leads && path.is_linked() => Self::not_linked(path),
            other => other,
        }
    }

    /// The same, where the document that it is about stands at `above`.
    pub(in crate::document) fn under(self, above: &DocPath) -> Self {
        match self {
            Self::Absent(path) => Self::Absent(above.before(path)),
            Self::RemovedApart(path) => Self::RemovedApart(above.before(path)),
            Self::NotAMap(path) => Self::NotAMap(above.before(path)),
            Self::NotAppendable(path) => Self::NotAppendable(above.before(path)),
            Self::Index(path, len) => Self::Index(above.before(path), len),
            Self::Kept(path) => Self::Kept(above.before(path)),
            Self::Closes(path) => Self::Closes(above.before(path)),
            Self::NotRestorable(path) => Self::NotRestorable(above.before(path)),
            Self::BuiltOn(built) => Self::BuiltOn(built.under(above)),
            other => other,
        }
    }
}
