//! Conflicts that a change decided and that edits cannot open again, so that taking it back would
//! end them for good. `SPEC: UNDO-2`

use std::collections::{BTreeMap, BTreeSet};

use automerge::legacy::{Key, Op};
use automerge::{ActorId, Automerge, ChangeHash as Hash, ObjId, ObjType, Prop, ROOT, ReadDoc as _};

use super::read::Seen;
use super::sites::{Made, Sites, made_by, made_in};
use crate::document::DocPath;

/// The first of these places at or below which a change decided between a removal and an edit of
/// what was removed. Who edits names what is shown; who decides names what was removed, too.
pub(super) fn decided<'a>(
    doc: &Automerge,
    change: Hash,
    [before, after]: [&Seen<'_>; 2],
    places: &[&'a DocPath],
) -> Option<&'a DocPath> {
    let change = doc.get_change_by_hash(&change)?;
    let operations = change.decode().operations;
    let own = (change.start_op().get(), change.actor_id().clone());
    let mut sites = Sites::new(doc, [before, after], places);
    sites.made(&change, &operations);
    let mut shown = Shown { doc, before, lists: BTreeMap::new() };
    let decides = |op: &&Op| {
        let past = op.pred.iter().map(|of| (of.0, of.1.clone()));
        let mut past = past.filter(|of| !(of.1 == own.1 && of.0 >= own.0)).peekable();
        past.peek().is_some() && !past.all(|of| shown.is_shown(op, &of))
    };
    let (site, _) = operations.iter().filter(decides).find_map(|op| sites.of(op))?;
    let place = sites.of_places().iter().position(|way| way.contains(&site))?;
    places.get(place).copied()
}

/// What was shown before the change.
struct Shown<'a> {
    doc: &'a Automerge,
    before: &'a Seen<'a>,
    /// What stood in each list; of a text nothing is asked.
    lists: BTreeMap<Made, Option<BTreeSet<(u64, ActorId)>>>,
}

impl Shown<'_> {
    /// Did this stand where an operation writes?
    fn is_shown(&mut self, op: &Op, put: &(u64, ActorId)) -> bool {
        let object = made_in(&op.obj);
        let id =
            object.as_ref().map_or(ROOT, |(number, actor)| ObjId::Id(*number, actor.clone(), 0));
        if let Key::Map(key) = &op.key {
            let found = self.before.all(&id, Prop::Map(key.to_string())).unwrap_or_default();
            return found.into_iter().any(|(_, id)| made_by(id).as_ref() == Some(put));
        }
        let stood = self.lists.entry(object).or_insert_with(|| {
            let is_list = self.doc.object_type(&id).is_ok_and(|kind| kind == ObjType::List);
            is_list.then(|| self.before.items(&id).into_iter().filter_map(made_by).collect())
        });
        stood.as_ref().is_none_or(|stood| stood.contains(put))
    }
}
