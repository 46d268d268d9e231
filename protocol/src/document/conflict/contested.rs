//! Where conflicts are open, without what their sides show: for who reads and who writes there.

use std::collections::BTreeSet;

use automerge::Automerge;

use super::ConflictIndex;
use super::places::{At, Spot};
use super::scan::Scan;
use crate::document::DocPath;
use crate::id::DocumentId;

impl ConflictIndex {
    /// At which of these places, and not only below them, a conflict is open: one look at those
    /// that may be meant. An element that is gone is at none, whatever stands there since.
    pub(in crate::document) fn open_at(
        &self,
        doc: &Automerge,
        paths: &BTreeSet<&DocPath>,
    ) -> BTreeSet<DocPath> {
        let Ok(whole) = self.whole() else { return BTreeSet::new() };
        let last: BTreeSet<_> = paths.iter().filter_map(|path| path.segments().last()).collect();
        let is_index = |segment: &&String| segment.bytes().all(|byte| byte.is_ascii_digit());
        let has_index = last.iter().any(is_index);
        let may_be = |spot: &Spot| match &spot.at {
            At::Key(key) => last.contains(&key.to_string()),
            At::Element(_) => has_index,
        };
        // Ids are not asked for.
        let (document, mut scan) = (DocumentId([0; 32]), Scan::new(whole, doc));
        let contested = self.places.contested().filter(|(spot, _)| may_be(spot));
        let open = contested.filter_map(|(spot, contest)| {
            scan.prop(spot, None)?;
            scan.one(&document, spot, contest)
        });
        open.map(|open| open.path).filter(|path| paths.contains(path)).collect()
    }

    /// The first places below these, as far as `most`, at which a conflict is open: one look at
    /// those that may be meant, however many are written.
    pub(in crate::document) fn open_below(
        &self,
        doc: &Automerge,
        paths: &BTreeSet<DocPath>,
        most: usize,
    ) -> BTreeSet<DocPath> {
        let Ok(whole) = self.whole() else { return BTreeSet::new() };
        let (document, mut scan) = (DocumentId([0; 32]), Scan::new(whole, doc));
        let is_below =
            |path: &DocPath| (0..path.segments().len()).any(|len| paths.contains(&path.first(len)));
        // Of what is in a list the list alone is known at first: what is asked for may be below it.
        let holds_one = |place: &DocPath| {
            let next = paths.range(place..).next();
            next.is_some_and(|path| path.segments().starts_with(place.segments()))
        };
        let may_be = |spot: &Spot| {
            let place = self.place(spot);
            is_below(&place) || holds_one(&place)
        };
        let contested = self.places.contested().filter(|(spot, _)| may_be(spot));
        let open = contested.filter_map(|(spot, contest)| scan.one(&document, spot, contest));
        open.map(|open| open.path).filter(is_below).take(most).collect()
    }

    /// Where changes disagree, of what is in a list the outermost list; those that agree after all
    /// included.
    pub(in crate::document) fn contested_places(&self) -> BTreeSet<DocPath> {
        self.places.contested().map(|(spot, _)| self.place(spot)).collect()
    }
}
