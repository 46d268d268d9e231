//! Where conflicts are open, without what their sides show: for who reads and who writes there.

use std::collections::{BTreeMap, BTreeSet};

use automerge::Automerge;

use super::ConflictIndex;
use super::places::{At, Spot};
use super::scan::Scan;
use crate::document::DocPath;
use crate::id::DocumentId;

/// Open conflicts before a change, by where they stand and by the path of that.
pub(in crate::document) struct OpenNear(BTreeMap<Spot, DocPath>);

impl OpenNear {
    /// Is none open?
    pub(in crate::document) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a change did to conflicts that were open before it.
#[derive(Default)]
pub(in crate::document) struct Settled {
    /// It wrote where they stand.
    pub(in crate::document) decided: BTreeSet<DocPath>,
    /// What they were in is gone by it.
    pub(in crate::document) ended: BTreeSet<DocPath>,
}

impl ConflictIndex {
    /// The open conflicts above and below what is to be written, and those of the same lists: the
    /// items of a list have other numbers by each edit of a change.
    pub(in crate::document) fn open_near(
        &self,
        doc: &Automerge,
        written: &BTreeSet<DocPath>,
    ) -> OpenNear {
        let Ok(whole) = self.whole() else { return OpenNear(BTreeMap::new()) };
        let (document, mut scan) = (DocumentId([0; 32]), Scan::new(whole, doc));
        let is_near = |place: &DocPath| {
            let segments = place.segments();
            let below = written.range(place..).next();
            below.is_some_and(|path| path.segments().starts_with(segments))
                || (0..segments.len()).any(|len| written.contains(&place.first(len)))
        };
        let contested = self.places.contested().filter(|(spot, _)| is_near(&self.place(spot)));
        let open = contested.filter_map(|(spot, contest)| {
            let open = scan.one(&document, spot, contest)?;
            Some((open.spot, open.path))
        });
        OpenNear(open.collect())
    }

    /// Which of these are open no more.
    pub(in crate::document) fn settled(&self, doc: &Automerge, before: OpenNear) -> Settled {
        let mut settled = Settled::default();
        let Ok(whole) = self.whole() else { return settled };
        let (document, mut scan) = (DocumentId([0; 32]), Scan::new(whole, doc));
        for (spot, path) in before.0 {
            let contest = self.places.contest(&spot);
            if contest.is_some_and(|contest| scan.one(&document, &spot, contest).is_some()) {
                continue;
            }
            match scan.climb(spot.object) {
                Some(_) => settled.decided.insert(path),
                None => settled.ended.insert(path),
            };
        }
        settled
    }

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

    /// Where changes disagree, those that agree after all included; of what is in a list the
    /// outermost list, where its items may move.
    pub(in crate::document) fn contested_places(
        &self,
        doc: &Automerge,
        may_move: bool,
    ) -> BTreeSet<DocPath> {
        let mut scan = Scan::new(self, doc);
        let contested = self.places.contested();
        // Of an element that is gone another has the number.
        let place = |(spot, _): (&Spot, _)| match scan.climb(spot.object) {
            Some(_) if !may_move => scan.stands(spot),
            _ => Some(self.place(spot)),
        };
        contested.filter_map(place).collect()
    }
}
