//! Taking back what an event did.

use std::collections::{BTreeMap, BTreeSet};

use kernelos_protocol::command::{
    Chosen, Command, ConflictPage, ConflictRow, FailureKind, Reply, Take, choose,
};
use kernelos_protocol::id::{DeviceId, EventId, Signature};
use kernelos_protocol::key::DeviceKey;
use kernelos_protocol::present;
use kernelos_protocol::role::Role;
use kernelos_protocol::time::Stamp;
use serde_json::{Value as Json, json};

use super::mesh::{Mesh, id};
use crate::kit::secret;

fn notes(mesh: &mut Mesh, number: u8) -> Json {
    serde_json::from_str(&mesh.get(number, "notes")).unwrap()
}

#[test]
fn every_kind_of_edit_is_taken_back_to_what_was_there_before() {
    // SPEC: UNDO-1, UNDO-2
    let before = json!({
        "text": "rain", "list": [1, 2, [3]], "map": {"a": 1, "b": {"c": null}}, "number": -0.5,
    });
    for edits in [
        json!([{"set": "notes/new", "value": {"deep": {"er": 1}}}]),
        json!([{"set": "notes/way/down/there", "value": 1}]),
        json!([{"set": "notes/text", "value": "sun"}]),
        json!([{"append": "notes/text", "value": " and sun"}]),
        json!([{"append": "notes/list", "value": [4, {"five": 5}]}]),
        json!([{"set": "notes/list/0", "value": true}]),
        json!([{"rm": "notes/list/2"}]),
        json!([{"rm": "notes/map"}]),
        json!([{"rm": "notes/map/b"}, {"set": "notes/map/a", "value": 2}]),
        json!([{"set": "notes/number", "value": 7}, {"rm": "notes/text"}]),
        json!([{"set": "notes/map", "value": []}]),
    ] {
        let mut mesh = Mesh::of(&[]);
        let fields = before.as_object().unwrap().iter();
        let set = fields.map(|(key, value)| json!({"set": format!("notes/{key}"), "value": value}));
        mesh.edit(1, set.collect());
        let event = mesh.edit(1, edits.clone());
        let after = notes(&mut mesh, 1);
        assert_ne!(after, before, "{edits}");
        let first = mesh.undone(1, None);
        assert_eq!(first.undoes, event, "{edits}");
        assert_eq!(notes(&mut mesh, 1), before, "{edits}");
        // What takes back is an event, and so is what takes that back.
        let again = mesh.undone(1, Some(first.event));
        assert_eq!((again.undoes, notes(&mut mesh, 1)), (first.event, after), "{edits}");
    }
}

#[test]
fn one_after_the_other_is_taken_back_until_nothing_is_left() {
    // SPEC: UNDO-4
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let events: Vec<_> =
        (0..3).map(|n| mesh.edit(1, json!([{"set": format!("notes/{n}"), "value": n}]))).collect();
    for event in events.iter().rev() {
        assert_eq!(mesh.undone(1, None).undoes, *event);
    }
    assert_eq!(notes(&mut mesh, 1), json!({}));
    // The grant is what is left, and then nothing: names that the program writes are passed over.
    let grant = mesh.undone(1, None);
    assert!(!mesh.device(1).replica.workspace().is_empty());
    let Reply::Devices { devices } = mesh.ask(1, Command::Devices) else { panic!() };
    let role = |devices: &[kernelos_protocol::command::DeviceRow]| {
        devices.iter().find(|row| row.id == id(2)).unwrap().role
    };
    assert_eq!(role(&devices), None, "{grant:?}");
    let Reply::NotUndone(left) = mesh.undo(1, None, false) else { panic!() };
    assert_eq!((left.refused, left.by, left.force), (None, None, None));
    assert_eq!(
        left.reason,
        "all that this device did and an undo takes back is taken back already"
    );
    // The revocation that took the grant back is taken back by its name.
    assert_eq!(mesh.undone(1, Some(grant.event)).undoes, grant.event);
    let Reply::Devices { devices } = mesh.ask(1, Command::Devices) else { panic!() };
    assert_eq!(role(&devices), Some(Role::Member));
}

#[test]
fn what_somebody_built_on_is_not_taken_back_without_force() {
    // SPEC: UNDO-3
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    let first = mesh.edit(1, json!([{"set": "notes/a", "value": {"x": 1}}]));
    let second = mesh.edit(2, json!([{"set": "notes/a/y", "value": 2}]));
    let not = mesh.not_undone(1, Some(first));
    assert_eq!((not.refused, not.by), (Some(first), Some(second)));
    assert_eq!(not.force, Some(format!("kern undo {} --force", first.short())));
    assert!(not.reason.contains(&second.short()), "{}", not.reason);
    assert_eq!(notes(&mut mesh, 1), json!({"a": {"x": 1, "y": 2}}), "nothing was done");

    let third = mesh.edit(2, json!([{"set": "notes/a", "value": "other"}]));
    assert_eq!(mesh.not_undone(1, Some(first)).by, Some(third));
    let gone = mesh.edit(2, json!([{"rm": "notes/a"}]));
    assert_eq!(mesh.not_undone(1, Some(third)).by, Some(gone), "who removed it is named, too");
    assert_eq!(mesh.undone(1, Some(gone)).undoes, gone, "whoever wrote it");
    assert!(mesh.not_undone(1, Some(second)).reason.contains("changed since"));
    assert!(matches!(mesh.undo(1, Some(third), true), Reply::Undone(_)));
    assert_eq!(notes(&mut mesh, 2), json!({"a": {"x": 1, "y": 2}}));
    mesh.assert_equal(&[1, 2]);
}

/// The places in conflict that a device lists.
fn in_conflict(mesh: &mut Mesh, number: u8) -> Vec<String> {
    let Reply::Conflicts(page) = mesh.ask(number, Command::Conflicts) else { panic!() };
    page.conflicts.iter().map(|row| row.path.to_string()).collect()
}

#[test]
fn what_was_written_apart_below_what_an_event_removed_or_replaced_is_not_taken_back_unsaid() {
    // SPEC: UNDO-3
    let shared = json!({"x": 1, "deep": {"y": 1}, "text": "rain", "list": [{"z": 1}, 2]});
    let set = |value: Json| json!([{"set": "notes/a", "value": value}]);
    let gone = [
        json!([{"rm": "notes/a"}]),
        set(json!(7)),
        set(json!("a text")),
        set(json!({"other": 1})),
        json!([{"rm": "notes/a/deep"}, {"rm": "notes/a/text"}, {"rm": "notes/a/list/0"}]),
    ];
    let below = [
        json!([{"set": "notes/a/deep/y", "value": 2}]),
        json!([{"append": "notes/a/text", "value": " and sun"}]),
        json!([{"set": "notes/a/list/0/z", "value": 2}]),
        json!([
            {"set": "notes/a/deep/new/way", "value": {}},
            {"set": "notes/a/deep/new/way/down", "value": 2},
        ]),
    ];
    for (gone, below) in gone.iter().flat_map(|gone| below.iter().map(move |below| (gone, below))) {
        let mut mesh = Mesh::of(&[(2, Role::Member)]);
        let link = mesh.connect(1, 2);
        mesh.edit(1, set(shared.clone()));
        mesh.cut(link);
        let mine = mesh.edit(1, gone.clone());
        let each = below.as_array().unwrap().iter();
        // The last one is named, also where it wrote to what one before it made there.
        let theirs = each.map(|one| mesh.edit(2, json!([one]))).last().unwrap();
        mesh.connect(1, 2);
        let (open, shows) = (in_conflict(&mut mesh, 1), notes(&mut mesh, 1));
        assert_eq!(open.len(), 1, "{gone} {below}");
        for event in [None, Some(mine)] {
            let Reply::NotUndone(not) = mesh.undo(1, event, false) else {
                panic!("{gone} {below} {:?}", notes(&mut mesh, 1));
            };
            assert_eq!((not.refused, not.by), (Some(mine), Some(theirs)), "{gone} {below}");
            assert_eq!(not.force, Some(format!("kern undo {} --force", mine.short())));
        }
        assert_eq!((in_conflict(&mut mesh, 2), notes(&mut mesh, 2)), (open, shows));
        assert!(matches!(mesh.undo(1, Some(mine), true), Reply::Undone(_)));
        assert_eq!(notes(&mut mesh, 2), json!({"a": shared}), "who insists gets it");
        mesh.assert_equal(&[1, 2]);
    }
}

#[test]
fn what_shows_what_was_there_before_has_nothing_below_it_that_an_undo_could_lose() {
    // SPEC: UNDO-3, UNDO-4
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    let set = json!([{"set": "notes/a", "value": {"x": 1}}]);
    let first = mesh.edit(1, json!([{"set": "notes/first", "value": 1}]));
    mesh.edit(2, set.clone());
    mesh.cut(link);
    mesh.edit(1, json!([{"rm": "notes/a"}, set[0]]));
    mesh.edit(2, json!([{"set": "notes/a/x", "value": 2}]));
    mesh.connect(1, 2);
    assert_eq!(mesh.undone(1, None).undoes, first);
    assert_eq!(in_conflict(&mut mesh, 1), ["notes/a"]);
}

#[test]
fn what_was_taken_back_is_shown_so_on_every_device_and_not_taken_back_twice() {
    // SPEC: CNT-12, UNDO-4
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    let event = mesh.edit(1, json!([{"set": "notes/a", "value": 1}]));
    let undone = mesh.undone(1, None);
    let again = mesh.not_undone(1, Some(event));
    let reason = format!("it is taken back already, by event {}", undone.event.short());
    assert_eq!((again.reason, again.by, again.force), (reason, Some(undone.event), None));
    for number in [1, 2] {
        let Reply::Log(page) = mesh.ask(number, Command::Log { from: 0, limit: 100 }) else {
            panic!()
        };
        let row = |id| page.rows.iter().find(|row| row.id == Some(id)).unwrap().clone();
        let (back, was) = (row(undone.event), row(event));
        assert_eq!((back.kind.as_str(), was.kind.as_str()), ("undo", "change"));
        assert_eq!(back.reason, Some(format!("it takes back {}", event.short())));
        assert_eq!(was.reason, Some(format!("taken back by {}", undone.event.short())));
    }
}

#[test]
fn a_resolution_is_taken_back_and_the_conflict_is_open_again_everywhere() {
    // SPEC: UNDO-2
    for (ours, theirs, decided) in
        [(json!("ours"), json!("theirs"), json!("both")), (json!(1), json!({"a": [2]}), json!(1))]
    {
        let mut mesh = Mesh::of(&[(2, Role::Member)]);
        let link = mesh.connect(1, 2);
        mesh.cut(link);
        let first = mesh.edit(1, json!([{"set": "notes/a", "value": ours}]));
        mesh.edit(2, json!([{"set": "notes/a", "value": theirs}]));
        mesh.connect(1, 2);
        let not = mesh.not_undone(1, Some(first));
        assert!(not.reason.contains("\"notes/a\" was changed apart from it: event "), "{not:?}");
        let page = |mesh: &mut Mesh, number| match mesh.ask(number, Command::Conflicts) {
            Reply::Conflicts(page) => page,
            other => panic!("{other:?}"),
        };
        let values = |page: &ConflictPage| {
            let sides = page.conflicts[0].sides.iter();
            sides.map(|side| side.value.to_string()).collect::<BTreeSet<_>>()
        };
        let open = page(&mut mesh, 1);
        let resolve = open.conflicts[0].id;
        let event = mesh.edit(1, json!([{"resolve": resolve, "value": decided}]));
        assert!(page(&mut mesh, 2).conflicts.is_empty());
        let undone = mesh.undone(1, None);
        assert_eq!(undone.undoes, event);
        let again = page(&mut mesh, 2);
        assert_eq!(values(&again), values(&open));
        assert_eq!(again, page(&mut mesh, 1));
        // It is decided once more, and edits go on from there.
        mesh.edit(2, json!([{"resolve": again.conflicts[0].id, "value": "peace"}]));
        mesh.edit(1, json!([{"set": "notes/b", "value": 1}]));
        assert_eq!(notes(&mut mesh, 1), json!({"a": "peace", "b": 1}));
        mesh.assert_equal(&[1, 2]);
    }
}

#[test]
fn sides_that_an_undo_put_back_are_those_of_who_wrote_them_and_taken_by_their_names() {
    // SPEC: UNDO-2, CFL-15, CFL-17
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.connect(1, 3);
    mesh.cut(link);
    mesh.edit(1, json!([{"set": "notes/a", "value": "ours"}]));
    mesh.edit(2, json!([{"set": "notes/a", "value": {"the": "others"}}]));
    mesh.connect(1, 2);
    let page = |mesh: &mut Mesh, number| match mesh.ask(number, Command::Conflicts) {
        Reply::Conflicts(page) => page.conflicts,
        other => panic!("{other:?}"),
    };
    type Wrote = BTreeSet<(String, Option<DeviceId>, Option<EventId>, Option<Stamp>)>;
    let wrote = |rows: &[ConflictRow]| -> Wrote {
        let sides = rows[0].sides.iter();
        sides.map(|side| (side.value.to_string(), side.device, side.event, side.time)).collect()
    };
    let open = page(&mut mesh, 1);
    assert!(open[0].sides.iter().all(|side| side.put_back.is_none()));
    // A third decides, and takes it back; twice, so the second undo puts back what one put back.
    for turn in 1..=2 {
        let resolve = page(&mut mesh, 3)[0].id;
        mesh.edit(3, json!([{"resolve": resolve, "value": turn}]));
        mesh.undone(3, None);
        for number in [1, 2, 3] {
            let again = page(&mut mesh, number);
            assert_eq!(wrote(&again), wrote(&open), "turn {turn}");
            let backs: BTreeSet<_> = again[0].sides.iter().map(|side| side.put_back).collect();
            assert!(backs.len() == 2 && !backs.contains(&None), "{backs:?}");
            let text = present::to_text(&present::conflicts(
                &ConflictPage { conflicts: again, more: 0, total: 1, next: None },
                &BTreeMap::new(),
            ));
            assert!(text.contains(", put back by "), "{text}");
        }
    }
    let rows = page(&mut mesh, 1);
    let take = |device| choose(&rows, &Take::Device(device)).remove(0).chosen;
    let Chosen::Keep { then, .. } = take(id(1)) else { panic!() };
    assert_eq!(then, "ours");
    assert!(matches!(take(id(3)), Chosen::Open(_)), "who took back wrote none of them");
    let Chosen::Keep { side, .. } = take(id(2)) else { panic!() };
    mesh.edit(1, json!([{"resolve": rows[0].id, "keep": side}]));
    assert_eq!(notes(&mut mesh, 3), json!({"a": {"the": "others"}}));
    mesh.assert_equal(&[1, 2, 3]);
}

#[test]
fn sides_that_two_undos_of_one_resolution_put_back_are_those_of_who_wrote_them() {
    // SPEC: CFL-15, CFL-17, UNDO-2
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member), (4, Role::Member)]);
    let apart = mesh.connect(1, 2);
    for number in [3, 4] {
        mesh.connect(1, number);
    }
    mesh.cut(apart);
    mesh.edit(1, json!([{"set": "notes/a", "value": "ours"}]));
    mesh.edit(2, json!([{"set": "notes/a", "value": "theirs"}]));
    mesh.connect(1, 2);
    let Reply::Conflicts(page) = mesh.ask(1, Command::Conflicts) else { panic!() };
    let decided = json!([{"resolve": page.conflicts[0].id, "value": "both"}]);
    let decided = mesh.edit(1, decided);
    let open = mesh.links.iter().filter(|(_, ends)| **ends != (0, 0));
    let links: Vec<_> = open.map(|(link, _)| *link).collect();
    links.into_iter().for_each(|link| mesh.cut(link));
    for number in [3, 4] {
        mesh.undone(number, Some(decided));
    }
    for number in [2, 3, 4] {
        mesh.connect(1, number);
    }
    let Reply::Conflicts(page) = mesh.ask(1, Command::Conflicts) else { panic!() };
    let sides: BTreeSet<_> =
        page.conflicts[0].sides.iter().map(|side| (side.value.to_string(), side.device)).collect();
    let wrote = [("\"ours\"", 1), ("\"theirs\"", 2)];
    let wrote = wrote.map(|(value, device)| (value.to_owned(), Some(id(device))));
    assert_eq!((page.conflicts[0].sides.len(), sides), (4, BTreeSet::from(wrote)));
    // Two changes wrote the four sides: each is told of once, and of the other alone.
    let why = &page.conflicts[0].why;
    assert!(why.starts_with("Neither change has the other in its past: "), "{why}");
    assert_eq!(why.matches(" was made knowing no change of ").count(), 2, "{why}");
    assert!(!why.contains("and so on"), "{why}");
    let choices = choose(&page.conflicts, &Take::Device(id(2)));
    let Chosen::Keep { then, .. } = &choices[0].chosen else { panic!("{choices:?}") };
    assert_eq!(then, "theirs");
    mesh.edit(1, json!([choices[0].edit().unwrap()]));
    assert_eq!(notes(&mut mesh, 4), json!({"a": "theirs"}));
    mesh.assert_equal(&[1, 2, 3, 4]);
}

#[test]
fn what_cannot_be_taken_back_says_why() {
    // SPEC: UNDO-1, UNDO-4
    let mut mesh = Mesh::of(&[(2, Role::Observer)]);
    mesh.connect(1, 2);
    let event = mesh.edit(1, json!([{"set": "notes/a", "value": 1}]));
    match mesh.undo(2, Some(event), false) {
        Reply::Failed(failure) => assert_eq!(failure.kind, FailureKind::Denied),
        other => panic!("{other:?}"),
    }
    match mesh.undo(2, None, false) {
        Reply::NotUndone(not) => {
            assert_eq!(not.reason, "this device did nothing that can be taken back");
        }
        other => panic!("{other:?}"),
    }
    let epoch = mesh.device(1).replica.workspace().order(0).nth(1).copied().unwrap();
    assert!(mesh.not_undone(1, Some(epoch)).reason.starts_with("only edits"));
}

#[test]
fn what_changed_several_documents_is_taken_back_in_all_of_them() {
    // SPEC: UNDO-2, PRJ-10
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    let made = mesh.ask(1, Command::CreateBoard { name: "garden".to_owned() });
    let Reply::BoardMade { event: made, .. } = made else { panic!("{made:?}") };
    let event = mesh.edit(
        1,
        json!([{"set": "boards/garden/notes/a", "value": 1}, {"set": "notes/b", "value": 2}]),
    );
    assert_eq!(mesh.get(2, "boards/garden/notes/a"), "1");
    assert!(mesh.not_undone(2, Some(made)).reason.contains("kept by the program"));
    assert_eq!(mesh.undone(1, None).undoes, event);
    for number in [1, 2] {
        assert_eq!(mesh.get(number, "boards/garden/notes"), "{}");
        assert_eq!(notes(&mut mesh, number), json!({}));
    }
    mesh.assert_equal(&[1, 2]);
}

/// A grant of this role to device 2, as its name.
fn grant(role: Role) -> Command {
    let member = DeviceKey::from_secret(&secret(2));
    let statement = member.sealing_statement();
    Command::Grant {
        device: member.device(),
        sealing_key: statement.key,
        sealing_signature: Signature(statement.signature),
        role,
        name: "phone".to_owned(),
        rule: "test".to_owned(),
        uses: None,
    }
}

#[test]
fn a_device_comes_back_as_what_it_was_and_is_not_put_out_by_one_grant_of_two() {
    // SPEC: UNDO-1
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Owner)]);
    mesh.connect(1, 3);
    let Reply::Granted { event: second, .. } = mesh.ask(3, grant(Role::Member)) else { panic!() };
    let why = mesh.not_undone(3, Some(second)).reason;
    assert!(why.starts_with("the device has its role by grant "), "{why}");
    assert!(!why.contains(&second.short()), "the other is named: {why}");
    let Reply::Granted { event: higher, .. } = mesh.ask(3, grant(Role::Admin)) else { panic!() };
    let revoke = Command::Revoke { device: id(2), reason: String::new() };
    let Reply::Revoked { event: revoked } = mesh.ask(1, revoke) else { panic!() };
    assert!(mesh.not_undone(3, Some(higher)).reason.contains("not stand any more"));
    assert_eq!(mesh.undone(1, Some(revoked)).undoes, revoked);
    for number in [1, 3] {
        let Reply::Devices { devices } = mesh.ask(number, Command::Devices) else { panic!() };
        let role = devices.iter().find(|row| row.id == id(2)).unwrap().role;
        assert_eq!(role, Some(Role::Admin), "the highest that it had");
    }
    assert!(mesh.not_undone(1, Some(revoked)).reason.contains("a member again"));
}
