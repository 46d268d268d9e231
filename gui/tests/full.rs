//! A workspace in which everything has happened that a panel shows.

use std::collections::BTreeSet;

use kernelos_gui::model::{Chosen, Model};
use kernelos_gui::panel::Panel;
use kernelos_protocol::command::{Apart, BranchCommand, BranchKind, Command, Reply};
use kernelos_protocol::document::conflict::ConflictKind;
use kernelos_protocol::document::{DocPath, Edit};
use kernelos_protocol::id::EventId;
use kernelos_protocol::mission::work::{Outcome, Task};
use kernelos_protocol::role::Role;
use kernelos_protocol::store::MemoryStore;
use serde_json::{Value as Json, json};

use crate::mesh::{Mesh, id};
use crate::stage::grant;
use crate::worker::Site;

fn path(path: &str) -> DocPath {
    path.parse().unwrap()
}

fn done(mesh: &mut Mesh, number: u8, command: Command) -> Reply {
    let asked = format!("{command:?}");
    match mesh.ask(number, command) {
        Reply::Failed(failure) => panic!("{asked}: {failure:?}"),
        reply => reply,
    }
}

fn edit(mesh: &mut Mesh, number: u8, edits: Vec<Edit>) -> EventId {
    match done(mesh, number, Command::Edit { edits }) {
        Reply::Edited(edited) => edited.event.unwrap(),
        other => panic!("{other:?}"),
    }
}

fn set(at: &str, value: Json) -> Edit {
    Edit::Set { set: path(at), value }
}

/// A mission that was promoted, one that failed, one that was ended, and one that two devices run
/// that were apart.
fn missions(site: &mut Site) {
    site.start(2);
    site.until_all(&[1, 2, 3, 4], "promoted");
    site.start(2);
    site.idle.extend([1, 3]);
    let is_step = |site: &mut Site, number| {
        site.order(number).is_some_and(|order| matches!(order.task, Task::Step { .. }))
    };
    site.until(|site| is_step(site, 1) || is_step(site, 3));
    let number = if is_step(site, 1) { 1 } else { 3 };
    let order = site.order(number).unwrap();
    let why = "the pack is not usable: it has no header of a pack".to_owned();
    site.answer(number, &order, Outcome::Unusable(why));
    site.idle.clear();
    site.until_all(&[1, 2, 3, 4], "failed");
    let ended = site.start(3);
    site.until(|site| site.steps(1) == 1);
    assert!(matches!(site.ask(1, Command::CancelMission { id: ended }), Reply::Cancelled { .. }));
    site.start(3);
    site.until(|site| site.steps(1) == 1 && site.steps(3) == 1);
    let holder = site.holder(1).unwrap();
    let other = if holder == 1 { 3 } else { 1 };
    // Nobody gets any further, so that neither goes on knowing of the other.
    site.idle.extend([1, 3]);
    site.isolate(holder);
    site.until(|site| site.holder(other) == Some(other));
    for number in [1, 2, 3, 4].into_iter().filter(|number| *number != holder) {
        site.mesh.connect(holder, number);
    }
}

/// Boards and branches, put away and not.
fn documents(mesh: &mut Mesh) {
    let plans = json!({ "p": { "text": "mend it" }, "q": { "text": "buy one" } });
    let first = vec![
        set("tasks/T-41", json!({ "owner": "Dana", "title": "the pump" })),
        set("tasks/T-42", json!({ "plans": plans })),
        set("notes/today", json!("rain")),
        set("policies/spend", json!(10)),
    ];
    edit(mesh, 1, first);
    for name in ["attic", "garden"] {
        done(mesh, 1, Command::CreateBoard { name: name.to_owned() });
    }
    let name = "attic".to_owned();
    done(mesh, 1, Command::ArchiveBoard { name, archived: true });
    for (name, purpose) in [("try", "a shorter note"), ("old", "what became of nothing")] {
        let (name, purpose) = (name.to_owned(), purpose.to_owned());
        let create = BranchCommand::Create { name, of: DocPath::default(), at: None, purpose };
        done(mesh, 1, Command::Branch(create));
    }
    let archive = BranchCommand::Archive { name: "old".to_owned(), archived: true };
    done(mesh, 1, Command::Branch(archive));
    mesh.set(1, "branches/try/notes/today", "wet");
}

/// What a strike takes, with what depends on it; and what a device wrote apart that was revoked.
fn apart(site: &mut Site) {
    let mesh = &mut site.mesh;
    let struck = edit(mesh, 2, vec![set("notes/wrong", json!({}))]);
    edit(mesh, 2, vec![set("notes/wrong/by", json!("mistake"))]);
    let reason = "by mistake".to_owned();
    done(mesh, 1, Command::Strike { begin: struck.to_string(), reason });
    site.isolate(3);
    site.isolate(4);
    let mesh = &mut site.mesh;
    mesh.connect(3, 4);
    mesh.set(4, "notes/late", "from the attic");
    done(mesh, 1, Command::Revoke { device: id(4), reason: "lost".to_owned() });
    mesh.connect(1, 3);
    mesh.connect(2, 3);
}

/// A laptop that leads, a phone, a server that runs agents, and an old laptop that was revoked;
/// laptop and phone wrote apart last.
pub(crate) fn full_world() -> Mesh {
    let mut mesh = Mesh::of(&[]);
    let workspace = mesh.device(1).config.workspace;
    let devices =
        [(2, "phone", Role::Admin), (3, "server", Role::Runner), (4, "old laptop", Role::Member)];
    for (number, name, role) in devices {
        done(&mut mesh, 1, grant(number, name, role));
        mesh.add(number, workspace, MemoryStore::default());
    }
    let mut site = Site::on(mesh, &[1, 3]);
    missions(&mut site);
    documents(&mut site.mesh);
    apart(&mut site);
    site.isolate(2);
    let mut mesh = site.mesh;
    let rm = Edit::Rm { rm: path("notes/today") };
    let owner = |name: &str| set("tasks/T-41/owner", json!(name));
    edit(&mut mesh, 1, vec![owner("Priya"), rm, set("policies/spend", json!(100))]);
    edit(&mut mesh, 1, vec![set("tasks/T-42/plans/p/final", json!(true))]);
    let today = set("notes/today", json!("snow"));
    edit(&mut mesh, 2, vec![owner("agent:triage"), today, set("policies/spend", json!(20))]);
    edit(&mut mesh, 2, vec![set("tasks/T-42/plans/q/final", json!(true))]);
    mesh.connect(1, 2);
    mesh.connect(2, 3);
    mesh
}

/// Everything that can be looked at within a panel, by its name.
pub(crate) fn looks(panel: Panel, model: &Model) -> Vec<(String, Chosen)> {
    let said = &model.said;
    let chosen = || model.chosen.clone();
    match panel {
        Panel::Missions => {
            let rows = said.missions.iter().flatten();
            let look = |id| Chosen { mission: Some(id), ..chosen() };
            rows.map(|row| (format!("mission, {}", row.state), look(row.id))).collect()
        }
        Panel::Quarantine => {
            let rows = said.quarantine.iter().flat_map(|page| &page.branches);
            let look = |tip| Chosen { tip: Some(tip), ..chosen() };
            rows.map(|row| (format!("apart, {:?}", row.why), look(row.tip))).collect()
        }
        Panel::Branches => {
            let rows = said.branches.iter().flat_map(|page| &page.branches);
            let made = rows.filter(|row| row.kind == BranchKind::Made);
            let look = |branch| Chosen { branch, ..chosen() };
            let name = |name: &Option<String>| name.clone().unwrap_or_default();
            made.map(|row| (format!("branch {}", name(&row.name)), look(row.document))).collect()
        }
        Panel::Conflicts => {
            let rows = said.conflicts.iter().flat_map(|page| &page.conflicts);
            let look = |id| Chosen { conflict: Some(id), ..chosen() };
            rows.map(|row| (format!("conflict, {:?}", row.kind), look(row.id))).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn the_full_world_has_all_that_panels_show() {
    let mut mesh = full_world();
    let Reply::Missions { missions } = done(&mut mesh, 1, Command::Missions) else { panic!() };
    let states: BTreeSet<_> = missions.iter().map(|view| view.state.as_str()).collect();
    for state in ["promoted", "failed", "cancelled"] {
        assert!(states.contains(state), "{state}: {states:?}");
    }
    assert_eq!((missions.len(), states.len()), (4, 4), "and one goes on: {states:?}");
    assert!(missions.iter().flat_map(|view| &view.steps).any(|step| step.device.is_some()));
    assert!(missions.iter().flat_map(|view| &view.stages).any(|stage| stage.evidence.is_some()));
    let Reply::Quarantine(page) = done(&mut mesh, 1, Command::Quarantine) else { panic!() };
    let why: BTreeSet<_> = page.branches.iter().map(|row| row.why).collect();
    for reason in [Apart::Revoked, Apart::Struck, Apart::Dependent] {
        assert!(why.contains(&reason), "{reason:?}: {page:?}");
    }
    let list = Command::Branch(BranchCommand::List { all: true });
    let Reply::Branch(kernelos_protocol::command::BranchReply::List(page)) =
        done(&mut mesh, 1, list)
    else {
        panic!()
    };
    let is =
        |kind, archived| page.branches.iter().any(|b| (b.kind, b.archived) == (kind, archived));
    assert!(is(BranchKind::Made, false) && is(BranchKind::Made, true), "{page:?}");
    assert!(is(BranchKind::Divergent, false), "{page:?}");
    let Reply::Conflicts(page) = done(&mut mesh, 1, Command::Conflicts) else { panic!() };
    let kinds: Vec<_> = page.conflicts.iter().map(|row| row.kind).collect();
    for kind in [
        ConflictKind::Values,
        ConflictKind::DeleteEdit,
        ConflictKind::Policy,
        ConflictKind::PlansFinal,
        ConflictKind::Holders,
        ConflictKind::Quarantine,
    ] {
        assert!(kinds.contains(&kind), "{kind:?}: {kinds:?}");
    }
    let Reply::Devices { devices } = done(&mut mesh, 1, Command::Devices) else { panic!() };
    assert!(devices.iter().any(|device| device.role.is_none()), "one was revoked");
}
