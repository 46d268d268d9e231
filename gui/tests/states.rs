//! Empty, loading, failed and offline; the strip's honesty; the past.

use egui_kittest::kittest::Queryable as _;
use kernelos_gui::client::News;
use kernelos_gui::model::{Action, Chosen, Link, Model, Past, Topic};
use kernelos_gui::panel::Panel;
use kernelos_gui::strip;
use kernelos_protocol::command::{
    Command, ConflictPage, Failure, FailureKind, Loading, Reply, Status,
};
use kernelos_protocol::document::Edit;
use kernelos_protocol::id::EventId;
use kernelos_protocol::mission::show::MissionView;
use kernelos_protocol::present::registry::registry;
use kernelos_protocol::present::{Text, Tone};
use kernelos_protocol::role::Role;
use serde_json::json;

use crate::mesh::{Mesh, id};
use crate::stage::{app, go, homeless, line, play, stage, told, world};

const WINDOW: [f32; 2] = [900.0, 600.0];

/// A mission under way and one that is done, as a node shows them.
pub(crate) fn missions() -> Vec<MissionView> {
    let oid = "0123456789abcdef0123456789abcdef01234567";
    let view = |mission: u8, state: &str, stage: &str| {
        let event = EventId([mission; 32]);
        let stage = |name: &str| {
            serde_json::json!({ "name": name, "devices": [id(2)], "state": stage,
                "evidence": event })
        };
        let stages = ["plan", "implement", "verify", "replay", "promote"].map(stage);
        let step = serde_json::json!({ "n": 1, "name": "make check", "device": id(2),
            "executions": 1, "input": null, "result": null, "outcome": "exit 0",
            "left_behind": null, "event": event });
        let view = serde_json::json!({ "id": event, "goal": "triage the inbox", "state": state,
            "why": null, "held_by": id(2), "resumed_by": null, "stages": stages, "steps": [step],
            "candidates": [], "repo": "site", "home": id(1), "branch": "main", "base": oid,
            "agent": "triage", "verify": "make test", "independent": state == "promoted",
            "promoted_commit": null });
        serde_json::from_value(view).unwrap()
    };
    vec![view(1, "running", "running"), view(2, "promoted", "done")]
}

/// All that decides what the strip says, one of each.
struct Case {
    link: Link,
    conflicts: usize,
    /// How many the page that is looked at lists.
    listed: usize,
    uncounted: usize,
    is_loading: bool,
    is_damaged: bool,
    behind: usize,
    has_peers: bool,
    path: Option<&'static str>,
    online: bool,
}

impl Case {
    /// The case of this number; none behind the last.
    fn of(number: usize) -> Option<Self> {
        let mut rest = number;
        let mut pick = |of: usize| {
            let digit = rest % of;
            rest /= of;
            digit
        };
        let down = |kind| Link::Down(Failure::new(kind, "down"));
        let case = Self {
            link: match pick(4) {
                0 => Link::Up,
                1 => Link::Connecting,
                2 => down(FailureKind::NotRunning),
                _ => down(FailureKind::Busy),
            },
            conflicts: [0, 1, 10_000][pick(3)],
            listed: [0, 2][pick(2)],
            uncounted: [0, 2][pick(2)],
            is_loading: pick(2) == 1,
            is_damaged: pick(2) == 1,
            behind: [0, 3][pick(2)],
            has_peers: pick(2) == 0,
            path: [None, Some("relay")][pick(2)],
            online: pick(2) == 1,
        };
        (rest == 0).then_some(case)
    }

    fn status(&self, like: &Status) -> Box<Status> {
        let mut status = like.clone();
        (status.conflicts, status.uncounted) = (self.conflicts, self.uncounted);
        status.loading = self.is_loading.then_some(Loading { events: 1, of: 2, shown: 1 });
        status.damage = if self.is_damaged { vec!["a page".to_owned()] } else { Vec::new() };
        status.online = self.online;
        for peer in &mut status.peers {
            peer.acked = peer.of - self.behind;
            peer.path = self.path.map(str::to_owned);
        }
        if !self.has_peers {
            status.peers.clear();
        }
        Box::new(status)
    }

    fn open(&self) -> usize {
        self.conflicts.max(self.listed)
    }

    fn check(&self, texts: &[Text], number: usize) {
        let all = texts.iter().map(|text| text.text.as_str()).collect::<Vec<_>>().join("; ");
        let find = |begin: &str| {
            let found = texts.iter().find(|text| text.text.starts_with(begin));
            found.unwrap_or_else(|| panic!("{number}: no {begin:?} in {all}"))
        };
        let is_known = self.uncounted == 0 && !self.is_loading;
        let may = self.link == Link::Up && self.open() == 0 && is_known;
        let is_good = |text: &Text| text.tone == Tone::Good;
        assert_eq!(is_good(find("saved here: 16 events")), may && !self.is_damaged, "{number}");
        let known = find("known on: ");
        assert_eq!(is_good(known), may && self.has_peers && self.behind == 0, "{number}: {all}");
        assert_eq!(known.text.contains("phone"), self.has_peers, "{number}: {all}");
        let is_behind = self.has_peers && self.behind > 0;
        assert_eq!(known.text.contains("(3 behind)"), is_behind, "{number}: {all}");
        let path = match (self.has_peers, self.path, self.online) {
            (true, Some(_), _) => "phone relay",
            (_, _, true) => "nobody is connected",
            (_, _, false) => "offline",
        };
        assert!(find("path: ").text.contains(path), "{number}: {all}");
        let count = match (self.open(), self.uncounted) {
            (0, 2) => "0 conflicts, 2 documents not looked at".to_owned(),
            (0, _) => "0 conflicts".to_owned(),
            (1, _) => "1 conflict open".to_owned(),
            (open, _) => format!("{open} conflicts open"),
        };
        let count = find(&count);
        assert_eq!(is_good(count), may, "{number}: {all}");
        let is_open = self.open() > 0 || self.uncounted > 0;
        assert_eq!(count.tone == Tone::Attention, is_open, "{number}: {all}");
        let first = match &self.link {
            Link::Up => "saved here",
            Link::Connecting => "connecting to the node",
            Link::Down(failure) if failure.kind == FailureKind::NotRunning => {
                "the node does not run"
            }
            Link::Down(_) => "the node does not answer",
        };
        assert!(texts[0].text.starts_with(first), "{number}: {all}");
    }
}

#[test]
fn whatever_comes_together_the_strip_says_what_is_and_is_good_only_where_all_is() {
    let mut mesh = world();
    let Reply::Status(like) = mesh.ask(1, Command::Status) else { panic!() };
    let Reply::Conflicts(page) = mesh.ask(1, Command::Conflicts) else { panic!() };
    let none = ConflictPage { conflicts: Vec::new(), more: 0, total: 0, next: None };
    let mut cases = 0;
    while let Some(case) = Case::of(cases) {
        let mut model = Model { link: case.link.clone(), ..Model::default() };
        model.panel = Panel::Conflicts;
        model.hear(Topic::Status, Ok(Reply::Status(case.status(&like))));
        let page = if case.listed == 0 { none.clone() } else { page.clone() };
        assert_eq!(page.total, case.listed);
        model.hear(Topic::Conflicts(None), Ok(Reply::Conflicts(page)));
        model.said.names.insert(id(2), "phone".to_owned());
        case.check(&strip::texts(&model), cases);
        cases += 1;
    }
    assert_eq!(cases, 4 * 3 * 2 * 2 * 2 * 2 * 2 * 2 * 2 * 2);
}

#[test]
fn a_store_reads_nothing_and_neither_counts_conflicts_nor_is_good() {
    let mut mesh = world();
    let Reply::Status(like) = mesh.ask(1, Command::Status) else { panic!() };
    let status = Box::new(Status { role: Some(Role::Store), conflicts: 0, ..*like });
    let mut model = Model { link: Link::Up, ..Model::default() };
    model.hear(Topic::Status, Ok(Reply::Status(status)));
    let texts = strip::texts(&model);
    assert!(texts.iter().all(|text| text.tone != Tone::Good), "{texts:?}");
    assert!(texts.iter().any(|text| text.text.starts_with("conflicts not known")), "{texts:?}");
}

#[test]
fn who_may_not_write_here_is_told_so_by_each_command_that_does() {
    let mut mesh = world();
    let Reply::Status(like) = mesh.ask(1, Command::Status) else { panic!() };
    let writes = |role| {
        let status = Box::new(Status { role, ..(*like).clone() });
        let mut model =
            Model { link: Link::Up, workspace: Some(like.workspace_id), ..Model::default() };
        model.hear(Topic::Status, Ok(Reply::Status(status)));
        let all = registry(&model.standing());
        let of = |id: &str| all.iter().find(|entry| entry.id == id).unwrap().why_not;
        ["doc.set", "undo", "mission.start", "branch.merge", "board.create"].map(of)
    };
    for role in [None, Some(Role::Store), Some(Role::Observer), Some(Role::Runner)] {
        let why = Some("this device may not write here: a member may");
        assert_eq!(writes(role), [why; 5], "{role:?}");
    }
    assert_eq!(writes(Some(Role::Admin)), [None; 5]);
}

#[test]
fn before_the_node_said_anything_nothing_is_good() {
    for link in [Link::Up, Link::Connecting] {
        let model = Model { link, ..Model::default() };
        assert!(strip::texts(&model).iter().all(|text| text.tone != Tone::Good));
    }
}

#[test]
fn a_node_that_stops_leaves_what_it_said_last_and_says_what_to_do() {
    let mut stage = stage(WINDOW, world());
    go(&mut stage, Panel::Conflicts);
    let failure = Failure::new(FailureKind::NotRunning, "the node does not run");
    told(&mut stage, News::Down(failure.with_hint("kern up")));
    assert!(line(&stage).contains("the node does not run: this is what it said last"));
    assert!(line(&stage).contains("1 of 2, needs a decision"), "it is there still");
    assert!(!line(&stage).contains("this list is older"), "what is counted is listed");
    // It told how many are open, and did not come to say which.
    app(&mut stage).model.said.status.as_mut().unwrap().conflicts += 2;
    stage.run();
    let said = "2 more are open: this list is older, and comes anew when the node answers";
    assert!(line(&stage).contains(said), "{}", line(&stage));
    let keep = stage.get_by_label_contains("Keep A: notes/today");
    assert!(egui_kittest::kittest::NodeT::accesskit_node(&keep).is_disabled());
    go_quietly(&mut stage, Panel::Devices);
    assert!(line(&stage).contains("kern up"), "{}", line(&stage));
    let info = crate::stage::info(&mut stage.state_mut().mesh);
    stage.state_mut().ends.news.try_send(News::Up(info)).unwrap();
    play(&mut stage);
    assert!(!line(&stage).contains("does not run"));
}

/// To a panel whose data the node does not give any more.
fn go_quietly(stage: &mut crate::stage::Stage<'_>, panel: Panel) {
    app(stage).apply(Action::Go(panel));
    stage.run();
}

#[test]
fn without_a_workspace_there_are_three_doors() {
    let stage = homeless(WINDOW);
    for door in ["Create", "Join", "Restore"] {
        stage.get_by_label(&format!("Copy the command: {door}"));
    }
    assert!(line(&stage).contains("There is no workspace on this device yet"));
}

#[test]
fn a_failure_is_shown_where_its_answer_would_be() {
    let mut stage = stage(WINDOW, world());
    let workspace = stage.state_mut().mesh.device(1).config.workspace;
    go_quietly(&mut stage, Panel::Missions);
    assert!(line(&stage).contains("loading…"));
    let failure = Failure::new(FailureKind::Busy, "busy now").with_hint("try again");
    let news = News::Said(workspace, Topic::Missions, Err(failure));
    told(&mut stage, news);
    assert!(line(&stage).contains("busy now try again"), "{}", line(&stage));
}

#[test]
fn a_later_failure_is_shown_above_what_was_said_before() {
    let mut stage = stage(WINDOW, world());
    go(&mut stage, Panel::Timeline);
    let workspace = stage.state_mut().mesh.device(1).config.workspace;
    let chosen = kernelos_gui::model::Chosen {
        event: Some(EventId([7; 32])),
        ..app(&mut stage).model.chosen.clone()
    };
    app(&mut stage).apply(Action::Choose(chosen));
    let topics =
        [(Panel::Timeline, Topic::Event(EventId([7; 32]))), (Panel::Devices, Topic::Devices)];
    for (panel, topic) in topics {
        go(&mut stage, panel);
        let failure = Failure::new(FailureKind::Busy, format!("{panel:?}: busy now"));
        let news = News::Said(workspace, topic, Err(failure));
        stage.state_mut().ends.news.try_send(news).unwrap();
        stage.run();
        assert!(line(&stage).contains(&format!("{panel:?}: busy now")), "{}", line(&stage));
    }
    assert!(line(&stage).contains("server"), "what was said stays: {}", line(&stage));
}

#[test]
fn who_holds_a_workspace_and_is_no_member_finds_the_recovery_key_in_the_overview() {
    let mut stage = stage(WINDOW, world());
    assert!(!line(&stage).contains("who has the recovery key"));
    app(&mut stage).model.said.status.as_mut().unwrap().role = None;
    stage.run();
    stage.get_by_label("Rescue this workspace…").click();
    stage.run();
    assert!(app(&mut stage).model.form.is_some());
}

#[test]
fn a_path_that_is_none_is_told() {
    let mut stage = stage(WINDOW, world());
    go(&mut stage, Panel::Documents);
    let path = |stage: &crate::stage::Stage<'_>| {
        stage.get_by_role_and_label(eframe::egui::accesskit::Role::TextInput, "path").focus();
    };
    path(&stage);
    stage.run();
    let field = stage.get_by_role_and_label(eframe::egui::accesskit::Role::TextInput, "path");
    field.type_text("//");
    stage.run();
    stage.get_by_label("Read").click();
    stage.run();
    assert!(line(&stage).contains("this is no path"), "{}", line(&stage));
}

#[test]
fn a_null_that_was_written_is_something_and_an_empty_object_has_nothing_in_it() {
    let mut stage = stage(WINDOW, Mesh::of(&[]));
    let set = |path: &str, value| Edit::Set { set: path.parse().unwrap(), value };
    let edits = vec![set("notes/null", json!(null)), set("notes/empty", json!({}))];
    let reply = stage.state_mut().mesh.ask(1, Command::Edit { edits });
    assert!(matches!(reply, Reply::Edited(_)), "{reply:?}");
    go(&mut stage, Panel::Documents);
    for (path, is_nothing) in [("tasks", true), ("notes/null", false), ("notes/empty", true)] {
        let chosen = Chosen { path: path.parse().ok(), ..Chosen::default() };
        app(&mut stage).apply(Action::Choose(chosen));
        play(&mut stage);
        let said = line(&stage);
        assert_eq!(said.contains("Nothing stands in it yet"), is_nothing, "{path}: {said}");
    }
}

#[test]
fn a_mission_is_chosen_and_shown_whole() {
    let mut stage = stage([900.0, 1_000.0], Mesh::of(&[(2, Role::Member)]));
    go(&mut stage, Panel::Missions);
    let workspace = stage.state_mut().mesh.device(1).config.workspace;
    let said = Ok(Reply::Missions { missions: missions() });
    let news = News::Said(workspace, Topic::Missions, said);
    told(&mut stage, news);
    stage.get_by_label_contains("promoted, ").click();
    stage.run();
    for part in ["promote done", "make check", "verify make test", "agent triage"] {
        assert!(line(&stage).contains(part), "{part}: {}", line(&stage));
    }
}

#[test]
fn while_in_the_past_every_panel_says_so_and_nothing_is_written() {
    let mut stage = stage(WINDOW, world());
    let past = Past { event: EventId([7; 32]), text: "as of 14:02".to_owned() };
    app(&mut stage).apply(Action::Past(Some(past)));
    for panel in Panel::ALL {
        go(&mut stage, panel);
        assert!(line(&stage).contains("the past, read only: as of 14:02"), "{panel:?}");
    }
    go(&mut stage, Panel::Conflicts);
    crate::stage::press(&mut stage, eframe::egui::Key::Num1);
    assert!(line(&stage).contains("the past is looked at"), "{}", line(&stage));
    assert!(line(&stage).contains("2 conflicts open"));
    stage.get_by_label("Back to now").click();
    play(&mut stage);
    assert!(!line(&stage).contains("the past, read only"));
}
