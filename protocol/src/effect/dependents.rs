//! Which changes depend on which: asked for once something was struck.

use std::collections::BTreeMap;

use super::Effects;
use crate::id::{ChangeHash, DocumentId};

/// By change, those that depend on it.
pub(super) type Dependents = BTreeMap<(DocumentId, ChangeHash), Vec<ChangeHash>>;

impl Effects {
    /// From now on, what depends on a change can be asked for.
    pub(crate) fn index_dependents(&mut self) {
        if self.dependents.is_some() {
            return;
        }
        let mut dependents = Dependents::new();
        for (family, history) in &self.documents {
            for hash in &history.order {
                let deps = history.changes.get(hash).map_or(&[][..], |links| &links.deps);
                for dep in deps {
                    let of = history.changes.get(dep).map_or(*family, |dep| dep.document);
                    dependents.entry((of, *dep)).or_default().push(*hash);
                }
            }
        }
        self.dependents = Some(dependents);
    }

    /// The changes that depend on one, once that is kept.
    pub(crate) fn dependents(&self, change: &(DocumentId, ChangeHash)) -> &[ChangeHash] {
        let dependents = self.dependents.as_ref();
        dependents.and_then(|all| all.get(change)).map_or(&[], Vec::as_slice)
    }
}
