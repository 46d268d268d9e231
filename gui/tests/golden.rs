//! One `Doc`, two surfaces: the words of the command line are the words that a screen reader hears.

use std::collections::{BTreeMap, BTreeSet};

use eframe::egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::NodeT as _;
use kernelos_gui::render;
use kernelos_protocol::api::Protection;
use kernelos_protocol::command::{
    At, BranchCommand, BranchReply, Command, Deciding, Failure, FailureKind, PastCommand,
    PastReply, Reply, Search, outcome, outcomes,
};
use kernelos_protocol::document::{DocPath, Edit};
use kernelos_protocol::id::DeviceId;
use kernelos_protocol::present::{self, Block, Doc, Text, Tone, to_text};
use kernelos_protocol::time::Stamp;

use crate::mesh::{Mesh, id};
use crate::stage::{name, world};

type Names = BTreeMap<DeviceId, String>;

fn heard(doc: &Doc) -> Vec<String> {
    let drawn = doc.clone();
    let harness = Harness::builder()
        .with_size([1_600.0, 6_000.0])
        .allow_missing_glyphs()
        .build_ui(move |ui| render::doc(ui, &drawn));
    let mut words = Vec::new();
    let mut waiting = vec![harness.root().accesskit_node()];
    while let Some(node) = waiting.pop() {
        let children: Vec<_> = node.children().collect();
        waiting.extend(children.into_iter().rev());
        if matches!(node.role(), Role::Label | Role::Heading) {
            words.extend(name(&node).split_whitespace().map(str::to_owned));
        }
    }
    words
}

fn page(mesh: &mut Mesh) -> kernelos_protocol::command::ConflictPage {
    match mesh.ask(1, Command::Conflicts) {
        Reply::Conflicts(page) => page,
        other => panic!("{other:?}"),
    }
}

/// What each reply is shown as.
fn shown(reply: &Reply, names: &Names) -> Vec<Doc> {
    match reply {
        Reply::Status(status) => vec![present::status(status, Some(Protection::Clear), names)],
        Reply::Devices { devices } => vec![present::devices(devices, names)],
        Reply::Conflicts(page) => {
            let mut docs = vec![present::conflicts(page, names)];
            for row in &page.conflicts {
                docs.push(present::outcomes(&outcomes(row), names));
                let value = outcome(row, &Deciding::Value("both".into()));
                docs.extend(value.map(|value| present::outcomes(&[value], names)));
            }
            docs
        }
        Reply::Read(read) => vec![present::read(read)],
        Reply::Log(page) => page.rows.iter().map(|row| present::log_row(row, names)).collect(),
        Reply::Event(view) => vec![present::event(view, names)],
        Reply::Boards(page) => vec![present::boards(page)],
        Reply::Missions { missions } => vec![present::missions(missions, names)],
        Reply::Quarantine(page) => vec![present::quarantine(page, names)],
        Reply::Preview(preview) => vec![present::preview(preview)],
        Reply::Undone(undone) => vec![present::undone(undone, names)],
        Reply::Revoked { event } => vec![present::wrote(event)],
        Reply::Edited(edited) => edited.event.iter().map(present::wrote).collect(),
        Reply::Branch(BranchReply::List(page)) => vec![present::branches(page, names)],
        Reply::Branch(BranchReply::Changes(changes)) => {
            [false, true].map(|merge| present::branch_changes(changes, merge, names)).into()
        }
        Reply::Past(past) => match &**past {
            PastReply::Read(read) => vec![present::past_read(read)],
            PastReply::History(page) => {
                let above = [None].into_iter().chain(page.rows.iter().map(Some));
                let rows = page.rows.iter().zip(above);
                rows.map(|(row, above)| present::history_row(row, above, names)).collect()
            }
            PastReply::Found(page) => {
                page.rows.iter().map(|row| present::found(row, names)).collect()
            }
        },
        other => panic!("{other:?}"),
    }
}

/// What people do, one after the other.
fn steps(keep: Edit) -> [Command; 9] {
    let set = "branches/try/notes/new".parse().unwrap();
    let on_branch = vec![Edit::Set { set, value: "from the branch".into() }];
    [
        Command::Status,
        Command::Edit { edits: vec![keep] },
        Command::Conflicts,
        Command::Undo { begin: None, force: false },
        Command::CreateBoard { name: "plans".to_owned() },
        Command::Branch(BranchCommand::Create {
            name: "try".to_owned(),
            of: DocPath::default(),
            at: None,
            purpose: "shorter titles".to_owned(),
        }),
        Command::Edit { edits: on_branch },
        Command::Revoke { device: id(2), reason: "lost".to_owned() },
        Command::Status,
    ]
}

/// What they look at after each.
fn reads() -> [Command; 9] {
    [
        Command::Status,
        Command::Devices,
        Command::Conflicts,
        Command::Read { path: "tasks".parse().unwrap() },
        Command::Boards { all: true },
        Command::Missions,
        Command::Quarantine,
        Command::Branch(BranchCommand::List { all: true }),
        Command::Past(PastCommand::History { path: "notes".parse().unwrap(), limit: 50 }),
    ]
}

/// Documents of a workspace before and after each thing that people do.
pub(crate) fn fixtures() -> Vec<Doc> {
    let mut mesh = world();
    let names: Names = [(id(1), "laptop".to_owned()), (id(2), "phone".to_owned())].into();
    let mut docs = Vec::new();
    let keep = Edit::Keep { resolve: page(&mut mesh).conflicts[0].id, keep: "B".to_owned() };
    for step in steps(keep) {
        let reply = mesh.ask(1, step);
        let is_made =
            matches!(reply, Reply::BoardMade { .. } | Reply::Branch(BranchReply::Made { .. }));
        if !is_made {
            docs.extend(shown(&reply, &names));
        }
        for read in reads() {
            docs.extend(shown(&mesh.ask(1, read), &names));
        }
    }
    let at = At::Time(Stamp(u64::MAX));
    for read in [
        Command::Branch(BranchCommand::Preview { name: "try".to_owned() }),
        Command::Past(PastCommand::Read { path: "notes".parse().unwrap(), at }),
        Command::Past(PastCommand::Search(Search {
            text: Some("notes".to_owned()),
            ..Search::default()
        })),
    ] {
        docs.extend(shown(&mesh.ask(1, read), &names));
    }
    docs.extend(shown(&mesh.ask(1, Command::Log { from: 0, limit: 100 }), &names));
    let Reply::Log(log) = mesh.ask(1, Command::Log { from: 0, limit: 100 }) else { panic!() };
    for id in log.rows.iter().filter_map(|row| row.id) {
        docs.extend(shown(&mesh.ask(1, Command::Event { begin: id.to_string() }), &names));
    }
    docs.push(kernelos_gui::panel::failed(
        &Failure::new(FailureKind::NotRunning, "the node does not run").with_hint("kern up"),
    ));
    docs.extend(crate::states::missions().iter().map(|view| present::mission(view, &names)));
    let text = |text: &str| Text::plain(text);
    let rows = vec![vec![text("ünï"), text("a\u{202e}b\u{7}")], vec![text(""), text("x y  z")]];
    docs.push(Doc(vec![
        Block::Heading("ab\u{1b}[2Jc".to_owned()),
        Block::Table { columns: vec!["one".to_owned(), "two words".to_owned()], rows },
        Block::Fields(vec![("a name".to_owned(), Text::toned(Tone::Good, "a value"))]),
        Block::Verbatim("{\n  \"a\": 1\n}".to_owned()),
    ]));
    // What nothing changed reads as it did.
    let mut seen = BTreeSet::new();
    docs.retain(|doc| seen.insert(to_text(doc)));
    docs
}

#[test]
fn the_words_of_the_command_line_are_the_words_of_the_inspector() {
    let docs = fixtures();
    assert!(docs.len() >= 30, "{}", docs.len());
    for doc in docs {
        let text = to_text(&doc);
        let said: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        assert_eq!(heard(&doc), said, "{text}");
    }
}
