//! Branches on several devices: made and written apart, merged, divergent, of one name.

use std::num::NonZeroU64;

use automerge::legacy::{Key, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, Change, ChangeHash, ExpandedChange, ObjType, ScalarValue};
use kernelos_protocol::command::{BranchCommand, BranchKind, BranchPage, BranchReply, BranchState};
use kernelos_protocol::command::{Command, ConflictPage, Reply, outcomes};
use kernelos_protocol::content::DocumentChange;
use kernelos_protocol::document::conflict::ConflictKind;
use kernelos_protocol::document::{
    DocPath, DocumentDone, DocumentTask, Edit, begin_branch, check_name, founding_change,
    is_unshowable,
};
use kernelos_protocol::event::Verified;
use kernelos_protocol::hash;
use kernelos_protocol::id::{DocumentId, EventId, Incarnation};
use kernelos_protocol::limits::{BRANCHES_LISTED_MAX, PURPOSE_BYTES_MAX};
use kernelos_protocol::present;
use kernelos_protocol::role::Role;
use kernelos_protocol::store::contract::read_all;
use kernelos_protocol::store::{EventStore as _, Record};
use kernelos_protocol::sync::Message;
use serde_json::{Value as Json, json};

use super::mesh::{Mesh, id as device_id};
use crate::kit::{Peer, setting};

fn branch(mesh: &mut Mesh, device: u8, command: BranchCommand) -> BranchReply {
    match mesh.ask(device, Command::Branch(command)) {
        Reply::Branch(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn create(mesh: &mut Mesh, device: u8, name: &str) -> DocumentId {
    let (name, of) = (name.to_owned(), "".parse().unwrap());
    let create = BranchCommand::Create { name, of, at: None, purpose: String::new() };
    match branch(mesh, device, create) {
        BranchReply::Made { document, .. } => document,
        other => panic!("{other:?}"),
    }
}

fn merge(mesh: &mut Mesh, device: u8, name: &str) {
    let merged = branch(mesh, device, BranchCommand::Merge { name: name.to_owned() });
    assert!(matches!(merged, BranchReply::Merged { .. }), "{merged:?}");
}

fn list(mesh: &mut Mesh, device: u8) -> Vec<BranchState> {
    match branch(mesh, device, BranchCommand::List { all: true }) {
        BranchReply::List(page) => page.branches,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_branch_that_two_devices_wrote_and_merged_apart_is_one_on_both() {
    // SPEC: BRA-2, BRA-4
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(1, "notes/a", "before");
    create(&mut mesh, 1, "try");
    mesh.cut(link);
    mesh.set(1, "branches/try/notes/a", "one");
    mesh.set(2, "branches/try/notes/a", "two");
    mesh.set(2, "notes/b", "root");
    merge(&mut mesh, 1, "try");
    merge(&mut mesh, 2, "try");
    mesh.connect(1, 2);
    mesh.assert_equal(&[1, 2]);
    let found = [1, 2].map(|device| mesh.conflicts(device));
    assert_eq!(found[0], found[1]);
    let paths: Vec<_> = found[0].iter().map(|row| row.path.to_string()).collect();
    assert_eq!(paths, ["branches/try/notes/a", "notes/a"]);
    let devices: Vec<_> = list(&mut mesh, 2).iter().map(|row| row.devices.len()).collect();
    assert_eq!(devices[0], 2);
    // Decided on the branch, and brought over: the origin's is decided by that too.
    let keep = Edit::Keep { resolve: found[0][0].id, keep: "A".to_owned() };
    assert!(matches!(mesh.ask(2, Command::Edit { edits: vec![keep] }), Reply::Edited(_)));
    merge(&mut mesh, 2, "try");
    mesh.settle();
    mesh.assert_equal(&[1, 2]);
    for device in [1, 2] {
        assert_eq!(mesh.conflicts(device), []);
        assert_eq!(mesh.get(device, "notes/a"), mesh.get(device, "branches/try/notes/a"));
    }
}

#[test]
fn what_devices_went_on_with_apart_is_told_with_what_can_be_done() {
    // SPEC: BRA-8
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.cut(link);
    for number in 0..3 {
        mesh.set(1, &format!("notes/one{number}"), "x");
    }
    mesh.set(2, "notes/two", "y");
    mesh.connect(1, 2);
    mesh.assert_equal(&[1, 2]);
    for device in [1, 2] {
        let rows = list(&mut mesh, device);
        let [row] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!((row.kind, row.of.as_str()), (BranchKind::Divergent, ""));
        let mut counts: Vec<_> = row.sides.iter().map(|side| side.changes).collect();
        counts.sort_unstable();
        assert_eq!(counts, [1, 3]);
        // What can be done is told to programs, and to people on every surface.
        let keep = row.sides.iter().map(|side| side.event.short());
        let keep = keep.map(|event| format!("kern branch create NAME --at {event}"));
        let next: Vec<_> = ["kern conflicts".to_owned()].into_iter().chain(keep).collect();
        assert_eq!(row.next, next);
        assert_eq!(serde_json::to_value(row).unwrap()["next"], json!(next));
        let page = BranchPage { branches: rows.clone(), more: 0 };
        let shown = format!("{:?}", present::branches(&page, &Default::default()));
        assert!(shown.contains("continued the workspace while apart"), "{shown}");
        assert!(next.iter().all(|command| shown.contains(command)), "{shown}");
    }
    // A side is kept as a branch, by the command that was told.
    let at = list(&mut mesh, 1)[0].sides.iter().find(|side| side.changes == 1).unwrap().event;
    let (name, of) = ("theirs".to_owned(), "".parse().unwrap());
    let create =
        BranchCommand::Create { name, of, at: Some(at.to_string()), purpose: String::new() };
    assert!(matches!(branch(&mut mesh, 1, create), BranchReply::Made { .. }));
    assert_eq!(mesh.get(1, "branches/theirs/notes"), r#"{"two":"y"}"#);
    mesh.settle();
    // The link was written by who knew all: nothing is divergent any more.
    let kinds: Vec<_> = list(&mut mesh, 2).iter().map(|row| row.kind).collect();
    assert_eq!(kinds, [BranchKind::Made]);
}

#[test]
fn branches_of_one_name_made_apart_are_a_conflict_and_both_are_reached() {
    // SPEC: BRA-3, PRJ-9
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.cut(link);
    let ids = [create(&mut mesh, 1, "try"), create(&mut mesh, 2, "try")];
    mesh.set(1, "branches/try/notes/a", "one");
    mesh.set(2, "branches/try/notes/a", "two");
    mesh.connect(1, 2);
    mesh.assert_equal(&[1, 2]);
    for device in [1, 2] {
        let found = mesh.conflicts(device);
        assert_eq!(
            found.iter().map(|row| row.path.to_string()).collect::<Vec<_>>(),
            ["branches/try"]
        );
        for (id, value) in ids.iter().zip(["\"one\"", "\"two\""]) {
            assert_eq!(mesh.get(device, &format!("branches/{id}/notes/a")), value);
        }
        let rows = list(&mut mesh, device);
        let made = rows.iter().filter(|row| row.kind == BranchKind::Made);
        assert!(made.clone().all(|row| row.conflict));
        assert_eq!(made.filter(|row| row.is_shown).count(), 1);
    }
    for id in ids {
        merge(&mut mesh, 2, &id.to_string());
    }
    mesh.settle();
    mesh.assert_equal(&[1, 2]);
    assert_eq!(mesh.conflicts(1).len(), 2, "of the name, and of what both wrote");
}

#[test]
fn a_conflict_of_the_origin_is_not_told_of_a_branch_that_two_wrote_apart() {
    // SPEC: BRA-10
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let mut link = mesh.connect(1, 2);
    mesh.set(1, "notes/a", "before");
    mesh.cut(link);
    mesh.set(1, "notes/a", "one");
    mesh.set(2, "notes/a", "two");
    link = mesh.connect(1, 2);
    create(&mut mesh, 1, "try");
    mesh.cut(link);
    // Nobody knew all of the branch, so it is looked through.
    mesh.set(1, "branches/try/notes/b", "one");
    mesh.set(2, "branches/try/notes/c", "two");
    mesh.connect(1, 2);
    mesh.assert_equal(&[1, 2]);
    let paths = |mesh: &mut Mesh, device| {
        let rows = mesh.conflicts(device);
        rows.iter().map(|row| row.path.to_string()).collect::<Vec<_>>()
    };
    for device in [1, 2] {
        assert_eq!(paths(&mut mesh, device), ["notes/a"]);
        assert_eq!(mesh.status(device).conflicts, 1);
    }
    // Where the branch writes there itself, it has a conflict of its own.
    mesh.set(1, "branches/try/notes/d", "knows all");
    mesh.restart(2);
    assert_eq!(paths(&mut mesh, 2), ["notes/a"], "as after a start");
}

/// Somebody with the key of device 2, and all that device 1 holds.
fn rogue(mesh: &mut Mesh) -> Peer {
    let events = read_all(&mut mesh.device(1).disk, 512);
    let mut peer = Peer::new(2, events[0].workspace());
    peer.take(&events);
    peer
}

/// A value at two segments of the root, whatever people may write there.
fn put(peer: &mut Peer, (map, name): (&str, &str), value: Json) -> Vec<Verified> {
    peer.project();
    let document = peer.document();
    let actor = hash::actor(&peer.key.device(), &peer.incarnation, &document, 1);
    let set = DocPath::default().child(map).unwrap().child(name).unwrap();
    let edits = vec![Edit::Set { set, value }];
    match peer.documents.perform(DocumentTask::Transact { document, actor, edits }) {
        DocumentDone::Transacted(Ok(Some(change))) => {
            peer.change(Some(document), change.chunk).unwrap()
        }
        other => panic!("{name:?}: {other:?}"),
    }
}

/// A link in the root, of any name and with any values, by a program that checks nothing.
fn link(
    peer: &mut Peer,
    number: u64,
    name: &str,
    values: Vec<(&str, ScalarValue)>,
) -> Vec<Verified> {
    let (root, first) = (peer.document(), device_id(1));
    let founder = hash::actor(&first, &Incarnation([1; 8]), &root, 1);
    let founding = founding_change(founder, "home", (&first.to_string(), "device 1")).unwrap();
    let founding = Change::from_bytes(founding).unwrap().decode();
    let is_map = |op: &Op| op.key == Key::Map("branches".into());
    let map = (1_u64..).zip(&founding.operations).find(|(_, op)| is_map(op)).unwrap().0;
    let actor = hash::actor(&peer.key.device(), &peer.incarnation, &root, number);
    let deps = peer.workspace.line(&root).heads;
    let start = peer.workspace.next_op(&root, &deps);
    let op = |action, obj, key: &str| Op {
        action,
        obj,
        key: Key::Map(key.into()),
        pred: Vec::new().into(),
        insert: false,
    };
    let above = ObjectId::Id(OpId(map, ActorId::from(&founder[..])));
    let made = ObjectId::Id(OpId(start, ActorId::from(&actor[..])));
    let mut operations = vec![op(OpType::Make(ObjType::Map), above, name)];
    operations
        .extend(values.into_iter().map(|(key, value)| op(OpType::Put(value), made.clone(), key)));
    let change = Change::from(ExpandedChange {
        operations,
        actor_id: ActorId::from(&actor[..]),
        hash: None,
        seq: 1,
        start_op: NonZeroU64::new(start).unwrap(),
        time: 0,
        message: None,
        deps: deps.iter().map(|hash| ChangeHash(hash.0)).collect(),
        extra_bytes: Vec::new(),
        author: None,
    });
    let change = change.raw_bytes().to_vec();
    let change = DocumentChange { document: Some(root), generation: number, change };
    let events = peer.write(|workspace, pen| workspace.write_change(pen, vec![change])).unwrap();
    let events = peer.keep(events);
    peer.project();
    events
}

/// A branch of the root that nothing links.
fn unnamed(peer: &mut Peer) -> Vec<Verified> {
    let (device, life, origin) = (peer.key.device(), peer.incarnation, peer.document());
    let document = peer.workspace.next_branch(&device, &life, &origin).unwrap();
    let deps = peer.workspace.line(&origin).heads;
    let start = peer.workspace.next_op(&origin, &deps);
    let actor = hash::actor(&device, &life, &document, 1);
    let change = begin_branch(actor, &deps, start);
    let change = DocumentChange { document: None, generation: 1, change };
    let events = peer.write(|workspace, pen| workspace.write_branch(pen, origin, vec![change]));
    peer.keep(events.unwrap())
}

#[test]
fn links_that_a_member_made_up_lead_nowhere_and_hide_nothing() {
    // SPEC: BRA-3, BRA-12
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let mine = create(&mut mesh, 1, "try");
    assert!(matches!(
        mesh.ask(1, Command::CreateBoard { name: "garden".to_owned() }),
        Reply::BoardMade { .. }
    ));
    let root = mesh.device(1).replica.workspace().root_document().unwrap();
    let documents: Vec<_> = mesh.device(1).replica.workspace().documents().collect();
    let board = documents.into_iter().find(|id| ![root, mine].contains(id)).unwrap();
    let mut peer = rogue(&mut mesh);
    peer.project();
    let long = "\u{202e}p\n".repeat(20_000);
    let id = "ab".repeat(32);
    let names = ["a\u{202e}b", "a\n\u{1b}[31mb", &"x".repeat(250), &id, "~/..", "'; rm -rf ~;'"];
    let text = |id: &DocumentId| ScalarValue::Str(id.to_string().into());
    let mut events = Vec::new();
    for (name, number) in names.iter().zip(10..) {
        let purpose = ScalarValue::Str(long.as_str().into());
        let yes = ScalarValue::Str("yes".into());
        let values = vec![("archived", yes), ("document", text(&mine)), ("purpose", purpose)];
        events.extend(link(&mut peer, number, name, values));
    }
    let nowhere = DocumentId([7; 32]);
    for (name, of, number) in [("root", root, 30), ("board", board, 31), ("nowhere", nowhere, 32)] {
        let purpose = ScalarValue::Int(1);
        let archived = ScalarValue::Boolean(true);
        let values = vec![("archived", archived), ("document", text(&of)), ("purpose", purpose)];
        events.extend(link(&mut peer, number, name, values));
    }
    for (value, number) in [ScalarValue::Int(7), ScalarValue::Str("x".into())].into_iter().zip(40..)
    {
        events.extend(link(&mut peer, number, &format!("odd{number}"), vec![("document", value)]));
    }
    mesh.feed(1, 2, Message::events(events));
    let rows = list(&mut mesh, 1);
    assert_eq!(rows.len(), 1 + names.len(), "what leads to no branch is none: {rows:#?}");
    for row in &rows {
        assert_eq!((row.document, row.of.as_str(), row.archived), (Some(mine), "", false));
        assert!(!row.purpose.chars().any(is_unshowable), "{:?}", row.purpose);
        assert!(row.purpose.len() <= PURPOSE_BYTES_MAX, "{}", row.purpose.len());
        let name = row.name.as_deref().unwrap();
        // A name that nobody could have given is not one to type, and puts nothing away.
        let put_away = row.next.iter().any(|line| line.starts_with("kern branch archive "));
        assert_eq!(put_away, check_name(name).is_ok(), "{name:?}");
        assert!(!row.next.concat().chars().any(is_unshowable), "{:?}", row.next);
    }
    // What is told to do is done, whatever the name.
    mesh.set(1, "branches/try/notes/a", "x");
    for row in list(&mut mesh, 1) {
        assert!(row.next.iter().any(|line| line.starts_with("kern branch merge ")), "{row:?}");
    }
    mesh.set(1, "notes/root", "is there");
    assert_eq!(mesh.get(1, "notes"), r#"{"root":"is there"}"#);
    assert!(mesh.get(1, "boards/garden").starts_with('{'));
    let merge = Command::Branch(BranchCommand::Merge { name: "try".to_owned() });
    let merged = mesh.ask(1, merge);
    assert!(matches!(merged, Reply::Branch(BranchReply::Merged { .. })), "{merged:?}");
    create(&mut mesh, 1, "mine");
    assert!(list(&mut mesh, 1).iter().any(|row| row.name.as_deref() == Some("mine")));
    assert_eq!(mesh.status(1).damage, Vec::<String>::new());
    mesh.restart(1);
    assert_eq!(list(&mut mesh, 1).len(), 2 + names.len());
}

#[test]
fn of_branches_by_the_thousand_some_are_listed_and_all_are_counted() {
    // SPEC: BRA-12, SYNC-9
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.set(1, "notes/a", "before");
    let mut peer = rogue(&mut mesh);
    peer.project();
    let count = setting("KERNELOS_BRANCHES", 200);
    let events: Vec<_> = (0..count).flat_map(|_| unnamed(&mut peer)).collect();
    let records: Vec<_> = events.into_iter().map(Record::Event).collect();
    mesh.device(1).disk.commit(&records).unwrap();
    mesh.restart(1);
    let page = |mesh: &mut Mesh| match branch(mesh, 1, BranchCommand::List { all: true }) {
        BranchReply::List(page) => page,
        other => panic!("{other:?}"),
    };
    let before = page(&mut mesh);
    assert_eq!(before.branches.len(), BRANCHES_LISTED_MAX);
    assert_eq!(before.branches.len() + before.more, count);
    let doc = present::branches(&before, &Default::default());
    assert!(format!("{doc:?}").contains(&format!("and {} more", before.more)), "it is told");
    // Who lives here goes on: what has a name comes first.
    create(&mut mesh, 1, "mine");
    mesh.set(1, "branches/mine/notes/a", "x");
    let after = page(&mut mesh);
    let first = &after.branches[0];
    assert_eq!((first.name.as_deref(), first.ahead, first.behind), (Some("mine"), 1, 0));
    assert_eq!(after.branches.len() + after.more, count + 1);
    merge(&mut mesh, 1, "mine");
    assert_eq!(mesh.get(1, "notes"), r#"{"a":"x"}"#);
}

/// Device 1, and the two events of 2 of which one is left out there.
pub(super) fn forked() -> (Mesh, [EventId; 2]) {
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.set(1, "notes/a", "before");
    let events = [("one", 1), ("two", 2)]
        .map(|(key, value)| put(&mut rogue(&mut mesh), ("notes", key), json!(value)));
    let ids = events.each_ref().map(|events| events[0].id());
    mesh.feed(1, 2, Message::events(events.concat()));
    (mesh, ids)
}

#[test]
fn what_a_fork_left_out_is_listed_with_the_command_that_brings_it_in() {
    // SPEC: BRA-8, PRJ-4
    let (mut mesh, ids) = forked();
    let shown = mesh.get(1, "notes");
    let rows = list(&mut mesh, 1);
    let [row] = &rows[..] else { panic!("{rows:#?}") };
    assert_eq!((row.kind, row.ahead, row.devices.len()), (BranchKind::LeftOut, 1, 1));
    let tip = row.event.unwrap();
    let other = ids.iter().find(|id| **id != tip).unwrap();
    let next = [("quarantine show", tip), ("strike", *other)];
    let next = next.map(|(verb, id)| format!("kern {verb} {}", id.short()));
    assert_eq!(row.next, next);
    let page = BranchPage { branches: rows, more: 0 };
    let doc = format!("{:?}", present::branches(&page, &Default::default()));
    assert!(next.iter().all(|command| doc.contains(command)), "{doc}");
    let reply = mesh.ask(1, Command::Strike { begin: other.short(), reason: String::new() });
    assert!(matches!(reply, Reply::Struck { .. }), "{reply:?}");
    assert_eq!(list(&mut mesh, 1), []);
    let now = mesh.get(1, "notes");
    assert!(now != shown && now.contains(if tip == ids[0] { "one" } else { "two" }), "{now}");
}

#[test]
fn a_branch_that_a_fork_left_out_is_a_conflict_that_is_decided_and_never_kept() {
    // SPEC: CFL-14, CFL-16
    let (mut mesh, _) = forked();
    let tip = list(&mut mesh, 1)[0].event.unwrap();
    let rows = mesh.conflicts(1);
    let [row] = &rows[..] else { panic!("{rows:#?}") };
    assert_eq!((row.kind, mesh.status(1).conflicts), (ConflictKind::Divergent, 1));
    assert_eq!(row.path.to_string(), format!("quarantine/{tip}"));
    let sides: Vec<_> = row.sides.iter().map(|side| (&*side.side, side.device)).collect();
    assert_eq!(sides, [("A", None), ("B", Some(device_id(2)))], "no decision put it apart");
    assert_eq!(row.sides[1].value, json!({"events": 1, "tip": tip}));
    assert!(row.sides[1].readmits && !row.sides[0].readmits);
    assert!(row.why.contains("another change has the same number"), "{}", row.why);
    let next = [
        format!("kern quarantine show {}", tip.short()),
        format!("kern conflicts resolve {} --keep A", row.id),
    ];
    assert_eq!(row.next, next, "no readmission is offered");
    let page = ConflictPage { conflicts: rows.clone(), total: 1, more: 0, next: None };
    let shown = format!("{:?}", present::conflicts(&page, &Default::default()));
    assert!(shown.contains("a branch of a forked device is left out"), "{shown}");
    let shown = format!("{:?}", present::outcomes(&outcomes(row), &Default::default()));
    assert!(shown.contains("stays apart: what it set can be set anew"), "{shown}");

    let keep = |side: &str| {
        let keep = Edit::Keep { resolve: row.id, keep: side.to_owned() };
        Command::Edit { edits: vec![keep] }
    };
    let Reply::Failed(failure) = mesh.ask(1, keep("B")) else { panic!() };
    assert!(failure.message.contains("its number is taken"), "{failure}");
    assert_eq!(mesh.conflicts(1), rows);
    let Reply::Edited(decided) = mesh.ask(1, keep("A")) else { panic!() };
    assert_eq!((mesh.conflicts(1), mesh.status(1).conflicts), (vec![], 0));
    mesh.undone(1, decided.event);
    assert_eq!(mesh.conflicts(1)[0].id, row.id, "its name stays");
}
