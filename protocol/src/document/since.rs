//! Which change was the last to write at a place since another: also one that removed it, of which
//! nothing is shown there. `SPEC: UNDO-3`

use std::collections::BTreeSet;

use automerge::legacy::OpType;
use automerge::{ActorId, Automerge, ChangeHash as Hash, ObjId};

use super::read::Seen;
use crate::document::DocPath;
use crate::id::ChangeHash;

/// The last change that replaced or removed what stood at `path`, or on the way there, once `since`
/// was made; none where nobody did, or `since` showed nothing there. It costs as much as there are
/// changes that `since` does not know.
pub(super) fn last_writer(doc: &Automerge, since: Hash, path: &DocPath) -> Option<ChangeHash> {
    let mut stood = on_the_way(&Seen::at(doc, &[since]), path);
    let mut last = None;
    for change in doc.get_changes(&[since]) {
        let (actor, start) = (change.actor_id().clone(), change.start_op().get());
        for (op, number) in change.decode().operations.iter().zip(start..) {
            if !op.pred.iter().any(|of| stood.contains(&(of.0, of.1.clone()))) {
                continue;
            }
            last = Some(ChangeHash(change.hash().0));
            if !matches!(op.action, OpType::Delete) {
                stood.insert((number, actor.clone()));
            }
        }
    }
    last
}

/// The operations that put what stands at each place on the way to `path`, and there.
fn on_the_way(seen: &Seen<'_>, path: &DocPath) -> BTreeSet<(u64, ActorId)> {
    let (mut at, mut put) = (DocPath::default(), BTreeSet::new());
    for segment in path.segments() {
        let Ok(below) = at.child(segment) else { break };
        at = below;
        for (_, id) in seen.find(&at).unwrap_or_default() {
            if let ObjId::Id(number, actor, _) = id {
                put.insert((number, actor));
            }
        }
    }
    put
}
