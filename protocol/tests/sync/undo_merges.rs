//! A merge is taken back with the conflicts that it brought, whatever is shown of them, also where
//! one was decided and that was taken back; and what it brought then counts for nothing in the
//! origin, but goes on to count in the branch. `SPEC: UNDO-2, UNDO-3, BRA-9`

use kernelos_protocol::command::{
    BranchCommand, BranchReply, Command, ConflictRow, Reply, TakenBack,
};
use kernelos_protocol::document::DocPath;
use kernelos_protocol::id::EventId;
use kernelos_protocol::role::Role;
use serde_json::{Value as Json, json};

use super::mesh::Mesh;

fn set(path: &str, value: Json) -> Json {
    json!({"set": path, "value": value})
}

fn rm(path: &str) -> Json {
    json!({"rm": path})
}

/// The same on the branch.
fn there(edits: &[Json]) -> Json {
    let name = |edit: &Json| {
        let mut edit = edit.clone();
        for key in ["set", "rm", "append"] {
            if let Some(path) = edit.get_mut(key) {
                *path = json!(format!("branches/try/{}", path.as_str().unwrap()));
            }
        }
        edit
    };
    Json::Array(edits.iter().map(name).collect())
}

fn branch(mesh: &mut Mesh, command: BranchCommand) -> BranchReply {
    match mesh.ask(1, Command::Branch(command)) {
        Reply::Branch(reply) => reply,
        other => panic!("{other:?}"),
    }
}

/// Two devices, with a branch on which something else was done than in its origin.
fn parted(shared: &[Json], ours: &[Json], theirs: &[Json]) -> Mesh {
    let mut mesh = Mesh::of(&[(2, Role::Admin)]);
    mesh.connect(1, 2);
    mesh.edit(1, json!(shared));
    let (name, of, at) = ("try".to_owned(), DocPath::default(), None);
    branch(&mut mesh, BranchCommand::Create { name, of, at, purpose: String::new() });
    for edit in theirs {
        mesh.edit(2, there(std::slice::from_ref(edit)));
    }
    for edit in ours {
        mesh.edit(1, json!([edit]));
    }
    mesh
}

fn merge(mesh: &mut Mesh) -> EventId {
    match branch(mesh, BranchCommand::Merge { name: "try".to_owned() }) {
        BranchReply::Merged { event, .. } => event,
        other => panic!("{other:?}"),
    }
}

/// Takes the last back, which is a merge.
fn take_back(mesh: &mut Mesh, name: &str) {
    match mesh.undo(1, None, false) {
        Reply::Undone(undone) => {
            assert!(
                matches!(undone.what, Some(TakenBack::Edit { merge: true, .. })),
                "{name} {undone:?}"
            )
        }
        other => panic!("{name}: {other:?}"),
    }
}

type Told = Vec<(String, Vec<(bool, String)>)>;

fn told(mesh: &mut Mesh, device: u8) -> (Told, String) {
    let of = |row: ConflictRow| {
        let side =
            |side: &kernelos_protocol::command::SideRow| (side.deleted, side.value.to_string());
        let mut sides: Vec<_> = row.sides.iter().map(side).collect();
        sides.sort();
        (row.path.to_string(), sides)
    };
    let open = mesh.conflicts(device).into_iter().map(of).collect();
    (open, mesh.get(device, "notes"))
}

type Case = (&'static str, Vec<Json>, Vec<Json>, Vec<Json>);

/// What the two did, by a name, and where that is a conflict once it is merged.
fn cases() -> Vec<Case> {
    let list = || vec![set("notes/l", json!(["a", "b", ["c"], {"k": 0}]))];
    let map = || vec![set("notes/m", json!({"k": 0, "j": 0}))];
    vec![
        ("values", map(), vec![set("notes/m/k", json!(1))], vec![set("notes/m/k", json!(2))]),
        ("edited, removed", map(), vec![set("notes/m/k", json!(1))], vec![rm("notes/m/k")]),
        ("removed, edited", map(), vec![rm("notes/m/k")], vec![set("notes/m/k", json!(2))]),
        ("edited below, removed", map(), vec![set("notes/m/k", json!(1))], vec![rm("notes/m")]),
        ("removed, edited below", map(), vec![rm("notes/m")], vec![set("notes/m/k", json!(2))]),
        ("items", list(), vec![set("notes/l/0", json!("x"))], vec![set("notes/l/0", json!("y"))]),
        ("item, none", list(), vec![set("notes/l/1", json!("x"))], vec![rm("notes/l/1")]),
        ("none, item", list(), vec![rm("notes/l/1")], vec![set("notes/l/1", json!("y"))]),
        ("below, none", list(), vec![set("notes/l/3/k", json!(1))], vec![rm("notes/l/3")]),
        ("none, below", list(), vec![rm("notes/l/3")], vec![set("notes/l/3/k", json!(2))]),
        ("deep", list(), vec![set("notes/l/2/0", json!(1))], vec![set("notes/l/2/0", json!(2))]),
    ]
}

#[test]
fn whatever_a_merge_brings_ends_with_it() {
    for (name, shared, ours, theirs) in cases() {
        for beside in [vec![], vec![set("notes/new", json!(1))]] {
            let mut mesh = parted(&shared, &ours, &[theirs.clone(), beside.clone()].concat());
            let before = told(&mut mesh, 1);
            assert!(before.0.is_empty(), "{name}");
            merge(&mut mesh);
            assert_eq!(mesh.conflicts(2).len(), 1, "{name} {beside:?}");
            take_back(&mut mesh, name);
            assert_eq!(told(&mut mesh, 1), before, "{name} {beside:?}");
            assert_eq!(told(&mut mesh, 2), before, "{name} {beside:?}");
            mesh.assert_equal(&[1, 2]);
        }
    }
}

#[test]
fn it_does_also_where_one_was_decided_and_that_was_taken_back() {
    for (name, shared, ours, theirs) in cases() {
        for keep in ["A", "B"] {
            let mut mesh = parted(&shared, &ours, &theirs);
            let before = told(&mut mesh, 1);
            merge(&mut mesh);
            let open = mesh.conflicts(1);
            let event = mesh.edit(1, json!([{"resolve": open[0].id, "keep": keep}]));
            assert_eq!(mesh.undone(1, None).undoes, event, "{name} {keep}");
            assert_eq!(mesh.conflicts(1).len(), 1, "{name} {keep}");
            take_back(&mut mesh, name);
            assert_eq!(told(&mut mesh, 2), before, "{name} {keep}");
            mesh.assert_equal(&[1, 2]);
        }
    }
}

#[test]
fn a_conflict_to_which_a_merge_added_a_side_is_what_it_was() {
    for (name, shared, ours, theirs) in cases() {
        let mut mesh = Mesh::of(&[(2, Role::Admin)]);
        let link = mesh.connect(1, 2);
        mesh.edit(1, json!(shared));
        let (at, of, n) = (None, DocPath::default(), "try".to_owned());
        branch(&mut mesh, BranchCommand::Create { name: n, of, at, purpose: String::new() });
        // A third thing is done on the branch.
        let path =
            ours[0].get("set").or_else(|| ours[0].get("rm")).unwrap().as_str().unwrap().to_owned();
        mesh.edit(1, there(&[set(&path, json!("third"))]));
        mesh.cut(link);
        mesh.edit(1, json!(ours));
        mesh.edit(2, json!(theirs));
        mesh.connect(1, 2);
        let before = told(&mut mesh, 1);
        assert_eq!(before.0.len(), 1, "{name}");
        merge(&mut mesh);
        take_back(&mut mesh, name);
        let now = told(&mut mesh, 2);
        // What a removal hides is shown where the conflict is opened again.
        let is_hidden = name.contains("below");
        assert_eq!((&now.0, is_hidden || now.1 == before.1), (&before.0, true), "{name} {now:?}");
        mesh.assert_equal(&[1, 2]);
    }
}

#[test]
fn what_brings_a_merge_in_again_that_took_several_undos_is_named_and_does() {
    // SPEC: BRA-9
    let mut mesh = Mesh::of(&[(2, Role::Admin)]);
    let link = mesh.connect(1, 2);
    mesh.edit(1, json!([set("notes/a", json!(0))]));
    let (name, of, at) = ("try".to_owned(), DocPath::default(), None);
    branch(&mut mesh, BranchCommand::Create { name, of, at, purpose: String::new() });
    mesh.edit(1, there(&[set("notes/a", json!("third"))]));
    mesh.cut(link);
    mesh.edit(1, json!([set("notes/a", json!("one"))]));
    mesh.edit(2, json!([set("notes/a", json!("two"))]));
    mesh.connect(1, 2);
    let before = told(&mut mesh, 1);
    merge(&mut mesh);
    let merged = told(&mut mesh, 1);
    assert_eq!(merged.0[0].1.len(), 3);
    take_back(&mut mesh, "several");
    assert_eq!(told(&mut mesh, 2).0, before.0);
    let lost = |mesh: &mut Mesh| match branch(mesh, BranchCommand::List { all: true }) {
        BranchReply::List(page) => page.branches[0].taken_back.clone(),
        other => panic!("{other:?}"),
    };
    let named = lost(&mut mesh);
    let [one] = &named[..] else { panic!("{named:?}") };
    assert_eq!(one.also.len(), 1);
    let (undo, also) = (one.undo.short(), one.also[0].short());
    assert_eq!(one.command(), format!("kern undo {undo} {also} --force"));
    for event in [one.undo, one.also[0]] {
        let undone = mesh.undo(1, Some(event), true);
        assert!(matches!(undone, Reply::Undone(_)), "{undone:?}");
    }
    assert_eq!(told(&mut mesh, 2).0, merged.0);
    assert!(lost(&mut mesh).is_empty());
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn on_the_branch_what_it_holds_goes_on_to_count() {
    let mut mesh = Mesh::of(&[(2, Role::Admin)]);
    let link = mesh.connect(1, 2);
    mesh.edit(1, json!([set("notes/c", json!({"k": 1, "j": 2}))]));
    let (name, of, at) = ("try".to_owned(), DocPath::default(), None);
    branch(&mut mesh, BranchCommand::Create { name, of, at, purpose: String::new() });
    mesh.cut(link);
    let mine = mesh.edit(1, there(&[rm("notes/c/k")]));
    mesh.edit(2, there(&[rm("notes/c/k")]));
    mesh.connect(1, 2);
    for round in 0..2 {
        let not = mesh.not_undone(1, Some(mine));
        assert!(not.reason.contains("apart from it"), "{not:?}");
        merge(&mut mesh);
        mesh.undone(1, None);
        mesh.edit(1, there(&[set("notes/again", json!(round))]));
    }
}

#[test]
fn what_a_merge_brought_that_is_taken_back_counts_for_nothing_also_after_a_later_merge() {
    let mut mesh = parted(&[set("notes/a", json!(0))], &[], &[set("notes/a", json!(1))]);
    let older = mesh.edit(1, json!([set("notes/a", json!(2))]));
    merge(&mut mesh);
    mesh.undone(1, None);
    mesh.edit(2, there(&[set("notes/z", json!(5))]));
    merge(&mut mesh);
    assert_eq!(mesh.get(1, "notes/z"), "5");
    // The later merge brought that alone, and shows the older edit.
    assert_eq!(mesh.undone(1, Some(older)).undoes, older);
    assert_eq!((mesh.get(2, "notes/a"), mesh.get(2, "notes/z")), ("0".into(), "5".into()));
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn where_a_merge_that_replaced_a_side_is_taken_back_each_side_is_told_of_who_wrote_it() {
    // SPEC: CFL-17
    let told = |mesh: &mut Mesh, number: u8| {
        let row = mesh.conflicts(number).remove(0);
        let sides = row.sides.into_iter();
        let mut sides: Vec<_> =
            sides.map(|side| (side.device, side.value.to_string(), side.deleted)).collect();
        sides.sort();
        (row.base.to_string(), sides)
    };
    let below = json!({"q": 1, "s": 1});
    let cases = [
        ("value", json!(1), set("notes/a", json!("phone")), json!("draft"), "notes/a"),
        ("removal", json!(1), rm("notes/a"), json!("draft"), "notes/a"),
        ("below", below, rm("notes/a/q"), json!("draft"), "notes/a"),
        ("item", json!(["p", "q"]), set("notes/a/0", json!("P")), json!("draft"), "notes/a/0"),
    ];
    for (name, shared, theirs, draft, at) in cases {
        for by in [1, 2] {
            let mut mesh = parted(&[set("notes/a", shared.clone())], &[], &[]);
            mesh.edit(1, there(&[set(at, draft.clone())]));
            mesh.edit(2, json!([theirs]));
            merge(&mut mesh);
            let before = told(&mut mesh, 1);
            assert_eq!(before.1.len(), 2, "{name}");
            mesh.edit(1, there(&[set(at, json!("draft 2"))]));
            let second = merge(&mut mesh);
            assert!(matches!(mesh.undo(by, Some(second), false), Reply::Undone(_)), "{name}");
            assert_eq!(
                [1, 2].map(|number| told(&mut mesh, number)),
                [before.clone(), before],
                "{name}"
            );
        }
    }
}

#[test]
fn a_merge_of_what_stands_there_already_holds_no_older_undo_up() {
    // SPEC: UNDO-4
    let mut mesh = Mesh::of(&[(2, Role::Admin)]);
    let of = DocPath::default();
    let create = BranchCommand::Create { name: "try".into(), of, at: None, purpose: String::new() };
    branch(&mut mesh, create);
    mesh.edit(1, there(&[set("notes/k", json!("x"))]));
    let same = mesh.edit(1, json!([set("notes/k", json!("x"))]));
    merge(&mut mesh);
    let later = mesh.edit(1, json!([set("notes/k", json!("y"))]));
    assert_eq!(mesh.undone(1, None).undoes, later);
    // It is passed over; what is written on the branch as well is not taken back unheard.
    let not = mesh.not_undone(1, None);
    assert_eq!((not.refused, not.reason.contains("changed")), (Some(same), true), "{not:?}");
}

#[test]
fn a_merge_is_taken_back_also_where_a_part_of_it_stood_there_already() {
    // SPEC: UNDO-2, CFL-6
    for (at, value) in [("k", json!(2)), ("k", json!("x")), ("l/0", json!("x"))] {
        let shared = vec![set("notes/m", json!({"k": 1, "l": ["y"], "j": 1}))];
        let same = set(&format!("notes/m/{at}"), value);
        let theirs = [same.clone(), set("notes/m/j", json!(9))];
        let mut mesh = parted(&shared, &[same], &theirs);
        let before = told(&mut mesh, 1);
        let event = merge(&mut mesh);
        assert_eq!(mesh.undone(1, None).undoes, event, "{at}");
        assert_eq!([told(&mut mesh, 1), told(&mut mesh, 2)], [before.clone(), before], "{at}");
    }
}
