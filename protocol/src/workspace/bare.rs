//! Events that came without the bodies that they name. Any member can write many such, and of class
//! 2 they may stay so (SPEC: DUR-17): who asks for them sees at once whether others are missing.

use std::collections::BTreeSet;

use crate::authority::ContentNo;

/// These events, and how often they changed.
#[derive(Default)]
pub(super) struct Bare {
    all: BTreeSet<ContentNo>,
    version: u64,
}

impl Bare {
    pub(super) fn contains(&self, no: &ContentNo) -> bool {
        self.all.contains(no)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &ContentNo> {
        self.all.iter()
    }

    /// Another number since any other was missing.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn insert(&mut self, no: ContentNo) {
        self.version += u64::from(self.all.insert(no));
    }

    /// Was it one?
    pub(super) fn remove(&mut self, no: &ContentNo) -> bool {
        let was = self.all.remove(no);
        self.version += u64::from(was);
        was
    }
}
