//! Lanes: which events follow which, drawn from the newest to the oldest, one line a row.
//!
//! A lane waits for an event. The row of that event stands in the first lane that waits for it, and
//! all others that do end there; the first event that it follows goes on in its lane, each other in
//! a lane that waits for it already, or in a free one. Drawn are [`LANES_DRAWN`]; what stands
//! further right is drawn in one column behind them. A row costs the lanes that are open, and
//! [`LANES_MAX`] at most.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::limits::{LANES_DRAWN, LANES_MAX};

/// The lanes between two rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lanes(Vec<Option<usize>>);

/// A row's lanes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// Where the row stands.
    pub lane: usize,
    /// Box characters, two columns a lane.
    pub graph: String,
    /// How many open lanes are not drawn.
    pub more: usize,
}

/// Where a row stands, and the columns that a line leads to from there.
struct Node {
    lane: usize,
    mark: char,
    touched: BTreeSet<usize>,
}

impl Lanes {
    /// The lanes that a page above left open; what is too much of it is left out.
    #[must_use]
    pub fn going_on(mut open: Vec<Option<usize>>) -> Self {
        open.truncate(LANES_MAX);
        Self(open)
    }

    /// What is open now: for which event each lane waits.
    #[must_use]
    pub fn open(self) -> Vec<Option<usize>> {
        self.0
    }

    /// The row of these events, the oldest of which follows these; drawn as `mark`.
    pub fn row(&mut self, run: &RangeInclusive<usize>, follows: &[usize], mark: char) -> Drawn {
        let above = self.0.clone();
        let waits = |at: &Option<usize>| at.is_some_and(|at| run.contains(&at));
        let lane = above.iter().position(waits).unwrap_or_else(|| Self::free(&above, &above));
        let mut node = Node { lane, mark, touched: BTreeSet::new() };
        for (at, slot) in self.0.iter_mut().enumerate().filter(|(_, slot)| waits(slot)) {
            *slot = None;
            node.touched.insert(at);
        }
        for (nth, parent) in follows.iter().enumerate() {
            let at = match self.0.iter().position(|slot| *slot == Some(*parent)) {
                _ if nth == 0 => lane,
                Some(at) => at,
                None => Self::free(&self.0, &above),
            };
            node.touched.insert(at);
            self.wait(at, *parent);
        }
        while self.0.last().is_some_and(Option::is_none) {
            self.0.pop();
        }
        self.draw(&above, &node)
    }

    /// A row that is no event: it stands beside the lanes.
    #[must_use]
    pub fn aside(&self, mark: char) -> Drawn {
        let lane = Self::free(&self.0, &self.0);
        self.draw(&self.0, &Node { lane, mark, touched: BTreeSet::new() })
    }

    /// A lane that is free now and was free above; if there is none, one that is free now.
    fn free(now: &[Option<usize>], above: &[Option<usize>]) -> usize {
        let is_free = |of: &[Option<usize>], at: usize| of.get(at).is_none_or(Option::is_none);
        let both = (0..LANES_MAX).find(|at| is_free(now, *at) && is_free(above, *at));
        both.or_else(|| (0..LANES_MAX).find(|at| is_free(now, *at))).unwrap_or(LANES_MAX)
    }

    /// What has no lane left is not followed.
    fn wait(&mut self, at: usize, parent: usize) {
        if at < LANES_MAX {
            let len = self.0.len().max(at.saturating_add(1));
            self.0.resize(len, None);
            if let Some(slot) = self.0.get_mut(at) {
                *slot = Some(parent);
            }
        }
    }

    fn draw(&self, above: &[Option<usize>], node: &Node) -> Drawn {
        let column = |lane: usize| lane.min(LANES_DRAWN);
        let stands = column(node.lane);
        let ends = node.touched.iter().map(|at| column(*at)).chain([stands]);
        let (first, last) = ends.fold((stands, stands), |(a, b), at| (a.min(at), b.max(at)));
        let open = above.len().max(self.0.len()).min(LANES_DRAWN);
        let is_open = |of: &[Option<usize>], at: usize| {
            at < LANES_DRAWN && of.get(at).is_some_and(Option::is_some)
        };
        let mut graph = String::new();
        for at in 0..open.max(last.saturating_add(1)) {
            let left = first < at && at <= last;
            let right = first <= at && at < last;
            graph.push(match at == stands {
                true => node.mark,
                false => line(is_open(above, at), is_open(&self.0, at), left, right),
            });
            graph.push(if right { '─' } else { ' ' });
        }
        graph.truncate(graph.trim_end().len());
        let beyond = self.0.iter().skip(LANES_DRAWN).filter(|slot| slot.is_some()).count();
        Drawn { lane: node.lane, graph, more: beyond }
    }
}

/// The character that leads to these sides.
fn line(up: bool, down: bool, left: bool, right: bool) -> char {
    match (up, down, left, right) {
        (true, true, true, true) => '┼',
        (true, true, true, false) => '┤',
        (true, true, false, true) => '├',
        (true, false, true, true) => '┴',
        (false, true, true, true) => '┬',
        (true, false, true, false) => '╯',
        (false, true, true, false) => '╮',
        (true, false, false, true) => '╰',
        (false, true, false, true) => '╭',
        (false, false, false, false) => ' ',
        (_, _, false, false) => '│',
        (false, false, _, _) => '─',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows from the newest on: which event, and what it follows.
    fn drawn(rows: &[(usize, &[usize])]) -> Vec<String> {
        let mut lanes = Lanes::default();
        rows.iter().map(|(at, follows)| lanes.row(&(*at..=*at), follows, '○').graph).collect()
    }

    /// Events and what each follows, and the lines that are drawn of them.
    type Case<'a> = (&'a [(usize, &'a [usize])], &'a [&'a str]);

    #[test]
    fn lines_meet_where_histories_do() {
        // SPEC: TIME-2
        let cases: [Case<'_>; 5] = [
            (&[(2, &[1]), (1, &[0]), (0, &[])], &["○", "○", "○"]),
            (&[(3, &[2, 1]), (2, &[0]), (1, &[0]), (0, &[])], &["○─╮", "○ │", "│ ○", "○─╯"]),
            // Two that nobody joined yet, and a third that joins both.
            (&[(3, &[1]), (2, &[0]), (1, &[0]), (0, &[])], &["○", "│ ○", "○ │", "○─╯"]),
            // A line that passes by is crossed; a free lane is taken again.
            (
                &[(6, &[5]), (5, &[2, 4, 3]), (4, &[2]), (3, &[1]), (2, &[1]), (1, &[])],
                &["○", "○─┬─╮", "│ ○ │", "│ │ ○", "○─╯ │", "○───╯"],
            ),
            // What is waited for already is led to.
            (
                &[(5, &[3]), (4, &[2, 3]), (3, &[1]), (2, &[1]), (1, &[])],
                &["○", "├─○", "○ │", "│ ○", "○─╯"],
            ),
        ];
        for (rows, expected) in cases {
            assert_eq!(drawn(rows), expected);
        }
    }

    #[test]
    fn more_lanes_than_are_drawn_are_counted_and_cost_no_more() {
        // SPEC: TIME-2
        let mut lanes = Lanes::default();
        let mut rows = Vec::new();
        for at in (500..1_000).rev() {
            rows.push(lanes.row(&(at..=at), &[at - 500], '○'));
        }
        assert_eq!((rows[7].more, rows[8].more, rows[63].more), (0, 1, LANES_MAX - LANES_DRAWN));
        assert_eq!(rows[499].more, LANES_MAX - LANES_DRAWN);
        assert!(rows.iter().all(|row| row.graph.chars().count() <= 2 * LANES_DRAWN + 1));
        assert_eq!(rows[100].graph, "│ │ │ │ │ │ │ │ ○");
        assert_eq!(lanes.open().len(), LANES_MAX);
    }

    #[test]
    fn a_page_goes_on_where_the_one_above_it_ended() {
        // SPEC: TIME-2
        let rows: [(usize, &[usize]); 5] =
            [(4, &[3, 2]), (3, &[1]), (2, &[1]), (1, &[0]), (0, &[])];
        let whole = drawn(&rows);
        let mut lanes = Lanes::default();
        let row = |lanes: &mut Lanes, (at, follows): (usize, &[usize])| {
            lanes.row(&(at..=at), follows, '○').graph
        };
        let mut parts: Vec<_> = rows[..1].iter().map(|of| row(&mut lanes, *of)).collect();
        let mut below = Lanes::going_on(lanes.open());
        parts.extend(rows[1..].iter().map(|of| row(&mut below, *of)));
        assert_eq!(parts, whole);
        let hostile = Lanes::going_on(vec![Some(7); 100_000]);
        assert_eq!(hostile.open().len(), LANES_MAX);
    }
}
