//! The panel, by its keys and by what a screen reader gets, over histories of 100,000 events.

use std::collections::{BTreeMap, BTreeSet};

use eframe::egui::{Context, Event, Key, Modifiers, RawInput, accesskit};

use kernelos_protocol::command::{Command, Failure, FailureKind, Follow, Reply};
use kernelos_protocol::id::{DeviceId, EventId, Incarnation, Lane};
use kernelos_protocol::time::Stamp;
use kernelos_protocol::timeline::{self as history, Look};
use kernelos_protocol::workspace::Verdict;

use super::known::KEPT;
use super::*;
use crate::model::Link;
use crate::panel::Panel;

const HISTORY: History = History { total: 100_000, look };
/// The same of one device that only edits: 64 events are one row.
const FOLDED: History = History { total: 100_000, look: straight };
/// Events of one row of it.
const RUN: usize = TIMELINE_BLOCK;

/// A history of some events.
#[derive(Clone, Copy)]
struct History {
    total: usize,
    look: fn(usize) -> Look,
}

impl History {
    /// What a node with this history answers.
    fn answer(&self, command: &Command) -> Result<Reply, Failure> {
        match command {
            Command::Timeline(query) => {
                let mut look = |at| Some((self.look)(at));
                let page = history::page(self.total, query, &mut look, Vec::new());
                Ok(Reply::Timeline(Box::new(page)))
            }
            _ => Err(Failure::new(FailureKind::Failed, "this history has its events alone")),
        }
    }
}

/// The id of an event of a [`History`].
fn id(at: usize) -> EventId {
    let mut id = [0; 32];
    id.iter_mut().zip((at as u64).to_be_bytes()).for_each(|(to, from)| *to = from);
    EventId(id)
}

/// By two devices, every 50th of which merges both lines.
fn look(at: usize) -> Look {
    let device = |at: usize| DeviceId([if at.is_multiple_of(2) { 1 } else { 2 }; 32]);
    let other = at.is_multiple_of(50).then(|| at.checked_sub(1)).flatten();
    let follows = at.checked_sub(2).into_iter().chain(other);
    let follows = follows.map(|index| Follow { index, id: id(index), author: device(index) });
    let follows: Vec<_> = follows.collect();
    let stamp = |at: usize| Stamp(1_700_000_000_000_000 + at as u64 * 1_000_000);
    let event = LogRow {
        id: Some(id(at)),
        author: device(at),
        incarnation: Some(Incarnation([0; 8])),
        seq: Some(at as u64 / 2),
        lane: Some(Lane::Content),
        kind: "change".to_owned(),
        parents: follows.iter().map(|of| of.id).collect(),
        stamp: stamp(at),
        stamp_ahead: false,
        clock_wrong: false,
        verdict: Some(Verdict::Admitted),
        reason: None,
        times: None,
    };
    let since = follows.first().map_or(Stamp(0), |of| stamp(of.index));
    let (followed, named) = (true, at % 50 == 49);
    Look { event, about: None, follows, since, followed, named, flags: Vec::new() }
}

/// By one device, each following the one before it.
fn straight(at: usize) -> Look {
    let mut look = look(at);
    (look.event.author, look.named) = (DeviceId([1; 32]), false);
    let before = at.checked_sub(1);
    look.follows = before
        .map(|index| Follow { index, id: id(index), author: look.event.author })
        .into_iter()
        .collect();
    look.since = Stamp(before.map_or(0, |_| look.event.stamp.0 - 1_000_000));
    look
}

/// The same, but that the first and every 100th event says who is a member.
fn granted(at: usize) -> Look {
    let mut look = straight(at);
    if at.is_multiple_of(100) {
        (look.event.lane, look.event.kind) = (Some(Lane::Control), "grant".to_owned());
    }
    look
}

/// The panel alone: every topic that it asks for is answered before it is drawn.
struct Drawn {
    context: Context,
    history: History,
    model: Model,
    had: Vec<Topic>,
    /// Does the node answer?
    answers: bool,
    /// What was asked, ever.
    asked: usize,
    /// The words of the place in the history.
    place: String,
    /// What a screen reader gets of each row.
    rows: Vec<String>,
    height: f32,
}

impl Drawn {
    fn open(history: History) -> Self {
        let context = Context::default();
        context.enable_accesskit();
        crate::theme::install(&context);
        let mut model = Model { panel: Panel::Timeline, link: Link::Up, ..Model::default() };
        model.said.names = [1, 2]
            .map(|n| ([n; 32], format!("device {n}")))
            .map(|(id, name)| (DeviceId(id), name))
            .into();
        let (had, rows, place) = (Vec::new(), Vec::new(), String::new());
        let (answers, asked, height) = (true, 0, 600.0);
        let mut drawn = Self { context, history, model, had, answers, asked, place, rows, height };
        drawn.settle();
        drawn
    }

    /// What is asked for now is answered, but what was already.
    fn answer(&mut self) {
        let wanted = if self.answers { topics(&self.model) } else { self.had.clone() };
        let had = std::mem::replace(&mut self.had, wanted.clone());
        for topic in wanted.into_iter().filter(|topic| !had.contains(topic)) {
            self.asked += 1;
            let answer = topic.command().map(|command| self.history.answer(&command));
            answer.into_iter().for_each(|answer| self.model.hear(topic.clone(), answer));
        }
    }

    fn frame(&mut self, key: Option<Key>) {
        self.answer();
        let screen = Rect::from_min_size(pos2(0.0, 0.0), vec2(800.0, self.height));
        let key = key.map(|key| Event::Key {
            key,
            physical_key: None,
            pressed: true,
            repeat: false,
            modifiers: Modifiers::NONE,
        });
        let events = key.into_iter().collect();
        let input = RawInput { screen_rect: Some(screen), events, ..Default::default() };
        let mut actions = Vec::new();
        let mut output = self.context.run_ui(input, |ui| {
            egui::CentralPanel::default().show(ui, |ui| show(ui, &self.model, &mut actions));
        });
        output.textures_delta.clear();
        let tree = output.platform_output.accesskit_update;
        let nodes = tree.into_iter().flat_map(|tree| tree.nodes).map(|(_, node)| node);
        let nodes: Vec<_> = nodes.collect();
        let rows = nodes.iter().filter(|node| node.role() == accesskit::Role::ListBoxOption);
        // As they stand, from the top.
        let mut rows: Vec<_> = rows.filter_map(|node| Some((node.bounds()?.y0, node))).collect();
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        let rows = rows.into_iter();
        self.rows = rows.filter_map(|(_, node)| node.label().map(str::to_owned)).collect();
        let place = nodes.iter().find(|node| node.role() == accesskit::Role::Label);
        let said = place.and_then(|node| node.label().or_else(|| node.value()));
        self.place = said.unwrap_or_default().to_owned();
        for action in actions {
            if let Action::Choose(chosen) = action {
                self.model.chosen = chosen;
            }
        }
    }

    /// A key, and frames until what it did is seen.
    fn press(&mut self, key: Key) {
        self.frame(Some(key));
        self.settle();
    }

    /// Frames until nothing more is asked for.
    fn settle(&mut self) {
        for _ in 0..64 {
            let chosen = self.model.chosen.clone();
            let mut answers = 64;
            while self.answers && self.had != topics(&self.model) && answers > 0 {
                self.answer();
                answers -= 1;
            }
            let had = self.had.clone();
            self.frame(None);
            if had == self.had && chosen == self.model.chosen {
                return;
            }
        }
        panic!("it asks and asks: {:?}", self.had);
    }

    /// Is the view full of rows, all of them here?
    fn is_full(&self) -> bool {
        let fits = self.model.chosen.place.fits;
        fits > 10 && self.rows.len() == fits && is_full(&self.model)
    }

    fn cursor(&self) -> usize {
        self.model.chosen.place.cursor.unwrap().0
    }
}

#[test]
fn only_what_is_in_sight_is_laid_out() {
    let mut drawn = Drawn::open(HISTORY);
    for key in [Key::F35, Key::End, Key::PageUp, Key::PageUp, Key::Home] {
        drawn.press(key);
        assert!((20..=30).contains(&drawn.rows.len()), "{key:?}: {}", drawn.rows.len());
        assert!(drawn.model.said.timeline.rows.len() <= 4 * KEPT, "what is far is forgotten");
    }
}

#[test]
fn what_is_chosen_stays_in_sight_where_fewer_rows_have_room() {
    let mut drawn = Drawn::open(HISTORY);
    (0..18).for_each(|_| drawn.press(Key::ArrowDown));
    drawn.height = 300.0;
    drawn.settle();
    let sight = drawn.model.said.timeline.reach(&drawn.model.chosen.place).sight;
    assert!(sight.len() < 14 && sight.iter().any(|slot| slot.key().0 == drawn.cursor()));
}

#[test]
fn a_history_is_walked_by_keys_alone() {
    let mut drawn = Drawn::open(HISTORY);
    drawn.press(Key::ArrowDown);
    assert_eq!(drawn.cursor(), 99_999, "the first key lands on the newest");
    drawn.press(Key::ArrowDown);
    assert_eq!(drawn.cursor(), 99_998);
    drawn.press(Key::ArrowUp);
    assert_eq!(drawn.cursor(), 99_999);
    drawn.press(Key::PageDown);
    let page = 99_999 - drawn.cursor();
    assert!((15..30).contains(&page), "{page}");
    // Across parts, one after the other, without a gap.
    for _ in 0..40 {
        let before = drawn.cursor();
        drawn.press(Key::PageDown);
        assert_eq!(before - drawn.cursor(), page);
    }
    assert!(drawn.cursor() < 99_999 - 3 * PART);
    drawn.press(Key::End);
    assert_eq!(drawn.cursor(), 0);
    drawn.press(Key::ArrowUp);
    assert_eq!(drawn.cursor(), 1);
    drawn.press(Key::Home);
    assert_eq!((drawn.cursor(), drawn.model.chosen.place.top), (99_999, None));
    drawn.press(Key::Enter);
    assert_eq!(drawn.model.chosen.event, Some(id(99_999)));
    assert!(topics(&drawn.model).contains(&Topic::Event(id(99_999))));
}

#[test]
fn a_row_that_is_read_aloud_says_where_it_stands_and_what_it_follows() {
    let mut drawn = Drawn::open(HISTORY);
    drawn.model.chosen.place.top = Some(event_at(50));
    drawn.settle();
    let merge = drawn.rows.iter().find(|row| row.starts_with("event 51 of 100000: ")).unwrap();
    let (before, other) = (id(48).short(), id(49).short());
    let ends = format!("; merges {before} from device 1 and {other} from device 2");
    assert!(merge.ends_with(&ends), "{merge}");
}

#[test]
fn a_history_that_folds_fills_the_view_at_both_ends_and_anywhere_between() {
    let history = History { total: 2_334, ..FOLDED };
    let mut drawn = Drawn::open(history);
    assert!(drawn.is_full(), "{:?}", drawn.rows);
    let room = drawn.rows.len();
    let first = (2_334 / RUN - (room - 1)) * RUN + 1;
    assert_eq!(drawn.place, format!("events {first} to 2334 of 2334"));
    drawn.press(Key::End);
    assert!(drawn.is_full(), "{:?}", drawn.rows);
    assert_eq!(drawn.place, format!("events 1 to {} of 2334", room * RUN));
    assert!(drawn.rows[room - 1].starts_with("events 1 to 64 of 2334: "), "{:?}", drawn.rows);
    for top in [300, 1_000, 2_000] {
        drawn.model.chosen.place.top = Some(event_at(top));
        drawn.settle();
        assert!(drawn.is_full(), "{top}: {:?}", drawn.rows);
    }
    let asked = drawn.asked;
    (0..8).for_each(|_| drawn.frame(None));
    assert_eq!(drawn.asked, asked, "what is full asks for nothing");
}

#[test]
fn keys_reach_every_row_of_a_folded_history_and_every_one_on_the_way_back() {
    let mut drawn = Drawn::open(FOLDED);
    let runs = FOLDED.total.div_ceil(RUN);
    let run = |drawn: &Drawn| drawn.cursor() / RUN;
    drawn.press(Key::ArrowDown);
    assert_eq!(run(&drawn), runs - 1);
    // Row by row over more borders than are kept.
    for step in 1..=24 {
        drawn.press(Key::ArrowDown);
        assert_eq!(run(&drawn), runs - 1 - step, "down");
        assert!(drawn.is_full());
    }
    let mut seen: BTreeSet<String> = BTreeSet::new();
    drawn.press(Key::Home);
    for _ in 0..runs {
        seen.extend(drawn.rows.iter().cloned());
        if run(&drawn) == 0 {
            break;
        }
        drawn.press(Key::PageDown);
    }
    assert_eq!((seen.len(), run(&drawn)), (runs, 0), "down by pages");
    assert!(drawn.model.said.timeline.rows.len() <= 4 * KEPT, "what is far is forgotten");
    for step in 1..=24 {
        drawn.press(Key::ArrowUp);
        assert_eq!(run(&drawn), step, "up");
        assert!(drawn.is_full());
    }
    seen.clear();
    drawn.press(Key::End);
    for _ in 0..runs {
        seen.extend(drawn.rows.iter().cloned());
        if run(&drawn) == runs - 1 {
            break;
        }
        drawn.press(Key::PageUp);
    }
    assert_eq!((seen.len(), run(&drawn)), (runs, runs - 1), "up by pages");
    assert_eq!(drawn.model.chosen.place.top, None, "at the end one sees what comes");
}

#[test]
fn a_part_that_is_not_here_yet_is_waited_for_and_never_passed() {
    let mut drawn = Drawn::open(FOLDED);
    drawn.answers = false;
    let lowest =
        |drawn: &Drawn| drawn.model.said.timeline.rows.first_key_value().unwrap().1.first();
    let known = lowest(&drawn);
    for _ in 0..200 {
        drawn.press(Key::ArrowDown);
    }
    assert_eq!(drawn.cursor(), known - 1, "it stands on what is to come");
    assert!(drawn.rows.iter().any(|row| row == "older events: loading…"), "{:?}", drawn.rows);
    assert!(drawn.place.ends_with(", loading…"), "{}", drawn.place);
    drawn.press(Key::ArrowUp);
    assert_eq!(drawn.cursor(), known + RUN - 1, "and goes back");
    drawn.press(Key::ArrowDown);
    drawn.answers = true;
    drawn.settle();
    assert_eq!(drawn.cursor(), known - 1, "the next row, no other");
    assert!(drawn.is_full());
    // From the beginning up it is the same.
    drawn.press(Key::End);
    drawn.answers = false;
    for _ in 0..200 {
        drawn.press(Key::ArrowUp);
    }
    let waits = drawn.cursor();
    assert!(waits.is_multiple_of(PART) && waits < 200 * RUN, "{waits}");
    assert!(drawn.rows.iter().any(|row| row == "newer events: loading…"), "{:?}", drawn.rows);
    drawn.answers = true;
    drawn.settle();
    assert_eq!(drawn.cursor(), waits + RUN - 1, "the run that begins there");
}

/// The graph of a whole history, from pages that go on where the one above ended.
fn graphs(history: History) -> BTreeMap<usize, String> {
    let (mut at, mut lanes, mut graphs) = (TimelineAt::Newest, Vec::new(), BTreeMap::new());
    loop {
        let query = TimelineQuery { at, limit: 512, folded: true, lanes };
        let mut look = |at| Some((history.look)(at));
        let page = history::page(history.total, &query, &mut look, Vec::new());
        graphs.extend(page.rows.iter().map(|row| (row.index, row.graph.clone())));
        if page.from == 0 {
            return graphs;
        }
        (at, lanes) = (TimelineAt::Before(page.from), page.lanes);
    }
}

/// Three lines that meet seldom: many are open where parts meet.
fn braided(at: usize) -> Look {
    let mut look = look(at);
    let device = |at: usize| DeviceId([u8::try_from(at % 3).unwrap() + 1; 32]);
    let other = at.is_multiple_of(70).then(|| at.checked_sub(200)).flatten();
    let follows = at.checked_sub(3).into_iter().chain(other);
    let follow = |index| Follow { index, id: id(index), author: device(index) };
    look.follows = follows.map(follow).collect();
    (look.event.author, look.named) = (device(at), false);
    look
}

#[test]
fn the_graph_is_one_across_the_borders_of_parts() {
    // SPEC: TIME-2
    for look in [look, braided] {
        let history = History { total: 5_000, look };
        let whole = graphs(history);
        let mut drawn = Drawn::open(history);
        let mut compared = BTreeSet::new();
        // Down, and up again where what was above is forgotten and asked for anew.
        let tops = (0..history.total).step_by(20);
        for top in tops.clone().rev().chain(tops) {
            drawn.model.chosen.place.top = Some(event_at(top));
            while drawn.had != topics(&drawn.model) {
                drawn.answer();
            }
            assert!(is_full(&drawn.model), "{top}");
            for row in drawn.model.said.timeline.rows.values() {
                assert_eq!(row.graph, whole[&row.index], "event {} from {top}", row.index);
                compared.insert(row.index);
            }
        }
        assert_eq!(compared.len(), whole.len(), "all of it");
    }
}

#[test]
fn the_past_of_an_event_that_writes_no_document_is_that_of_the_last_edit_before_it() {
    let mut drawn = Drawn::open(History { total: 301, look: granted });
    let past = |drawn: &mut Drawn, at: usize| {
        drawn.model.chosen.place.cursor = Some(event_at(at));
        drawn.settle();
        drawn.model.workspace = Some(kernelos_protocol::id::WorkspaceId([1; 32]));
        let standing = drawn.model.standing();
        let entries = kernelos_protocol::present::registry::registry(&standing);
        let why_not = entries.iter().find(|entry| entry.id == "past").unwrap().why_not;
        (past(&drawn.model), why_not)
    };
    let (of_grant, why_not) = past(&mut drawn, 300);
    let of_grant = of_grant.unwrap();
    assert_eq!((of_grant.event, why_not), (id(299), None));
    let says = format!("the last edit before grant {}", id(300).short());
    assert!(of_grant.text.ends_with(&says), "{}", of_grant.text);
    assert_eq!(past(&mut drawn, 299).0.unwrap().event, id(299), "an edit is its own");
    let (none, why_not) = past(&mut drawn, 0);
    assert_eq!(none, None);
    assert_eq!(why_not, Some("no edit is known before that event: go to one of an edit"));
}
