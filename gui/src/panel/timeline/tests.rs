//! The panel, by its keys and by what a screen reader gets, over a history of 100,000 events.

use eframe::egui::{Context, Event, RawInput, accesskit};

use kernelos_protocol::command::{Command, Failure, FailureKind, Follow, Reply};
use kernelos_protocol::id::{DeviceId, EventId, Incarnation, Lane};
use kernelos_protocol::time::Stamp;
use kernelos_protocol::timeline::{self as history, Look};
use kernelos_protocol::workspace::Verdict;

use super::*;
use crate::panel::Panel;

const HISTORY: History = History { total: 100_000 };

/// A history of some events by two devices, every 50th of which merges both lines.
#[derive(Clone, Copy)]
struct History {
    total: usize,
}

impl History {
    /// What a node with this history answers.
    fn answer(&self, command: &Command) -> Result<Reply, Failure> {
        match command {
            Command::Timeline(query) => {
                let mut look = |at| Some(look(at));
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

/// The panel alone: every topic that it asks for is answered before it is drawn.
struct Drawn {
    context: Context,
    model: Model,
    had: Vec<Topic>,
    /// What a screen reader gets of each row.
    rows: Vec<String>,
}

impl Drawn {
    fn open() -> Self {
        let context = Context::default();
        context.enable_accesskit();
        crate::theme::install(&context);
        let mut model = Model { panel: Panel::Timeline, ..Model::default() };
        model.said.names = [1, 2]
            .map(|n| ([n; 32], format!("device {n}")))
            .map(|(id, name)| (DeviceId(id), name))
            .into();
        let mut drawn = Self { context, model, had: Vec::new(), rows: Vec::new() };
        drawn.frame(None);
        drawn
    }

    fn frame(&mut self, key: Option<Key>) {
        let wanted = topics(&self.model);
        let had = std::mem::replace(&mut self.had, wanted.clone());
        for topic in wanted.into_iter().filter(|topic| !had.contains(topic)) {
            let answer = topic.command().map(|command| HISTORY.answer(&command));
            answer.into_iter().for_each(|answer| self.model.hear(topic.clone(), answer));
        }
        let screen = Rect::from_min_size(pos2(0.0, 0.0), vec2(800.0, 600.0));
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
        let rows = nodes.filter(|node| node.role() == accesskit::Role::ListBoxOption);
        self.rows = rows.filter_map(|node| node.label().map(str::to_owned)).collect();
        for action in actions {
            if let Action::Choose(chosen) = action {
                self.model.chosen = chosen;
            }
        }
    }

    /// A key, and a frame in which what it did is seen.
    fn press(&mut self, key: Key) {
        self.frame(Some(key));
        self.frame(None);
    }

    fn cursor(&self) -> usize {
        self.model.chosen.place.cursor.unwrap().0
    }
}

#[test]
fn only_what_is_in_sight_is_laid_out() {
    let mut drawn = Drawn::open();
    drawn.frame(None);
    assert!((20..=30).contains(&drawn.rows.len()), "{}", drawn.rows.len());
    for key in [Key::End, Key::PageUp, Key::PageUp, Key::Home] {
        drawn.press(key);
        assert!((20..=30).contains(&drawn.rows.len()), "{key:?}: {}", drawn.rows.len());
        assert!(drawn.model.said.timeline.rows.len() <= 4 * KEPT, "what is far is forgotten");
    }
}

#[test]
fn a_history_is_walked_by_keys_alone() {
    let mut drawn = Drawn::open();
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
    let mut drawn = Drawn::open();
    drawn.model.chosen.place.top = Some(50);
    drawn.frame(None);
    drawn.frame(None);
    let merge = drawn.rows.iter().find(|row| row.starts_with("event 51 of 100000: ")).unwrap();
    let (before, other) = (id(48).short(), id(49).short());
    let ends = format!("; merges {before} from device 1 and {other} from device 2");
    assert!(merge.ends_with(&ends), "{merge}");
}
