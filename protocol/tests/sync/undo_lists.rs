//! Conflicts of what is in a list, opened again by who takes their decision back: at the elements,
//! wherever these stand by then. `SPEC: UNDO-2, CFL-17`

use kernelos_protocol::command::{Command, ConflictRow, Reply, SideRow};
use kernelos_protocol::id::DeviceId;
use kernelos_protocol::role::Role;
use serde_json::{Value as Json, json};

use super::mesh::{Mesh, id};

fn set(path: &str, value: Json) -> Json {
    json!({"set": path, "value": value})
}

/// Two devices that know what each did apart to a list and a value.
fn met(shared: &Json, mine: &[Json], theirs: &[Json]) -> Mesh {
    let mut mesh = Mesh::of(&[(2, Role::Admin)]);
    let link = mesh.connect(1, 2);
    mesh.edit(1, json!([set("notes/l", shared.clone()), set("notes/v", json!(0))]));
    mesh.cut(link);
    mesh.edit(1, json!(mine));
    mesh.edit(2, json!(theirs));
    mesh.connect(1, 2);
    mesh
}

type Told = Vec<(String, Vec<(bool, String, Option<DeviceId>)>)>;

/// The places of the conflicts, and who left what there.
fn told(mesh: &mut Mesh, device: u8) -> Told {
    let of = |row: ConflictRow| {
        let side = |side: &SideRow| (side.deleted, side.value.to_string(), side.device);
        let mut sides: Vec<_> = row.sides.iter().map(side).collect();
        sides.sort();
        (row.path.to_string(), sides)
    };
    mesh.conflicts(device).into_iter().map(of).collect()
}

fn decide(mesh: &mut Mesh, at: usize, keep: &str) -> kernelos_protocol::id::EventId {
    let open = mesh.conflicts(1);
    mesh.edit(1, json!([{"resolve": open[at].id, "keep": keep}]))
}

#[test]
fn who_wrote_an_element_is_told_wherever_it_stands_by_now() {
    let mine = [set("notes/l/2", json!("one")), json!({"rm": "notes/l/4"})];
    let theirs = [set("notes/l/2", json!("two")), set("notes/l/4/k", json!(2))];
    let mut mesh = met(&json!(["v", "w", "x", "y", {"k": 0}]), &mine, &theirs);
    let sides =
        |mesh: &mut Mesh| told(mesh, 2).into_iter().map(|(_, sides)| sides).collect::<Vec<_>>();
    let were = sides(&mut mesh);
    for round in 0..2 {
        for at in [0, 1] {
            let event = decide(&mut mesh, at, ["A", "B"][(round + at) % 2]);
            assert_eq!(mesh.undone(1, None).undoes, event, "{round} {at}");
            assert_eq!(sides(&mut mesh), were, "{round} {at}");
        }
        // What stands before them goes, and something else comes.
        mesh.edit(2, json!([{"rm": "notes/l/0"}]));
        assert_eq!(sides(&mut mesh), were, "{round}");
        mesh.edit(2, json!([{"append": "notes/l", "value": ["more"]}]));
        assert_eq!(sides(&mut mesh), were, "{round}");
    }
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn conflicts_in_one_list_are_opened_again_each_by_itself_and_by_who_wrote_each_side() {
    let shared = json!(["x", "y", "z", ["deep"], {"k": 0}]);
    let wrote = |who: &str| {
        let at = |path: &str| set(path, json!(format!("{who} {path}")));
        vec![at("notes/l/0"), at("notes/l/2"), at("notes/l/3/0")]
    };
    let mine = [wrote("one"), vec![json!({"rm": "notes/l/4"})]].concat();
    let theirs = [wrote("two"), vec![json!({"set": "notes/l/4/k", "value": 2})]].concat();
    let mut mesh = met(&shared, &mine, &theirs);
    let were = told(&mut mesh, 1);
    assert_eq!(were.len(), 4, "{were:?}");
    for (round, which) in
        [&[0][..], &[1, 2], &[3], &[0, 1, 2, 3], &[0, 1, 2, 3], &[3]].iter().enumerate()
    {
        let open = mesh.conflicts(1);
        let letter = ["A", "B"][round % 2];
        let keep = |at: &usize| json!({"resolve": open[*at].id, "keep": letter});
        let event = mesh.edit(1, json!(which.iter().map(keep).collect::<Vec<_>>()));
        assert_eq!(mesh.conflicts(2).len(), 4 - which.len(), "{round}");
        let undone = mesh.undone(1, None);
        assert_eq!((undone.undoes, undone.reopened), (event, true), "{round}");
        assert_eq!(
            [told(&mut mesh, 1), told(&mut mesh, 2)],
            [were.clone(), were.clone()],
            "{round}"
        );
        mesh.assert_equal(&[1, 2]);
    }
}

#[test]
fn two_that_were_decided_one_after_the_other_in_one_list_are_taken_back_so() {
    let did = |kind: &str, at: &str, value: &str| match kind {
        "set" => set(at, json!(value)),
        "below" => set(&format!("{at}/s"), json!(value)),
        _ => json!({"rm": at}),
    };
    let kinds = [("set", "set"), ("none", "set"), ("none", "below"), ("set", "below")];
    let all = kinds.iter().flat_map(|first| kinds.iter().map(move |second| (first, second)));
    for (first, second) in all {
        let keep = if first == second { "A" } else { "B" };
        // What is behind goes first: it is named by where it stands.
        let mine = [did(second.0, "notes/l/2", "uno"), did(first.0, "notes/l/0", "one")];
        let theirs = [did(second.1, "notes/l/2", "due"), did(first.1, "notes/l/0", "two")];
        let mut mesh = met(&json!([{"s": 0}, "m", {"s": 1}, "e"]), &mine, &theirs);
        let were = told(&mut mesh, 1);
        assert_eq!(were.len(), 2, "{first:?} {second:?}");
        let (one, other) = (decide(&mut mesh, 0, keep), decide(&mut mesh, 0, keep));
        assert_eq!(mesh.undone(1, None).undoes, other, "{first:?} {second:?}");
        assert_eq!(mesh.conflicts(2).len(), 1);
        assert_eq!(mesh.undone(1, None).undoes, one, "{first:?} {second:?}");
        // A hidden one is shown where it is opened again, and what is behind has other numbers.
        let sides = |told: Told| told.into_iter().map(|(_, sides)| sides).collect::<Vec<_>>();
        let are = [sides(told(&mut mesh, 1)), sides(told(&mut mesh, 2))];
        assert_eq!(are, [sides(were.clone()), sides(were)], "{first:?} {second:?}");
    }
}

#[test]
fn an_element_that_is_gone_is_not_taken_for_the_one_that_has_its_number_since() {
    let mine = [json!({"rm": "notes/l/1"}), set("notes/l/1", json!("one"))];
    let theirs = [set("notes/l/1/y", json!(2)), set("notes/l/2", json!("two"))];
    let shared = json!(["a", {"y": 0}, "c"]);
    let mut mesh = met(&shared, &mine[..1], &theirs[..1]);
    // A read waits for no index: from here on it has taken all in.
    assert_eq!(mesh.conflicts(1).len(), 1);
    let Reply::Read(read) = mesh.ask(1, Command::Read { path: "notes/l/1".parse().unwrap() })
    else {
        panic!()
    };
    assert!(!read.conflict && read.value == "c", "{read:?}");
    let edits = serde_json::from_value(json!([set("notes/l/1", json!("d"))])).unwrap();
    let Reply::Edited(edited) = mesh.ask(1, Command::Edit { edits }) else { panic!() };
    assert_eq!((edited.decided, mesh.conflicts(2).len()), (vec![], 1));
    // Both have one number, and each is decided and taken back by itself.
    let mut mesh = met(&shared, &mine, &theirs);
    let were = told(&mut mesh, 1);
    let paths: Vec<_> = were.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["notes/l/1", "notes/l/1"]);
    for keep in ["A", "B"] {
        for at in [0, 1] {
            let event = decide(&mut mesh, at, keep);
            assert_eq!(mesh.undone(1, None).undoes, event, "{at} {keep}");
            let sides = |told: Told| -> Vec<_> {
                let mut sides: Vec<_> = told.into_iter().map(|(_, sides)| sides).collect();
                sides.sort();
                sides
            };
            assert_eq!(sides(told(&mut mesh, 2)), sides(were.clone()), "{at} {keep}");
        }
    }
}

#[test]
fn a_decision_is_opened_again_also_where_the_same_event_left_nothing_to_put_back_elsewhere() {
    let mut mesh = met(&json!([]), &[json!({"rm": "notes/v"})], &[set("notes/v", json!(2))]);
    let made = mesh.ask(1, Command::CreateBoard { name: "g".to_owned() });
    assert!(matches!(made, Reply::BoardMade { .. }), "{made:?}");
    mesh.edit(1, json!([set("boards/g/notes/x", json!(0))]));
    let both = [set("notes/v", json!(9)), set("boards/g/notes/x", json!(1))];
    let event = mesh.edit(1, json!(both));
    mesh.edit(1, json!([set("boards/g/notes/x", json!(0))]));
    let reply = mesh.undo(1, Some(event), true);
    let Reply::Undone(undone) = reply else { panic!("{reply:?}") };
    assert!(undone.reopened, "{undone:?}");
    let were = vec![(true, "null".to_owned(), Some(id(1))), (false, "2".to_owned(), Some(id(2)))];
    let mut open = told(&mut mesh, 2);
    open[0].1.sort_by_key(|side| std::cmp::Reverse(side.0));
    assert_eq!(open, [("notes/v".to_owned(), were)]);
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn a_place_is_in_conflict_also_where_a_removal_is_the_other_side() {
    // SPEC: CFL-6
    let mut mesh = met(&json!([]), &[json!({"rm": "notes/v"})], &[set("notes/v", json!(2))]);
    assert_eq!(mesh.conflicts(1).len(), 1);
    let Reply::Read(read) = mesh.ask(1, Command::Read { path: "notes/v".parse().unwrap() }) else {
        panic!()
    };
    assert!(read.conflict && read.value == 2, "{read:?}");
    let edits = serde_json::from_value(json!([set("notes/v", json!(9))])).unwrap();
    let Reply::Edited(edited) = mesh.ask(1, Command::Edit { edits }) else { panic!() };
    assert_eq!(edited.decided, ["notes/v".parse().unwrap()]);
}

#[test]
fn many_edits_over_many_conflicts_tell_each_that_they_decide() {
    // One look at the conflicts for all of them.
    let many = |value: &str| -> Vec<_> {
        (0..300).map(|at| set(&format!("notes/{at}"), json!(value))).collect()
    };
    let mut mesh = met(&json!([]), &many("one"), &many("two"));
    let edits = serde_json::from_value(json!(many("three"))).unwrap();
    let Reply::Edited(edited) = mesh.ask(1, Command::Edit { edits }) else { panic!() };
    assert_eq!(edited.decided.len(), 300);
    assert!(mesh.conflicts(2).is_empty());
}

/// What is done in a list and taken back between a decision in it and its undo, and that undo.
#[test]
fn an_undo_in_a_list_leaves_what_stands_beside_it_and_older_decisions_are_taken_back_behind_it() {
    // SPEC: UNDO-2, UNDO-3
    let set = |path: &str, value: Json| json!({"set": format!("notes/l{path}"), "value": value});
    let rm = |path: &str| json!({"rm": format!("notes/l{path}")});
    let between = [
        rm("/2"),
        rm("/0"),
        set("/2", json!(5)),
        set("/2/k", json!(5)),
        set("/3", json!("end")),
        json!({"append": "notes/l", "value": ["x", "y"]}),
    ];
    for edit in &between {
        for keep in ["A", "B"] {
            for by in [1, 2] {
                let mut mesh = Mesh::of(&[(2, Role::Admin)]);
                let link = mesh.connect(1, 2);
                mesh.edit(1, json!([set("", json!([{"k": 0}, "q", {"k": 2}]))]));
                mesh.cut(link);
                mesh.edit(1, json!([set("/1", json!("Q"))]));
                mesh.edit(2, json!([set("/1", json!("P"))]));
                mesh.connect(1, 2);
                let told = |mesh: &mut Mesh| {
                    let row = mesh.conflicts(1).remove(0);
                    let side = |side: kernelos_protocol::command::SideRow| {
                        (side.value.to_string(), side.device)
                    };
                    let mut sides: Vec<_> = row.sides.into_iter().map(side).collect();
                    sides.sort();
                    (row.path.to_string(), row.base.to_string(), sides)
                };
                let before = told(&mut mesh);
                let resolve = mesh.conflicts(1)[0].id;
                let decision = mesh.edit(1, json!([{"resolve": resolve, "keep": keep}]));
                let shown = mesh.get(1, "notes/l");
                let edited = mesh.edit(by, json!([edit]));
                mesh.undone(by, Some(edited));
                assert_eq!(mesh.get(1, "notes/l"), shown, "{edit} {keep}");
                mesh.undone(1, Some(decision));
                assert_eq!(told(&mut mesh), before, "{edit} {keep}");
                mesh.assert_equal(&[1, 2]);
            }
        }
    }
}

#[test]
fn an_edit_beside_an_open_conflict_in_a_list_is_taken_back_and_decides_nothing() {
    // SPEC: UNDO-2
    let set = |path: &str, value: Json| json!({"set": format!("notes/l{path}"), "value": value});
    let edits = [
        set("/2", json!(5)),
        json!({"rm": "notes/l/2"}),
        set("/2/k", json!(7)),
        set("/1/j", json!(7)),
        json!({"rm": "notes/l/0"}),
    ];
    for edit in &edits {
        let mut mesh = Mesh::of(&[(2, Role::Admin)]);
        let link = mesh.connect(1, 2);
        mesh.edit(1, json!([set("", json!([{"k": 1}, {"k": 2}, {"k": 3}]))]));
        mesh.cut(link);
        mesh.edit(1, json!([set("/1/k", json!("A"))]));
        mesh.edit(2, json!([set("/1/k", json!("B"))]));
        mesh.connect(1, 2);
        let (open, shown) = (mesh.conflicts(1), mesh.get(1, "notes/l"));
        let edited = mesh.edit(1, json!([edit]));
        assert_eq!(mesh.undone(1, None).undoes, edited, "{edit}");
        assert_eq!((mesh.conflicts(2), mesh.get(2, "notes/l")), (open, shown), "{edit}");
        mesh.assert_equal(&[1, 2]);
    }
}

#[test]
fn who_takes_a_removal_back_apart_brings_one_item_back_and_it_is_the_same() {
    // SPEC: UNDO-2
    let lists = [
        (json!(["p", "q", "r"]), 1),
        (json!(["a", "a", "a"]), 0),
        (json!([1, 2, 3]), 2),
        (json!([{"k": [1]}, "x"]), 0),
    ];
    for (list, at) in lists {
        let mut mesh = Mesh::of(&[(2, Role::Admin)]);
        let link = mesh.connect(1, 2);
        mesh.edit(1, json!([set("notes/l", list.clone())]));
        let removed = mesh.edit(1, json!([{"rm": format!("notes/l/{at}")}]));
        let left = mesh.get(1, "notes/l");
        mesh.cut(link);
        let undone = [1, 2].map(|number| mesh.undone(number, Some(removed)));
        mesh.connect(1, 2);
        assert_eq!(
            [1, 2].map(|number| mesh.get(number, "notes/l")),
            [list.to_string(), list.to_string()]
        );
        mesh.assert_equal(&[1, 2]);
        // By the one who did, it is gone again, and the other's stands.
        assert!(undone.iter().all(|undone| !undone.reopened), "{list}");
        let mut mesh = Mesh::of(&[]);
        mesh.edit(1, json!([set("notes/l", list.clone())]));
        let removed = mesh.edit(1, json!([{"rm": format!("notes/l/{at}")}]));
        let undone = mesh.undone(1, Some(removed));
        assert_eq!(mesh.get(1, "notes/l"), list.to_string());
        mesh.undone(1, Some(undone.event));
        assert_eq!(mesh.get(1, "notes/l"), left);
    }
}

#[test]
fn of_an_item_that_was_removed_and_came_back_an_older_decision_is_taken_back() {
    // SPEC: UNDO-2
    for keep in ["A", "B"] {
        for by in [1, 2] {
            let mut mesh = Mesh::of(&[(2, Role::Admin)]);
            let link = mesh.connect(1, 2);
            mesh.edit(1, json!([set("notes/l", json!(["o", "p", "q"]))]));
            mesh.cut(link);
            mesh.edit(1, json!([set("notes/l/1", json!("one"))]));
            mesh.edit(2, json!([set("notes/l/1", json!("two"))]));
            mesh.connect(1, 2);
            let sides = |mesh: &mut Mesh| {
                let row = mesh.conflicts(1).remove(0);
                let of = row.sides.into_iter().map(|side| (side.value.to_string(), side.device));
                let mut of: Vec<_> = of.collect();
                of.sort();
                (row.path.to_string(), of)
            };
            let before = sides(&mut mesh);
            let resolve = mesh.conflicts(1)[0].id;
            let decision = mesh.edit(1, json!([{"resolve": resolve, "keep": keep}]));
            let removed = mesh.edit(by, json!([{"rm": "notes/l/1"}]));
            mesh.undone(1, Some(removed));
            mesh.undone(1, Some(decision));
            assert_eq!(sides(&mut mesh), before, "{keep} {by}");
            mesh.assert_equal(&[1, 2]);
        }
    }
}

#[test]
fn a_list_that_was_replaced_and_is_put_back_by_two_apart_is_there_once() {
    // SPEC: UNDO-2
    let (list, other) = (json!(["a", "b", "c", "d"]), json!(["a", "d"]));
    let mut mesh = Mesh::of(&[(2, Role::Admin)]);
    let link = mesh.connect(1, 2);
    mesh.edit(1, json!([set("notes/l", list.clone())]));
    let replaced = mesh.edit(1, json!([set("notes/l", other)]));
    mesh.cut(link);
    for number in [1, 2] {
        mesh.undone(number, Some(replaced));
    }
    mesh.connect(1, 2);
    let shown = [1, 2].map(|number| mesh.get(number, "notes/l"));
    assert_eq!(shown, [list.to_string(), list.to_string()]);
}

#[test]
fn what_is_written_apart_in_an_item_that_was_replaced_lands_in_no_other() {
    // SPEC: UNDO-2
    let (mum, rent) = (json!({"t": "call mum", "due": 5}), json!({"t": "pay rent", "sum": 900}));
    let batch = |at: &str| json!([{"rm": at}, {"set": at, "value": {"t": "pay rent"}}]);
    let cases = [
        (json!([mum, 1]), json!([set("notes/l/0", rent.clone())]), "notes/l/0"),
        (json!([{"x": mum}, 1]), json!([set("notes/l/0/x", rent.clone())]), "notes/l/0/x"),
        (json!([mum, {"t": 2}]), batch("notes/l/0"), "notes/l/0"),
        (json!([[mum]]), json!([set("notes/l/0/0", rent)]), "notes/l/0/0"),
    ];
    for (list, replaced, at) in cases {
        let mut mesh = Mesh::of(&[(2, Role::Admin)]);
        let link = mesh.connect(1, 2);
        mesh.edit(1, json!([set("notes/l", list.clone())]));
        let replaced = mesh.edit(1, replaced);
        mesh.cut(link);
        mesh.edit(2, json!([set(&format!("{at}/done"), json!(true))]));
        mesh.undone(1, Some(replaced));
        assert_eq!(mesh.get(1, "notes/l"), list.to_string());
        mesh.connect(1, 2);
        let shown = mesh.get(1, "notes/l");
        let is_conflict = mesh.conflicts(1).len() == 1;
        // Whoever is shown, the one that is done is that which was meant.
        assert!(is_conflict && !shown.contains("done\":true,\"due"), "{at} {shown}");
        mesh.assert_equal(&[1, 2]);
    }
}
