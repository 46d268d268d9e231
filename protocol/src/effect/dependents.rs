//! Which changes depend on which: asked for once something was struck.

use std::collections::BTreeMap;

use super::{ChangeNo, Effects};
use crate::few::Few;

/// By change, those that depend on it.
pub(super) type Dependents = BTreeMap<ChangeNo, Few<ChangeNo>>;

impl Effects {
    /// From now on, what depends on a change can be asked for.
    pub(crate) fn index_dependents(&mut self) {
        if self.dependents.is_some() {
            return;
        }
        let mut dependents = Dependents::new();
        for (family, history) in self.documents.histories() {
            for (number, links) in (0..).zip(&history.links) {
                for dep in &links.deps {
                    let behind = dependents.entry(ChangeNo::new(family, *dep)).or_default();
                    behind.push(ChangeNo::new(family, number));
                }
            }
        }
        self.dependents = Some(dependents);
    }

    /// The changes that depend on one, once that is kept.
    pub(crate) fn dependents(&self, change: ChangeNo) -> &[ChangeNo] {
        let dependents = self.dependents.as_ref();
        dependents.and_then(|all| all.get(&change)).map_or(&[], |behind| behind)
    }
}
