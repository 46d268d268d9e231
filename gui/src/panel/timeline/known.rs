//! What is known of the timeline: rows, and which events they cover. Between what is known are
//! gaps, which are walked onto and never over: nobody passes a row that was not loaded yet.
//!
//! Rows that meet are drawn as one graph, however many pages they came in. `SPEC: TIME-2`

use std::collections::BTreeMap;
use std::ops::Bound::{self, Excluded, Included, Unbounded};

use kernelos_protocol::command::{TimelinePage, TimelineRow};
use kernelos_protocol::timeline;
use kernelos_protocol::timeline::lanes::Lanes;

/// Events of one part: a multiple of the blocks in which runs are folded.
pub(super) const PART: usize = 256;
/// Rows this many events from what is in sight, or would be after a page, are forgotten.
pub(super) const KEPT: usize = 4 * PART;
/// Parts below which the lanes are known though their rows are forgotten.
const BORDERS_MAX: usize = 4_096;

/// A row's place: its causal index; behind its event stand the notices of that place.
pub type RowKey = (usize, usize);

/// Where the event of this index stands.
#[must_use]
pub fn event_at(index: usize) -> RowKey {
    (index, usize::MAX)
}

/// Where in the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The uppermost row; none for the end, also as it moves on. What is known below it and does
    /// not fill the view moves it up.
    pub top: Option<RowKey>,
    /// Which row the cursor is on, or which is still to be loaded.
    pub cursor: Option<RowKey>,
    /// Which row has the focus of the keyboard: Tab leads there, too.
    pub focus: Option<RowKey>,
    /// How many rows have room.
    pub fits: usize,
}

/// What stands in one line of the view.
#[derive(Debug, Clone, Copy)]
pub(super) enum Slot<'a> {
    /// A row.
    Row(RowKey, &'a TimelineRow),
    /// Events of which nothing is known yet: from here to before there.
    Gap { at: RowKey, from: usize, to: usize },
}

impl Slot<'_> {
    /// Where it stands.
    pub(super) fn key(&self) -> RowKey {
        match self {
            Self::Row(key, _) => *key,
            Self::Gap { at, .. } => *at,
        }
    }

    pub(super) fn is_gap(&self) -> bool {
        matches!(self, Self::Gap { .. })
    }

    /// Is it a gap whose newest event was gone to? Of one that was reached from below it is the
    /// oldest.
    pub(super) fn is_entered_from_above(&self) -> bool {
        matches!(self, Self::Gap { at: (_, behind), .. } if *behind > 0)
    }

    /// The indices of its oldest event and of its newest.
    pub(super) fn span(&self) -> (usize, usize) {
        match self {
            Self::Row(_, row) => (row.first(), row.index),
            Self::Gap { from, to, .. } => (*from, to.saturating_sub(1)),
        }
    }
}

/// The rows that the node said.
#[derive(Debug, Default)]
pub struct Timeline {
    /// How many events there are.
    pub total: usize,
    pub(super) rows: BTreeMap<RowKey, TimelineRow>,
    /// The events that they cover, as disjoint spans that do not meet: the first, and the one
    /// after the last.
    spans: BTreeMap<usize, usize>,
    /// The lanes below events that begin a part.
    borders: BTreeMap<usize, Vec<Option<usize>>>,
    pub(super) is_known: bool,
    /// It was folded otherwise than is wanted now.
    is_old: bool,
}

impl Timeline {
    /// It is wanted folded otherwise, or as it was after all: what is known is replaced as a whole
    /// by the next page, and shown until then.
    pub fn refold(&mut self) {
        self.is_old = !self.is_old;
    }

    /// Takes a page: what was known of the events that it covers is replaced.
    pub fn take(&mut self, page: TimelinePage, place: &Place) {
        if page.total < self.total || self.is_old {
            *self = Self::default();
        }
        (self.total, self.is_known) = (page.total, true);
        let (from, to) = (page.from, page.to);
        let end = if to >= page.total { usize::MAX } else { to };
        self.rows.retain(|(at, _), _| !(from..end).contains(at));
        for (number, row) in page.rows.into_iter().enumerate() {
            // Newest first, so a notice behind another is the older one.
            let behind = if row.events > 0 { usize::MAX } else { usize::MAX - 1 - number };
            self.rows.insert((row.index, behind), row);
        }
        self.cover(from, to);
        self.forget(place, (from, to));
        self.draw();
    }

    fn cover(&mut self, from: usize, to: usize) {
        if from >= to {
            return;
        }
        let meets = |(first, end): &(&usize, &usize)| **first <= to && from <= **end;
        let met: Vec<_> = self.spans.iter().filter(meets).map(|(a, b)| (*a, *b)).collect();
        let (mut first, mut end) = (from, to);
        for (a, b) in met {
            self.spans.remove(&a);
            (first, end) = (first.min(a), end.max(b));
        }
        self.spans.insert(first, end);
    }

    /// Forgets what is far from what is in sight, from the end, and from the page that came last:
    /// it may be looked at again before anybody hears that it was not. All ends are those of
    /// parts or of pages, which part no row.
    fn forget(&mut self, place: &Place, page: (usize, usize)) {
        let reach = self.reach(place);
        let spans = || reach.all().map(Slot::span);
        let (Some(first), Some(last)) =
            (spans().map(|(first, _)| first).min(), spans().map(|(_, last)| last).max())
        else {
            return;
        };
        let begin = |at: usize| at.saturating_sub(KEPT) / PART * PART;
        let near = (begin(first), (last / PART + 1) * PART + KEPT);
        let keeps = [near, (begin(self.total), usize::MAX), page];
        let had = std::mem::take(&mut self.spans);
        for (from, to) in had {
            for (begin, end) in keeps {
                self.cover(from.max(begin), to.min(end));
            }
        }
        let (spans, total) = (&self.spans, self.total);
        self.rows.retain(|(at, _), _| {
            let at = (*at).min(total.saturating_sub(1));
            total == 0 || spans.range(..=at).next_back().is_some_and(|(_, end)| at < *end)
        });
    }

    /// Draws the lanes of all rows, where they meet as one graph.
    fn draw(&mut self) {
        let spans: Vec<_> = self.spans.iter().map(|(from, to)| (*from, *to)).collect();
        for (from, to) in spans.into_iter().rev() {
            let is_end = to >= self.total;
            let open = self.borders.get(&to).filter(|_| !is_end).cloned();
            let mut lanes = Lanes::going_on(open.unwrap_or_default());
            let end = self.end(to);
            for (key, row) in self.rows.range_mut((Included((from, 0)), end)).rev() {
                // A notice that stands there is of the part above, and takes no lane.
                let border = key.0.saturating_add(1);
                if key.1 == usize::MAX && border.is_multiple_of(PART) && border < to {
                    self.borders.insert(border, lanes.clone().open());
                }
                timeline::draw(&mut lanes, row);
            }
            if from.is_multiple_of(PART) {
                self.borders.insert(from, lanes.open());
            }
        }
        while self.borders.len() > BORDERS_MAX {
            self.borders.pop_first();
        }
    }

    /// The span that covers an event; of a notice behind them all, the one of the last.
    fn span(&self, at: usize) -> Option<(usize, usize)> {
        let at = at.min(self.total.saturating_sub(1));
        if self.total == 0 {
            return Some((0, 0));
        }
        let (from, to) = self.spans.range(..=at).next_back()?;
        (at < *to).then_some((*from, *to))
    }

    /// The end of a span's rows: behind the last stand notices, too.
    fn end(&self, to: usize) -> Bound<RowKey> {
        if to >= self.total { Unbounded } else { Excluded((to, 0)) }
    }

    fn row(&self, (begin, end): (Bound<RowKey>, Bound<RowKey>), newest: bool) -> Option<Slot<'_>> {
        let mut rows = self.rows.range((begin, end));
        let row = if newest { rows.next_back() } else { rows.next() };
        row.map(|(key, row)| Slot::Row(*key, row))
    }

    /// What stands there: its row, the run that it is part of, or the gap from there down.
    pub(super) fn at(&self, key: RowKey) -> Slot<'_> {
        if let Some((from, to)) = self.span(key.0) {
            let above = self.row((Included(key), self.end(to)), false);
            let newest = || self.row((Included((from, 0)), self.end(to)), true);
            if let Some(slot) = above.or_else(newest) {
                return slot;
            }
        }
        let last = key.0.min(self.total.saturating_sub(1));
        let below = self.spans.range(..=last).next_back();
        let from = below.map_or(0, |(_, end)| (*end).min(last));
        Slot::Gap { at: key, from, to: last.saturating_add(1) }
    }

    /// What stands at the end.
    pub(super) fn newest(&self) -> Slot<'_> {
        self.at((usize::MAX, usize::MAX))
    }

    /// What stands below it: towards the past.
    pub(super) fn below(&self, slot: &Slot<'_>) -> Option<Slot<'_>> {
        let before = |from: usize| Some(self.at(event_at(from.checked_sub(1)?)));
        match slot {
            Slot::Gap { from, .. } => before(*from),
            Slot::Row(key, _) => {
                let (from, _) = self.span(key.0)?;
                let row = self.row((Included((from, 0)), Excluded(*key)), true);
                row.or_else(|| before(from))
            }
        }
    }

    /// What stands above it: towards the end.
    pub(super) fn above(&self, slot: &Slot<'_>) -> Option<Slot<'_>> {
        match slot {
            Slot::Gap { to, .. } => {
                let (from, to) = self.span(*to).filter(|_| *to < self.total)?;
                self.row((Included((from, 0)), self.end(to)), false)
            }
            Slot::Row(key, _) => {
                let (_, to) = self.span(key.0)?;
                let row = self.row((Excluded(*key), self.end(to)), false);
                row.or_else(|| (to < self.total).then(|| self.at((to, 0))))
            }
        }
    }

    /// So many steps further, or as far as it is known: a gap is gone to, and back from, and never
    /// passed.
    pub(super) fn walk<'a>(&'a self, from: Slot<'a>, steps: usize, back: bool) -> Slot<'a> {
        let mut now = from;
        for _ in 0..steps {
            let is_end = back && now.is_entered_from_above();
            let next = if back { self.below(&now) } else { self.above(&now) };
            let Some(next) = next.filter(|_| !is_end) else { break };
            now = next;
        }
        now
    }

    /// What fills the view, from its uppermost row on, and what would after a page.
    pub(super) fn reach(&self, place: &Place) -> Reach<'_> {
        let fits = place.fits.max(1);
        let first = place.top.map_or_else(|| self.newest(), |top| self.at(top));
        let mut sight = vec![first];
        self.extend(&mut sight, fits, true);
        // Where the beginning is in sight the view is full as long as there is anything above.
        let is_all = |last: &Slot<'_>| !last.is_gap() && self.below(last).is_none();
        if sight.len() < fits && sight.last().is_some_and(is_all) {
            sight.reverse();
            self.extend(&mut sight, fits, false);
            sight.reverse();
        }
        let beyond = |slot: Option<&Slot<'_>>, back: bool| {
            let mut slots: Vec<_> = slot.map(|slot| self.at(slot.key())).into_iter().collect();
            if slots.first().is_some_and(Slot::is_gap) {
                return Vec::new();
            }
            self.extend(&mut slots, fits.saturating_add(1), back);
            slots.split_off(slots.len().min(1))
        };
        let (below, above) = (beyond(sight.last(), true), beyond(sight.first(), false));
        Reach { sight, below, above }
    }

    fn extend<'a>(&'a self, slots: &mut Vec<Slot<'a>>, len: usize, back: bool) {
        while slots.len() < len
            && let Some(last) = slots.last()
            // What is behind a gap does not stand beside what is before it.
            && if back { !last.is_entered_from_above() } else { !last.is_gap() }
            && let Some(next) = if back { self.below(last) } else { self.above(last) }
        {
            slots.push(next);
        }
    }
}

/// What is in sight, newest first, and the rows of a page below and above it, from there on.
#[derive(Debug)]
pub(super) struct Reach<'a> {
    pub(super) sight: Vec<Slot<'a>>,
    pub(super) below: Vec<Slot<'a>>,
    pub(super) above: Vec<Slot<'a>>,
}

impl<'a> Reach<'a> {
    /// All of it, what is in sight first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Slot<'a>> {
        self.sight.iter().chain(&self.below).chain(&self.above)
    }

    /// The indices of the oldest event in sight and of the newest; while none is known, of the one
    /// that is to be.
    pub(super) fn span(&self) -> Option<(usize, usize)> {
        let rows = self.sight.iter().filter(|slot| !slot.is_gap()).map(Slot::span);
        let known = rows.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        known.or_else(|| self.sight.first().map(|gap| (gap.span().1, gap.span().1)))
    }
}
