//! What is said of branches: how far behind, that one is put away, and that there is none.

use std::collections::BTreeSet;

use kernelos_protocol::command::{
    At, BranchCommand, BranchKind, BranchReply, BranchState, Command, FailureKind, PastCommand,
    PastReply, Reply,
};
use kernelos_protocol::document::{DocPath, Edit};
use kernelos_protocol::id::DocumentId;
use kernelos_protocol::limits::BEHIND_COUNTED_MAX;
use kernelos_protocol::present;
use kernelos_protocol::role::Role;
use serde_json::json;

use super::mesh::{Mesh, id};

fn create(mesh: &mut Mesh, device: u8, name: &str) -> DocumentId {
    let (name, of) = (name.to_owned(), "".parse().unwrap());
    let create = BranchCommand::Create { name, of, at: None, purpose: String::new() };
    match mesh.ask(device, Command::Branch(create)) {
        Reply::Branch(BranchReply::Made { document, .. }) => document,
        other => panic!("{other:?}"),
    }
}

fn list(mesh: &mut Mesh, device: u8) -> Vec<BranchState> {
    match mesh.ask(device, Command::Branch(BranchCommand::List { all: true })) {
        Reply::Branch(BranchReply::List(page)) => page.branches,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_is_farther_behind_than_is_counted_is_said_to_be_at_least_so_far() {
    // SPEC: BRA-5, BRA-8
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    create(&mut mesh, 1, "try");
    mesh.connect(1, 2);
    let link = mesh.links.keys().copied().last().unwrap();
    mesh.cut(link);
    // The change that links the branch is walked over, and is none that it is behind.
    for at in 1..BEHIND_COUNTED_MAX {
        mesh.set(1, "notes/a", &at.to_string());
    }
    let row = list(&mut mesh, 1).remove(0);
    assert_eq!((row.behind, row.behind_at_least), (BEHIND_COUNTED_MAX - 1, false));
    for last in ["last", "and one more"] {
        mesh.set(1, "notes/a", last);
        let row = list(&mut mesh, 1).remove(0);
        assert_eq!((row.behind, row.behind_at_least), (BEHIND_COUNTED_MAX, true));
    }
    mesh.set(2, "notes/b", "apart");
    mesh.connect(1, 2);
    let Reply::Branch(BranchReply::List(page)) =
        mesh.ask(2, Command::Branch(BranchCommand::List { all: true }))
    else {
        panic!()
    };
    let diverged = page.branches.iter().find(|row| row.kind == BranchKind::Divergent).unwrap();
    let mut sides: Vec<_> = diverged.sides.iter().map(|of| (of.changes, of.at_least)).collect();
    sides.sort_unstable();
    assert_eq!(sides, [(1, false), (BEHIND_COUNTED_MAX, true)]);
    let shown = format!("{:?}", present::branches(&page, &Default::default()));
    assert!(shown.contains(&format!("at least {BEHIND_COUNTED_MAX} and 1 events")), "{shown}");
    assert_eq!(shown.matches("at least ").count(), 2, "of the branch, too: {shown}");
}

#[test]
fn what_is_put_away_is_read_and_not_written_to_until_it_is_brought_back() {
    // SPEC: BRA-4
    let mut mesh = Mesh::of(&[]);
    create(&mut mesh, 1, "try");
    mesh.set(1, "branches/try/notes/a", "before");
    archive(&mut mesh, 1, "try", true);
    let path: DocPath = "branches/try/notes/a".parse().unwrap();
    let set = Edit::Set { set: path.clone(), value: json!("after") };
    let rm = Edit::Rm { rm: path };
    let root = Edit::Set { set: "notes/b".parse().unwrap(), value: json!(1) };
    for edits in [vec![set.clone()], vec![rm], vec![root, set]] {
        let Reply::Failed(failure) = mesh.ask(1, Command::Edit { edits }) else { panic!() };
        assert_eq!(failure.message, "branch \"try\" is put away");
        assert_eq!(failure.kind, FailureKind::Failed);
        let hint = failure.hint.unwrap();
        assert!(hint.contains("kern branch archive try --undo"), "{hint}");
        assert!(hint.contains("kern branch create NAME --of branches/try"), "{hint}");
    }
    assert_eq!(mesh.get(1, "branches/try/notes/a"), "\"before\"");
    assert_eq!(mesh.get(1, "notes"), "{}", "all or nothing");
    archive(&mut mesh, 1, "try", false);
    mesh.set(1, "branches/try/notes/a", "after");
    assert_eq!(mesh.get(1, "branches/try/notes/a"), "\"after\"");
}

fn refused(reply: Reply) -> (String, String) {
    match reply {
        Reply::Failed(failure) => (failure.message, failure.hint.unwrap_or_default()),
        other => panic!("{other:?}"),
    }
}

fn archive(mesh: &mut Mesh, device: u8, name: &str, archived: bool) {
    let archive = BranchCommand::Archive { name: name.to_owned(), archived };
    let reply = mesh.ask(device, Command::Branch(archive));
    assert!(matches!(reply, Reply::Edited(_)), "{reply:?}");
}

#[test]
fn what_is_put_away_is_not_written_to_by_its_id_either_whatever_map_that_is_said_in() {
    // SPEC: BRA-4, PRJ-9
    let mut mesh = Mesh::of(&[]);
    let branch = create(&mut mesh, 1, "it is");
    let made = mesh.ask(1, Command::CreateBoard { name: "garden".to_owned() });
    let Reply::BoardMade { document: board, .. } = made else { panic!("{made:?}") };
    archive(&mut mesh, 1, "it is", true);
    let away = Command::ArchiveBoard { name: "garden".to_owned(), archived: true };
    assert!(matches!(mesh.ask(1, away), Reply::Edited(_)));
    let events = mesh.status(1).events;
    let set = |path: &str| Edit::Set { set: path.parse().unwrap(), value: json!(1) };
    for (id, says, back) in [
        (branch, "branch \"it is\" is put away", "kern branch archive 'it is' --undo"),
        (board, "board \"garden\" is put away", "kern board archive garden --undo"),
    ] {
        for map in ["boards", "branches"] {
            let path = format!("{map}/{id}/notes");
            let below = format!("{path}/a");
            let edits = vec![set("notes/b"), set(&below)];
            let (message, hint) = refused(mesh.ask(1, Command::Edit { edits }));
            assert_eq!(message, says, "{path}");
            assert!(hint.contains(back), "{hint}");
            assert_eq!(mesh.get(1, &path), "{}", "it is read");
        }
    }
    assert_eq!((mesh.status(1).events, mesh.get(1, "notes")), (events, "{}".to_owned()));
    // What the hint says is done, and goes on from there.
    let of = format!("boards/{board}").parse().unwrap();
    let create =
        BranchCommand::Create { name: "on".to_owned(), of, at: None, purpose: String::new() };
    let made = mesh.ask(1, Command::Branch(create));
    assert!(matches!(made, Reply::Branch(BranchReply::Made { .. })), "{made:?}");
    mesh.set(1, "branches/on/notes/a", "later");
    archive(&mut mesh, 1, "it is", false);
    mesh.set(1, &format!("branches/{branch}/notes/a"), "again");
    // By a merge it would be written to as well.
    let merge = Command::Branch(BranchCommand::Merge { name: "on".to_owned() });
    assert_eq!(refused(mesh.ask(1, merge)).0, "board \"garden\" is put away");
    archive(&mut mesh, 1, "it is", true);
    let merge = Command::Branch(BranchCommand::Merge { name: branch.to_string() });
    let (message, hint) = refused(mesh.ask(1, merge));
    assert_eq!(message, "branch \"it is\" is put away");
    assert!(hint.contains("archive 'it is' --undo"), "by the name, not by what was typed: {hint}");
}

#[test]
fn how_one_goes_on_from_what_is_put_away_is_said_by_a_path_that_is_read() {
    // SPEC: PRJ-9, BRA-4
    let mut mesh = Mesh::of(&[]);
    let name = "Haus & Hof ~ 2";
    let made = mesh.ask(1, Command::CreateBoard { name: name.to_owned() });
    let Reply::BoardMade { document, .. } = made else { panic!("{made:?}") };
    let away = Command::ArchiveBoard { name: name.to_owned(), archived: true };
    assert!(matches!(mesh.ask(1, away), Reply::Edited(_)));
    let path = format!("boards/{document}/notes/a").parse().unwrap();
    let edits = vec![Edit::Set { set: path, value: json!(1) }];
    let (_, hint) = refused(mesh.ask(1, Command::Edit { edits }));
    assert!(hint.contains("kern board archive 'Haus & Hof ~ 2' --undo"), "{hint}");
    let (_, of) = hint.split_once("--of '").unwrap();
    let of: DocPath = of.trim_end_matches('\'').parse().unwrap();
    assert_eq!(of.segments(), ["boards", name]);
}

#[test]
fn a_branch_of_what_is_put_away_is_not_said_to_be_merged() {
    // SPEC: BRA-4
    let mut mesh = Mesh::of(&[]);
    assert!(matches!(
        mesh.ask(1, Command::CreateBoard { name: "garden".to_owned() }),
        Reply::BoardMade { .. }
    ));
    let (name, of) = ("on".to_owned(), "boards/garden".parse().unwrap());
    let create = BranchCommand::Create { name, of, at: None, purpose: String::new() };
    let made = mesh.ask(1, Command::Branch(create));
    assert!(matches!(made, Reply::Branch(BranchReply::Made { .. })), "{made:?}");
    mesh.set(1, "branches/on/notes/a", "later");
    let away = |archived| Command::ArchiveBoard { name: "garden".to_owned(), archived };
    for (archived, next) in [
        (true, &["kern branch preview on", "kern branch archive on"][..]),
        (false, &["kern branch preview on", "kern branch merge on", "kern branch archive on"]),
    ] {
        assert!(matches!(mesh.ask(1, away(archived)), Reply::Edited(_)));
        assert_eq!(list(&mut mesh, 1)[0].next, next);
    }
}

#[test]
fn who_reads_below_a_name_that_leads_nowhere_hears_what_who_writes_there_does() {
    // SPEC: PRJ-10
    let mut mesh = Mesh::of(&[]);
    create(&mut mesh, 1, "try");
    let said = |reply: Reply| match reply {
        Reply::Failed(failure) => (failure.message, failure.hint),
        other => panic!("{other:?}"),
    };
    for (above, says, lists) in [
        ("branches/nope", "there is no branch \"nope\"", "kern branch list --all"),
        ("boards/nope", "there is no board \"nope\"", "kern board list"),
    ] {
        let path: DocPath = format!("{above}/notes/a").parse().unwrap();
        let set = Edit::Set { set: path.clone(), value: json!(1) };
        let wrote = said(mesh.ask(1, Command::Edit { edits: vec![set] }));
        assert_eq!(wrote.0, says);
        assert!(wrote.1.as_ref().unwrap().contains(lists), "{wrote:?}");
        for path in [path, above.parse().unwrap()] {
            let history = PastCommand::History { path: path.clone(), limit: 9 };
            assert_eq!(said(mesh.ask(1, Command::Read { path: path.clone() })), wrote, "{path}");
            assert_eq!(said(mesh.ask(1, Command::Past(history))), wrote, "{path}");
        }
    }
    let deep = Command::Read { path: "branches/try/notes/none".parse().unwrap() };
    assert_eq!(said(mesh.ask(1, deep)).0, "there is nothing at \"branches/try/notes/none\"");
}

#[test]
fn sides_that_an_undo_on_a_branch_put_back_are_those_of_who_wrote_them_also_where_it_is_merged() {
    // SPEC: CFL-17, UNDO-2, BRA-4
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.connect(1, 3);
    create(&mut mesh, 1, "try");
    mesh.cut(link);
    mesh.set(1, "branches/try/notes/a", "ours");
    mesh.set(2, "branches/try/notes/a", "theirs");
    mesh.connect(1, 2);
    let resolve = mesh.conflicts(3)[0].id;
    let decide = Edit::Decide { resolve, value: json!("both") };
    assert!(matches!(mesh.ask(3, Command::Edit { edits: vec![decide] }), Reply::Edited(_)));
    let undo = Command::Undo { begin: None, force: false };
    assert!(matches!(mesh.ask(3, undo), Reply::Undone(_)));
    let merge = Command::Branch(BranchCommand::Merge { name: "try".to_owned() });
    assert!(matches!(mesh.ask(3, merge), Reply::Branch(BranchReply::Merged { .. })));
    for number in [1, 2, 3] {
        let rows = mesh.conflicts(number);
        let paths: Vec<_> = rows.iter().map(|row| row.path.to_string()).collect();
        assert_eq!(paths, ["branches/try/notes/a", "notes/a"]);
        for row in rows {
            let sides = row.sides.iter();
            let wrote: BTreeSet<_> =
                sides.map(|side| (side.value.to_string(), side.device)).collect();
            let by = |value: &str, number| (json!(value).to_string(), Some(id(number)));
            assert_eq!(wrote, BTreeSet::from([by("ours", 1), by("theirs", 2)]), "{}", row.path);
            assert!(row.sides.iter().all(|side| side.put_back.is_some()), "{}", row.path);
        }
    }
    mesh.assert_equal(&[1, 2, 3]);
}

#[test]
fn what_a_fork_left_out_is_shown_beside_what_it_was_made_on_and_has_no_effect() {
    // SPEC: BRA-8, PAST-1
    let (mut mesh, ids) = super::branches::forked();
    let tip = list(&mut mesh, 1)[0].event.unwrap();
    let (key, value) = if tip == ids[0] { ("one", 1) } else { ("two", 2) };
    let Reply::Preview(shown) = mesh.ask(1, Command::Preview { begin: tip.to_string() }) else {
        panic!()
    };
    let rows = &shown.changes;
    let places: Vec<_> = rows.iter().map(|row| (row.path.to_string(), &row.then)).collect();
    assert_eq!(places, [(format!("notes/{key}"), &json!(value))], "{rows:?}");
    let text = present::to_text(&present::preview(&shown));
    assert!(text.contains("its number is taken") && !text.contains("readmit"), "{text}");
    let (path, at) = ("notes".parse().unwrap(), At::Event(tip.to_string()));
    let Reply::Past(past) = mesh.ask(1, Command::Past(PastCommand::Read { path, at })) else {
        panic!()
    };
    let PastReply::Read(read) = *past else { panic!() };
    assert!(read.without && read.read.value.get(key).is_none(), "{read:?}");
    let (name, of, at) = ("try".to_owned(), DocPath::default(), Some(tip.to_string()));
    let create = BranchCommand::Create { name, of, at, purpose: String::new() };
    let Reply::Failed(failure) = mesh.ask(1, Command::Branch(create)) else { panic!() };
    assert!(failure.message.contains("has no effect"), "{failure}");
    let Reply::NotUndone(refused) = mesh.undo(1, Some(tip), false) else { panic!() };
    assert!(refused.reason.contains("left out of the document"), "{}", refused.reason);
}
