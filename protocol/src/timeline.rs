//! The timeline: a page of what happened, as lines of descent, newest first.
//!
//! The *causal index* of an event is its place in the order in which events went in here: after
//! all that it names, and never changed (SPEC: TIME-1). A page is made from the events that it
//! covers and one before them; what it costs does not depend on how many there are.

pub mod lanes;

use crate::command::{
    Follow, LogRow, TimelineAt, TimelineFlag, TimelinePage, TimelineQuery, TimelineRow,
};
use crate::id::DeviceId;
use crate::limits::{QUIET_S, TIMELINE_BLOCK, TIMELINE_EVENTS_MAX};
use crate::time::Stamp;
use crate::workspace::Verdict;
use lanes::Lanes;

/// An event as the timeline looks at it.
#[derive(Debug, Clone)]
pub struct Look {
    /// Its row of the log.
    pub event: LogRow,
    /// Whom it is about.
    pub about: Option<DeviceId>,
    /// What it follows in its lane, prev first.
    pub follows: Vec<Follow>,
    /// The greatest stamp of what it follows.
    pub since: Stamp,
    /// Does another event follow it?
    pub followed: bool,
    /// One of another chain?
    pub named: bool,
    /// What is to be seen of it.
    pub flags: Vec<TimelineFlag>,
}

/// The events that a page covers: the first, and the one after the last. `SPEC: TIME-1`
#[must_use]
pub fn span(total: usize, query: &TimelineQuery) -> (usize, usize) {
    let limit = query.limit.clamp(1, TIMELINE_EVENTS_MAX);
    let last = |to: usize| (to.saturating_sub(limit), to);
    let first = |from: usize| (from, from.saturating_add(limit).min(total));
    let (from, to) = match query.at {
        TimelineAt::Newest | TimelineAt::Event(_) => last(total),
        TimelineAt::Before(at) => last(at.min(total)),
        TimelineAt::After(at) => first(at.saturating_add(1).min(total)),
        TimelineAt::Around(at) => {
            let from = at.min(total).saturating_sub(limit / 2);
            first(from.min(total.saturating_sub(limit)))
        }
    };
    if !query.folded {
        return (from, to);
    }
    let from = from - from % TIMELINE_BLOCK;
    (from, to.next_multiple_of(TIMELINE_BLOCK).min(total))
}

/// A page. `look` gives the event of a causal index and is asked once for each that is covered,
/// and for the one before; `notices` are those of that span, each with how many events were here
/// then, oldest first.
pub fn page(
    total: usize,
    query: &TimelineQuery,
    look: &mut dyn FnMut(usize) -> Option<Look>,
    notices: Vec<(usize, LogRow)>,
) -> TimelinePage {
    let (from, to) = span(total, query);
    let mut page =
        Rows { lanes: Lanes::going_on(query.lanes.clone()), rows: Vec::new(), run: None, notices };
    for at in (from..to).rev() {
        page.put_notices(at.saturating_add(1));
        if let Some(seen) = look(at) {
            page.put(at, seen, query.folded);
        }
    }
    let before = from.checked_sub(1).and_then(look);
    page.end_run(before.as_ref());
    page.put_notices(0);
    TimelinePage { total, from, to, rows: page.rows, lanes: page.lanes.open() }
}

/// A page while it is made.
struct Rows {
    lanes: Lanes,
    rows: Vec<TimelineRow>,
    run: Option<Run>,
    notices: Vec<(usize, LogRow)>,
}

/// A row that may still grow: its newest event, and its oldest, with their places.
struct Run {
    newest: (usize, Look),
    oldest: Option<(usize, Look)>,
}

impl Run {
    fn oldest(&self) -> &(usize, Look) {
        self.oldest.as_ref().unwrap_or(&self.newest)
    }

    /// Is the event before the oldest one more of the same edits by the same device, with nothing
    /// to be seen of it? `SPEC: TIME-3`
    fn takes(&self, at: usize, seen: &Look) -> bool {
        let (after, oldest) = self.oldest();
        let only = [at];
        let chain = |look: &Look| (look.event.author, look.event.incarnation);
        after / TIMELINE_BLOCK == at / TIMELINE_BLOCK
            && oldest.follows.iter().map(|of| of.index).eq(only)
            && chain(oldest) == chain(seen)
            && is_ordinary(oldest)
            && is_ordinary(seen)
            // What one row says of its clock holds of all that it stands for.
            && oldest.event.clock_wrong == seen.event.clock_wrong
            && !seen.named
            && quiet(oldest, Some(seen)).is_none()
    }
}

impl Rows {
    /// The notices from this many events on, newest first.
    fn put_notices(&mut self, from: usize) {
        while let Some((after, row)) = self.notices.pop_if(|(after, _)| *after >= from) {
            self.end_run(None);
            self.put_row(TimelineRow {
                index: after,
                events: 0,
                event: row,
                about: None,
                follows: Vec::new(),
                followed: false,
                flags: Vec::new(),
                lane: 0,
                graph: String::new(),
                more: 0,
                quiet_s: None,
            });
        }
    }

    fn put(&mut self, at: usize, seen: Look, folded: bool) {
        match &mut self.run {
            Some(run) if folded && run.takes(at, &seen) => run.oldest = Some((at, seen)),
            _ => {
                self.end_run(Some(&seen));
                self.run = Some(Run { newest: (at, seen), oldest: None });
            }
        }
    }

    /// The row is whole; `before` is the event before it.
    fn end_run(&mut self, before: Option<&Look>) {
        let Some(Run { newest: (index, newest), oldest }) = self.run.take() else { return };
        let (first, oldest) = match &oldest {
            Some((first, oldest)) => (*first, oldest),
            None => (index, &newest),
        };
        self.put_row(TimelineRow {
            index,
            events: index.saturating_sub(first).saturating_add(1),
            quiet_s: quiet(oldest, before),
            follows: oldest.follows.clone(),
            event: newest.event,
            about: newest.about,
            followed: newest.followed,
            flags: newest.flags,
            lane: 0,
            graph: String::new(),
            more: 0,
        });
    }

    fn put_row(&mut self, mut row: TimelineRow) {
        draw(&mut self.lanes, &mut row);
        self.rows.push(row);
    }
}

/// An edit that counts, with nothing more to be said of it.
fn is_ordinary(look: &Look) -> bool {
    let event = &look.event;
    event.kind == "change"
        && event.verdict == Some(Verdict::Admitted)
        && event.reason.is_none()
        && !event.stamp_ahead
        && look.flags.iter().all(|flag| *flag == TimelineFlag::Own)
}

/// For how long nothing was written before it: neither what it follows nor what stands before it,
/// by what their authors say. `SPEC: TIME-3`
fn quiet(look: &Look, before: Option<&Look>) -> Option<u64> {
    if look.event.clock_wrong || look.follows.is_empty() {
        return None;
    }
    let before = before.map(|before| &before.event).filter(|event| !event.clock_wrong);
    let before = before.map_or(look.since, |event| event.stamp.max(look.since));
    if before == Stamp::default() {
        // No clock that was right says when it was.
        return None;
    }
    let seconds = look.event.stamp.0.checked_sub(before.0)? / 1_000_000;
    (seconds >= QUIET_S).then_some(seconds)
}

/// Draws a row where these lanes stand, which then stand below it. Who holds the rows of several
/// pages, newest first, gets the graph of one page of them all. `SPEC: TIME-2`
pub fn draw(lanes: &mut Lanes, row: &mut TimelineRow) {
    let drawn = if row.events == 0 {
        lanes.aside('·')
    } else {
        let follows: Vec<_> = row.follows.iter().map(|of| of.index).collect();
        lanes.row(&(row.first()..=row.index), &follows, mark(row))
    };
    (row.lane, row.graph, row.more) = (drawn.lane, drawn.graph, drawn.more);
}

/// How an event is drawn: never by colour alone, and its words say the same.
fn mark(row: &TimelineRow) -> char {
    let is = |flag| row.is(flag);
    if is(TimelineFlag::Conflict) {
        '!'
    } else if [TimelineFlag::Failed, TimelineFlag::Refused, TimelineFlag::Void].into_iter().any(is)
    {
        '×'
    } else if is(TimelineFlag::Quarantined) {
        '◇'
    } else if row.events > 1 {
        '◎'
    } else {
        '○'
    }
}

#[cfg(test)]
mod tests;
