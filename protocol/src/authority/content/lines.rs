//! Branches of chains as lines: along one, the past of an event holds that of all before it.

use std::collections::BTreeMap;

use super::{ContentLane, ContentNo};
use crate::id::DeviceId;

impl ContentLane {
    /// The admitted events of each author by branch of its chains, each in the order in which it
    /// was written. What one of them has in its past, all after it in its branch have.
    pub(crate) fn admitted_lines(&self) -> BTreeMap<DeviceId, Vec<Vec<ContentNo>>> {
        let of = |written: &Vec<ContentNo>| {
            let mut lines: BTreeMap<u32, Vec<ContentNo>> = BTreeMap::new();
            for &no in written.iter().filter(|no| self.is_admitted(**no)) {
                lines.entry(self.line_of(no)).or_default().push(no);
            }
            lines.into_values().collect()
        };
        self.written.iter().map(|(author, written)| (*author, of(written))).collect()
    }

    /// The branch of an event, by its number.
    pub(crate) fn line_of(&self, no: ContentNo) -> u32 {
        self.at(no).place.branch()
    }
}
