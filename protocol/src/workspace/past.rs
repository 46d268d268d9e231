//! The past of a workspace: what of its content had been written at some moment, and which heads
//! its documents had by that. Stamps order what people see, and decide nothing. `SPEC: PAST-1`

use std::collections::BTreeSet;

use super::Workspace;
use crate::authority::ContentNo;
use crate::effect::ChangeNo;
use crate::id::{ChangeHash, DocumentId, EventId};
use crate::time::{Stamp, Time, is_ahead};

/// The content events of a moment of the past: with each all that it builds on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written(Vec<bool>);

impl Written {
    /// How many they are.
    #[must_use]
    pub fn events(&self) -> usize {
        self.0.iter().filter(|is| **is).count()
    }

    fn has(&self, no: ContentNo) -> bool {
        self.0.get(no.index()).copied().unwrap_or(false)
    }
}

impl Workspace {
    /// An event and its past; none where it is no content, which alone is written to documents.
    #[must_use]
    pub fn written_at(&self, id: &EventId) -> Option<Written> {
        let number = self.content.number(id)?;
        let mut written = vec![false; self.content.len()];
        if let Some(is) = written.get_mut(number.index()) {
            *is = true;
        }
        Some(self.with_past(written))
    }

    /// What was written by then, as stamps say. An event is no older than what it builds on,
    /// whatever its stamp says; a stamp that is ahead of this
    /// device's clock and of the time says nothing.
    /// `SPEC: PAST-2`
    #[must_use]
    pub fn written_until(&self, now: Time, until: Stamp) -> Written {
        let clock = Time { wall_us: now.wall_us.max(until.0), ..now };
        let mut times: Vec<Stamp> = Vec::with_capacity(self.content.len());
        let mut written = Vec::with_capacity(self.content.len());
        for no in self.content.all() {
            let own = self.header(&self.content.id(no)).map(|header| header.stamp);
            let own = own.filter(|stamp| !is_ahead(clock, *stamp));
            let before = self.before(no).filter_map(|no| times.get(no.index()).copied()).max();
            let time = own.max(before).unwrap_or_default();
            written.push(own.is_some() && time <= until);
            times.push(time);
        }
        self.with_past(written)
    }

    /// The heads that a document had by then: of the changes that count today; of a branch also of
    /// what it has of its origin. `SPEC: BRA-6, PAST-1`
    #[must_use]
    pub fn heads_at(&self, document: &DocumentId, written: &Written) -> Vec<ChangeHash> {
        let Some(document) = self.effects.document_number(document) else { return Vec::new() };
        let was_there =
            |change: &ChangeNo| self.effects.carriers(*change).iter().any(|no| written.has(*no));
        let own: Vec<_> = self.own_standing(document).into_iter().filter(was_there).collect();
        let mut heads: BTreeSet<ChangeNo> = BTreeSet::new();
        for change in &own {
            for dep in self.effects.deps(*change) {
                heads.remove(&dep);
            }
            heads.insert(*change);
        }
        self.drop_known(document, own.into_iter(), &mut heads);
        self.sorted(heads)
    }

    fn before(&self, no: ContentNo) -> impl Iterator<Item = ContentNo> + '_ {
        self.content.prev(no).into_iter().chain(self.content.parents(no).iter().copied())
    }

    /// With all that these build on. What is built on has a lower number.
    fn with_past(&self, mut written: Vec<bool>) -> Written {
        for no in self.content.all().collect::<Vec<_>>().into_iter().rev() {
            if written.get(no.index()) != Some(&true) {
                continue;
            }
            for before in self.before(no) {
                if let Some(is) = written.get_mut(before.index()) {
                    *is = true;
                }
            }
        }
        Written(written)
    }
}
