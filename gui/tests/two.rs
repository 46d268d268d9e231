//! Inspectors before Replicas of their own or the same one, moved by keys alone: what two people
//! decide differently, what a node leaves that dies while it decides, and ten thousand conflicts.

use std::collections::BTreeSet;

use eframe::egui::{Context, Event, Key, Modifiers, RawInput, Rect, accesskit, pos2, vec2};
use kernelos_gui::app::App;
use kernelos_gui::client::{Client, Ends, News, Order};
use kernelos_gui::model::{Action, Chosen, Topic};
use kernelos_gui::panel::Panel;
use kernelos_protocol::command::{Command, ConflictPage, Failure, FailureKind, Reply, RequestId};
use kernelos_protocol::document::Edit;
use kernelos_protocol::replica::Input;
use kernelos_protocol::role::Role;

use crate::mesh::Mesh;
use crate::stage::{info, world};

/// A window before the device of this number.
struct Inspector {
    device: u8,
    context: Context,
    app: App,
    ends: Ends,
    /// What is laid out: a role, and what it is called.
    nodes: Vec<(accesskit::Role, String)>,
    time: f64,
}

impl Inspector {
    /// The inbox, as that device knows it.
    fn open(device: u8, mesh: &mut Mesh) -> Self {
        let context = Context::default();
        context.enable_accesskit();
        let (client, ends) = Client::pair();
        ends.news.try_send(News::Up(info(mesh))).unwrap();
        let mut app = App::new(&context, client);
        app.apply(Action::Go(Panel::Conflicts));
        let mut opened = Self { device, context, app, ends, nodes: Vec::new(), time: 0.0 };
        opened.look(mesh);
        opened
    }

    fn frame(&mut self, key: Option<Key>) {
        let (physical_key, modifiers) = (None, Modifiers::NONE);
        let repeat = false;
        let once = |key| {
            [true, false].map(|pressed| Event::Key {
                key,
                physical_key,
                pressed,
                repeat,
                modifiers,
            })
        };
        self.time += 0.1;
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(pos2(0.0, 0.0), vec2(900.0, 1_200.0))),
            time: Some(self.time),
            events: key.map(once).into_iter().flatten().collect(),
            ..Default::default()
        };
        self.app.hear();
        let mut output = self.context.run_ui(input, |ui| self.app.draw(ui));
        output.textures_delta.clear();
        let Some(tree) = output.platform_output.accesskit_update else { return };
        let named = tree.nodes.iter().filter_map(|(_, node)| {
            let is_text = node.role() == accesskit::Role::Label;
            let name = if is_text { node.value() } else { node.label() };
            name.map(|name| (node.role(), name.to_owned()))
        });
        self.nodes = named.collect();
    }

    /// The node says what is looked at, as it is there now.
    fn look(&mut self, mesh: &mut Mesh) {
        let (workspace, mut had) = (mesh.device(self.device).config.workspace, Vec::new());
        for _ in 0..2 {
            self.frame(None);
            let wanted = self.ends.wanted.borrow().clone();
            for topic in wanted.topics {
                if had.contains(&topic) {
                    continue;
                }
                had.push(topic.clone());
                let Some(command) = topic.command() else { continue };
                let answer = answer(mesh.ask(self.device, command));
                self.ends.news.try_send(News::Said(workspace, topic, answer)).unwrap();
                self.frame(None);
            }
        }
        self.frame(None);
    }

    /// A key is pressed; what it asks for is not done yet.
    fn asks(&mut self, key: Key) -> Command {
        self.frame(Some(key));
        match self.ends.orders.try_recv() {
            Ok(Order::Do(_, command)) => command,
            other => panic!("{other:?}, and {}", self.says()),
        }
    }

    /// The node did it, or not, or nobody knows.
    fn told(&mut self, command: Command, answer: Result<Reply, Failure>) {
        self.ends.news.try_send(News::Done(command, answer)).unwrap();
        self.frame(None);
    }

    /// A key is pressed, and what it asks for is done.
    fn press(&mut self, key: Key, mesh: &mut Mesh) {
        let command = self.asks(key);
        let answer = answer(mesh.ask(self.device, command.clone()));
        self.told(command, answer);
    }

    /// Every text.
    fn says(&self) -> String {
        let words = self.nodes.iter().map(|(_, name)| name.as_str());
        words.collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    fn must_say(&self, words: &[&str]) {
        let said = self.says();
        words.iter().for_each(|words| assert!(said.contains(words), "{words}: {said}"));
    }
}

fn answer(reply: Reply) -> Result<Reply, Failure> {
    match reply {
        Reply::Failed(failure) => Err(failure),
        reply => Ok(reply),
    }
}

fn open(mesh: &mut Mesh, device: u8) -> ConflictPage {
    match mesh.ask(device, Command::Conflicts) {
        Reply::Conflicts(page) => page,
        other => panic!("{other:?}"),
    }
}

/// The devices 1 and 2 hear of each other no more.
pub(crate) fn part(mesh: &mut Mesh) {
    let is_up = |(link, ends): (&_, &_)| (*ends == (1, 2)).then_some(*link);
    let links: Vec<_> = mesh.links.iter().filter_map(is_up).collect();
    links.into_iter().for_each(|link| mesh.cut(link));
}

#[test]
fn the_slower_of_two_inspectors_sees_what_the_faster_decided_and_can_take_it_back() {
    let mut mesh = world();
    let [mut fast, mut slow] = [1, 2].map(|device| Inspector::open(device, &mut mesh));
    let first = open(&mut mesh, 1).conflicts[0].clone();
    fast.press(Key::Num1, &mut mesh);
    let kept = first.sides[0].value.clone();
    // It shows the conflict still.
    slow.must_say(&["1 of 2, needs a decision", &first.path.to_string()]);
    slow.press(Key::Num2, &mut mesh);
    slow.must_say(&["there is no open conflict"]);
    assert_eq!(mesh.get(2, &first.path.to_string()), kept.to_string(), "the first stays decided");
    slow.look(&mut mesh);
    let gone = format!("the conflict at {} was decided elsewhere", first.path);
    slow.must_say(&[&gone, "1 of 1, needs a decision", "1 conflict open"]);
    mesh.assert_equal(&[1, 2]);
    // Nothing is lost: who decided takes it back by a key, and both sides are there again.
    fast.press(Key::U, &mut mesh);
    slow.look(&mut mesh);
    slow.must_say(&["2 conflicts open"]);
    let page = open(&mut mesh, 2);
    let again = page.conflicts.iter().find(|row| row.path == first.path).unwrap();
    let values = |row: &kernelos_protocol::command::ConflictRow| -> BTreeSet<String> {
        row.sides.iter().map(|side| side.value.to_string()).collect()
    };
    assert_eq!(values(again), values(&first));
}

#[test]
fn what_two_inspectors_decided_apart_by_keys_both_show_and_either_settles() {
    let mut mesh = world();
    let [mut one, mut two] = [1, 2].map(|device| Inspector::open(device, &mut mesh));
    let first = open(&mut mesh, 1).conflicts[0].clone();
    let path = first.path.to_string();
    part(&mut mesh);
    one.press(Key::Num1, &mut mesh);
    two.press(Key::Num2, &mut mesh);
    for inspector in [&mut one, &mut two] {
        inspector.look(&mut mesh);
        inspector.must_say(&["1 conflict open"]);
    }
    mesh.connect(1, 2);
    for inspector in [&mut one, &mut two] {
        inspector.look(&mut mesh);
        inspector.must_say(&["2 conflicts open"]);
        // The one that was looked at stays; the other is a key away.
        inspector.frame(Some(Key::P));
        inspector.look(&mut mesh);
        inspector.must_say(&[&path]);
        let sides = first.sides.iter().map(|side| side.value.to_string());
        let sides: Vec<_> = sides.collect();
        inspector.must_say(&sides.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let again = open(&mut mesh, 2).conflicts[0].clone();
    assert_eq!(again.path, first.path);
    two.press(Key::Num1, &mut mesh);
    one.look(&mut mesh);
    one.must_say(&["1 conflict open", "was decided elsewhere"]);
    assert_eq!(mesh.get(1, &path), again.sides[0].value.to_string());
    mesh.assert_equal(&[1, 2]);
}

/// What the client says where the connection ends before the answer.
fn lost() -> Failure {
    Failure::new(FailureKind::Busy, "the node did not answer: connection closed")
        .with_hint("it may have stopped: start it with `kern up`, then look at the log")
}

#[test]
fn a_node_that_dies_at_any_step_of_a_decision_has_decided_or_has_not_and_the_inspector_shows_which()
{
    let mut seen = BTreeSet::new();
    for step in 0.. {
        let mut mesh = world();
        let mut inspector = Inspector::open(1, &mut mesh);
        let first = open(&mut mesh, 1).conflicts[0].clone();
        let command = inspector.asks(Key::Num2);
        let now = mesh.now;
        let device = mesh.device(1);
        device.dies_before = Some(step);
        device.replica.handle(now, Input::Command(RequestId(9), command.clone()));
        device.run(now);
        if let Some(reply) = device.replies.remove(&9) {
            assert!(matches!(reply, Reply::Edited(_)), "{reply:?}");
            assert!(step > 1, "it died nowhere");
            break;
        }
        inspector.told(command, Err(lost()));
        let down = Failure::new(FailureKind::NotRunning, "the node does not run");
        inspector.ends.news.try_send(News::Down(down)).unwrap();
        inspector.frame(None);
        // What it said last stays, and that nobody knows more.
        inspector.must_say(&["the node did not answer", "then look at the log"]);
        inspector
            .must_say(&["the node does not run: this is what it said last", "2 conflicts open"]);
        mesh.restart(1);
        mesh.connect(1, 2);
        let news = News::Up(info(&mut mesh));
        inspector.ends.news.try_send(news).unwrap();
        inspector.look(&mut mesh);
        let left = open(&mut mesh, 1).conflicts.len();
        let holds = mesh.get(1, &first.path.to_string());
        if left == 1 {
            inspector.must_say(&["1 conflict open", "1 of 1, needs a decision"]);
            assert_eq!(holds, first.sides[1].value.to_string());
        } else {
            inspector.must_say(&["2 conflicts open", &first.path.to_string()]);
            inspector.press(Key::Num2, &mut mesh);
            let holds = mesh.get(1, &first.path.to_string());
            assert_eq!(
                holds,
                first.sides[1].value.to_string(),
                "it is decided as if for the first time"
            );
        }
        mesh.assert_equal(&[1, 2]);
        seen.insert(left);
    }
    assert_eq!(seen, BTreeSet::from([1, 2]), "it died before it was kept, and after");
}

/// Two devices that wrote so many places apart.
fn many(places: usize) -> Mesh {
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(1, "notes/before", "both");
    mesh.cut(link);
    for device in [1, 2] {
        for batch in (0..places).collect::<Vec<_>>().chunks(1_000) {
            let set = |at: &usize| Edit::Set {
                set: format!("notes/{at:05}").parse().unwrap(),
                value: format!("{device}").into(),
            };
            let edits = batch.iter().map(set).collect();
            let reply = mesh.ask(device, Command::Edit { edits });
            assert!(matches!(reply, Reply::Edited(_)), "{reply:?}");
        }
    }
    mesh.connect(1, 2);
    mesh
}

#[test]
fn of_ten_thousand_real_conflicts_a_page_is_asked_for_and_what_is_in_sight_laid_out() {
    const MANY: usize = 10_000;
    let mut mesh = many(MANY);
    let mut inspector = Inspector::open(1, &mut mesh);
    inspector.must_say(&[&format!("1 of {MANY}, needs a decision")]);
    let rows = |inspector: &Inspector| inspector.nodes.len();
    assert!((20..200).contains(&rows(&inspector)), "{}", rows(&inspector));
    // One by a key.
    inspector.press(Key::Num2, &mut mesh);
    inspector.look(&mut mesh);
    inspector.must_say(&[&format!("1 of {}, needs a decision", MANY - 1)]);
    // The second page, by a key from the end of the first.
    let last = open(&mut mesh, 1).conflicts.last().unwrap().id;
    let chosen = Chosen { conflict: Some(last), ..inspector.app.model.chosen.clone() };
    inspector.app.apply(Action::Choose(chosen));
    inspector.frame(Some(Key::N));
    let wanted = inspector.ends.wanted.borrow().topics.clone();
    let pages = wanted.iter().filter(|topic| matches!(topic, Topic::Conflicts(_))).count();
    assert_eq!(pages, 1, "one page is asked for, not all");
    inspector.look(&mut mesh);
    inspector.must_say(&[&format!("1001 of {}, needs a decision", MANY - 1)]);
    assert!((20..200).contains(&rows(&inspector)), "{}", rows(&inspector));
    // The same choice for a page of them, one event.
    let page = inspector.app.model.said.conflicts.as_ref().unwrap().conflicts.clone();
    inspector.app.apply(Action::Select(page.clone(), true));
    let take = kernelos_protocol::command::Take::Side("A".to_owned());
    let bulk = kernelos_gui::panel::conflicts::bulk(&inspector.app.model, &take).unwrap();
    inspector.app.apply(bulk);
    inspector.frame(None);
    let order = inspector.app.model.question.as_ref().unwrap().order.clone();
    inspector.app.apply(Action::Order(order));
    let Ok(Order::Do(_, command)) = inspector.ends.orders.try_recv() else { panic!() };
    let Command::Edit { edits } = &command else { panic!("{command:?}") };
    let decided = edits.len();
    assert!(decided > 100 && decided <= page.len(), "{decided}");
    let reply = answer(mesh.ask(1, command.clone()));
    inspector.told(command, reply);
    inspector.look(&mut mesh);
    inspector.must_say(&[&format!("{} conflicts open", MANY - 1 - decided)]);
    assert!((20..200).contains(&rows(&inspector)), "{}", rows(&inspector));
}
