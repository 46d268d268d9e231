//! Taking back without a name: which event is the last, which are passed over, and what is said
//! where nothing is left. And taking back all events of many decisions.

use std::collections::{BTreeMap, BTreeSet};

use kernelos_protocol::command::{
    BranchCommand, Command, ConflictPage, ConflictRow, Reply, Take, batches, choose,
};
use kernelos_protocol::document::{DocPath, Edit};
use kernelos_protocol::id::EventId;
use kernelos_protocol::limits::{CONFLICTS_DECIDED_MAX, UNDO_PASSED_MAX};
use kernelos_protocol::present;
use kernelos_protocol::role::Role;
use serde_json::{Value as Json, json};

use super::mesh::{Mesh, id};

#[track_caller]
fn set(mesh: &mut Mesh, number: u8, path: &str, value: Json) -> EventId {
    mesh.edit(number, json!([{"set": path, "value": value}]))
}

#[test]
fn what_fell_with_an_undo_by_force_is_passed_over_and_then_nothing_is_left() {
    // SPEC: UNDO-4
    for before in [None, Some(json!("before"))] {
        let mut mesh = Mesh::of(&[]);
        let never = mesh.not_undone(1, None);
        assert_eq!((never.refused, never.by, never.force), (None, None, None));
        assert_eq!(never.reason, "this device did nothing that can be taken back");

        let first = set(&mut mesh, 1, "notes/x", json!(0));
        let oldest = before.map(|value| set(&mut mesh, 1, "notes/a", value));
        let one = set(&mut mesh, 1, "notes/a", json!({"b": 1}));
        set(&mut mesh, 1, "notes/a/b", json!(2));
        set(&mut mesh, 1, "notes/a", json!(3));
        let Reply::Undone(forced) = mesh.undo(1, Some(one), true) else { panic!() };
        assert_eq!(forced.undoes, one);
        // What the undo put back there stands as its own author left it.
        for event in oldest.into_iter().chain([first]) {
            assert_eq!(mesh.undone(1, None).undoes, event, "{oldest:?}");
        }
        assert_eq!(mesh.get(1, "notes"), "{}");
        let left = mesh.not_undone(1, None);
        assert_eq!((left.refused, left.by, left.force), (None, None, None));
        assert_eq!(left.reason, "nothing is left that can be taken back", "some fell");
    }
}

#[test]
fn the_edits_of_one_place_are_taken_back_one_after_the_other() {
    // SPEC: UNDO-3, UNDO-4
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    let values = [json!("rain"), json!({"deep": 1}), json!([1, 2]), json!(4)];
    let events = values.clone().map(|value| set(&mut mesh, 1, "notes/a", value));
    for (event, shows) in events.iter().zip(&values).rev() {
        assert_eq!(mesh.get(2, "notes/a"), shows.to_string());
        assert_eq!(mesh.undone(1, None).undoes, *event);
    }
    assert_eq!(mesh.get(2, "notes"), "{}");
    // The same value that another wrote is that one's, and stays.
    let mine = set(&mut mesh, 1, "notes/a", json!("same"));
    set(&mut mesh, 1, "notes/a", json!("other"));
    let theirs = set(&mut mesh, 2, "notes/a", json!("same"));
    let named = mesh.undo(1, Some(mine), false);
    assert!(matches!(named, Reply::NotUndone(not) if not.by == Some(theirs)));
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn a_last_event_that_somebody_built_on_is_named_with_the_command_that_forces_it() {
    // SPEC: UNDO-3, UNDO-4
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    set(&mut mesh, 1, "notes/x", json!(0));
    let mine = set(&mut mesh, 1, "notes/a", json!({"b": 1}));
    let theirs = set(&mut mesh, 2, "notes/a/c", json!(2));
    for _ in 0..2 {
        let refused = mesh.not_undone(1, None);
        assert_eq!((refused.refused, refused.by), (Some(mine), Some(theirs)));
        assert_eq!(refused.force, Some(format!("kern undo {} --force", mine.short())));
        let (text, hint) = present::not_undone(&refused, &BTreeMap::new());
        assert!(text.contains(&mine.short()) && text.contains(&theirs.short()), "{text}");
        assert!(hint.contains(refused.force.as_ref().unwrap()), "{hint}");
        assert_eq!(mesh.get(1, "notes/x"), "0", "no older one is taken back in its place");
    }
    assert!(matches!(mesh.undo(1, Some(mine), true), Reply::Undone(_)));
    assert_eq!(mesh.get(2, "notes"), r#"{"x":0}"#);
    // What an undo of an undo puts back is no accident: it is there again, and the last.
    let Reply::Undone(again) = mesh.undo(1, None, false) else { panic!() };
    assert_eq!(mesh.get(2, "notes"), "{}");
    let Reply::Undone(_) = mesh.undo(1, Some(again.event), false) else { panic!() };
    assert_eq!(mesh.get(2, "notes"), r#"{"x":0}"#);
    assert_eq!(mesh.undone(1, None).undoes, again.undoes);
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn an_edit_whose_conflict_is_open_again_is_named_and_no_older_one_falls_for_it() {
    // SPEC: UNDO-3, UNDO-4
    for own in [json!("a"), json!("z")] {
        let mut mesh = Mesh::of(&[(2, Role::Member)]);
        let link = mesh.connect(1, 2);
        set(&mut mesh, 1, "notes/x", json!(0));
        mesh.cut(link);
        let mine = set(&mut mesh, 1, "notes/a", own.clone());
        set(&mut mesh, 2, "notes/a", json!("k"));
        mesh.connect(1, 2);
        let resolve = pages(&mut mesh, 1)[0].id;
        let decided = mesh.edit(1, json!([{"resolve": resolve, "value": "both"}]));
        assert_eq!(mesh.undone(1, None).undoes, decided);
        let refused = mesh.not_undone(1, None);
        assert_eq!(refused.refused, Some(mine), "{own}");
        let who = "was changed since: this device's own undo";
        assert!(refused.reason.contains(who), "{own}: {}", refused.reason);
        assert_eq!(refused.force, Some(format!("kern undo {} --force", mine.short())));
        assert_eq!(mesh.get(1, "notes/x"), "0", "no older one is taken back in its place");
        assert_eq!(pages(&mut mesh, 1).len(), 1);
    }
}

#[test]
fn an_event_that_fell_at_some_of_its_places_is_named_and_passed_over_where_it_fell_at_all() {
    // SPEC: UNDO-4
    let set = |path: &str, value: Json| json!({"set": format!("notes/{path}"), "value": value});
    for (before, after, is_passed) in [
        (json!([set("p", json!(1))]), json!([set("p", json!(2)), set("q", json!(2))]), false),
        (json!([set("m/q", json!(1))]), json!([set("m", json!({"p": 2, "q": 2}))]), false),
        (
            json!([set("p", json!(1)), set("q", json!(1))]),
            json!([set("p", json!(2)), set("q", json!(2))]),
            true,
        ),
    ] {
        let mut mesh = Mesh::of(&[]);
        let oldest = mesh.edit(1, json!([set("x", json!(0)), set("m", json!({"q": 0}))]));
        let first = mesh.edit(1, before);
        let second = mesh.edit(1, after.clone());
        let Reply::Undone(forced) = mesh.undo(1, Some(first), true) else { panic!() };
        if is_passed {
            assert_eq!(mesh.undone(1, None).undoes, oldest);
            continue;
        }
        let refused = mesh.not_undone(1, None);
        assert_eq!((refused.refused, refused.by), (Some(second), Some(forced.event)), "{after}");
        assert!(refused.reason.contains("was changed since"), "{}", refused.reason);
        assert_eq!(mesh.get(1, "notes/x"), "0", "no older one is taken back in its place");
    }
}

#[test]
fn who_took_back_what_another_did_has_nothing_of_its_own_that_was_taken_back() {
    // SPEC: UNDO-4
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    let theirs = set(&mut mesh, 1, "notes/a", json!(1));
    assert!(matches!(mesh.undo(2, Some(theirs), false), Reply::Undone(_)));
    assert_eq!(mesh.not_undone(2, None).reason, "this device did nothing that can be taken back");
    set(&mut mesh, 2, "notes/b", json!(1));
    mesh.undone(2, None);
    assert_eq!(
        mesh.not_undone(2, None).reason,
        "all that this device did and an undo takes back is taken back already"
    );
}

#[test]
fn so_many_events_are_passed_over_and_no_more_than_that() {
    // SPEC: UNDO-4
    let mut mesh = Mesh::of(&[]);
    let older = set(&mut mesh, 1, "notes/x", json!(0));
    let one = set(&mut mesh, 1, "notes/a", json!("first"));
    for at in 0..UNDO_PASSED_MAX {
        set(&mut mesh, 1, "notes/a", json!(at));
    }
    assert!(matches!(mesh.undo(1, Some(one), true), Reply::Undone(_)));
    assert_eq!(mesh.undone(1, None).undoes, older, "so many are passed over");
    let newer = set(&mut mesh, 1, "notes/y", json!(0));
    let two = set(&mut mesh, 1, "notes/b", json!("first"));
    for at in 0..=UNDO_PASSED_MAX {
        set(&mut mesh, 1, "notes/b", json!(at));
    }
    assert!(matches!(mesh.undo(1, Some(two), true), Reply::Undone(_)));
    let refused = mesh.not_undone(1, None);
    assert!(refused.reason.contains("passed over"), "{}", refused.reason);
    assert!(refused.refused.is_some_and(|event| ![older, newer].contains(&event)));
    assert_eq!(mesh.get(1, "notes/y"), "0");
}

/// More than one event decides.
const MANY: usize = CONFLICTS_DECIDED_MAX + 3;

fn pages(mesh: &mut Mesh, number: u8) -> Vec<ConflictRow> {
    let (mut rows, mut asked) = (Vec::new(), Command::Conflicts);
    loop {
        let Reply::Conflicts(page) = mesh.ask(number, asked) else { panic!() };
        let ConflictPage { conflicts, next, .. } = page;
        rows.extend(conflicts);
        match next {
            Some(place) => asked = Command::ConflictsBehind(place),
            None => return rows,
        }
    }
}

#[test]
fn what_decided_many_at_once_is_taken_back_by_the_events_that_it_took() {
    // SPEC: CFL-15, UNDO-2
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.cut(link);
    for number in [1, 2] {
        let set = |at: usize| json!({"set": format!("notes/n{at}"), "value": number});
        mesh.edit(number, (0..MANY).map(set).collect());
    }
    mesh.connect(1, 2);
    let open = pages(&mut mesh, 1);
    assert_eq!(open.len(), MANY);
    let choices = choose(&open, &Take::Side("A".to_owned()));
    let batches = batches(&choices);
    let each: Vec<_> = batches.iter().map(Vec::len).collect();
    assert_eq!(each, [CONFLICTS_DECIDED_MAX, 3]);
    let mut events = Vec::new();
    for batch in &batches {
        let edits = batch.iter().filter_map(|choice| choice.edit()).collect();
        let Reply::Edited(edited) = mesh.ask(1, Command::Edit { edits }) else { panic!() };
        events.push(edited.event.unwrap());
    }
    assert_eq!(pages(&mut mesh, 2), []);
    for event in events.iter().rev() {
        let undone = mesh.undo(1, Some(*event), false);
        assert!(matches!(&undone, Reply::Undone(undone) if undone.undoes == *event), "{undone:?}");
    }
    let again = pages(&mut mesh, 2);
    let places = |rows: &[ConflictRow]| rows.iter().map(|row| row.path.clone()).collect::<Vec<_>>();
    assert_eq!(places(&again), places(&open));
    let values = |row: &ConflictRow| {
        row.sides.iter().map(|side| side.value.to_string()).collect::<BTreeSet<_>>()
    };
    assert!(again.iter().zip(&open).all(|(again, open)| values(again) == values(open)));
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn a_revocation_is_taken_back_by_its_name_alone_also_where_what_came_after_is_passed_over() {
    // SPEC: UNDO-4
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Admin)]);
    let link = mesh.connect(1, 3);
    mesh.connect(2, 3);
    set(&mut mesh, 1, "notes/x", json!(0));
    mesh.cut(link);
    set(&mut mesh, 2, "notes/late", json!(1));
    let revoke = Command::Revoke { device: id(2), reason: "lost".to_owned() };
    let Reply::Revoked { event: revoked } = mesh.ask(1, revoke) else { panic!() };
    mesh.connect(1, 3);
    let [row] = &pages(&mut mesh, 1)[..] else { panic!() };
    let keep = Edit::Keep { resolve: row.id, keep: "B".to_owned() };
    let Reply::Readmitted { event: readmitted, .. } =
        mesh.ask(1, Command::Edit { edits: vec![keep] })
    else {
        panic!()
    };
    assert_eq!(mesh.get(1, "notes/late"), "1");
    let role = |mesh: &mut Mesh| {
        let Reply::Devices { devices } = mesh.ask(1, Command::Devices) else { panic!() };
        devices.iter().find(|row| row.id == id(2)).unwrap().role
    };
    for _ in 0..2 {
        let refused = mesh.not_undone(1, None);
        assert_eq!((refused.refused, refused.by), (Some(revoked), None));
        assert!(refused.reason.contains(&id(2).short()), "{}", refused.reason);
        assert_eq!(refused.force, Some(format!("kern undo {}", revoked.short())));
        let names = BTreeMap::from([(id(2), "phone".to_owned())]);
        let (text, hint) = present::not_undone(&refused, &names);
        assert!(text.ends_with("it revoked phone, which would be a member again"), "{text}");
        assert_eq!(hint, format!("`kern undo {}` takes it back", revoked.short()));
        assert_eq!(role(&mut mesh), None, "no revoked device comes in by accident");
        assert_eq!(mesh.get(1, "notes/x"), "0", "no older one is taken back in its place");
    }
    let never = mesh.not_undone(1, Some(readmitted));
    assert!(never.reason.contains("`kern strike EVENT`"), "{}", never.reason);
    assert_eq!(mesh.undone(1, Some(revoked)).undoes, revoked);
    assert_eq!(role(&mut mesh), Some(Role::Member));
    assert_eq!(mesh.get(1, "notes/late"), "1");
}

#[test]
fn what_was_taken_back_is_told_in_words() {
    // SPEC: UNDO-4
    let mut mesh = Mesh::of(&[(2, Role::Admin)]);
    mesh.connect(1, 2);
    let names = [(id(2), "phone".to_owned())].into();
    let told = |mesh: &mut Mesh, event: EventId| {
        let undone = mesh.undone(1, Some(event));
        let shown = format!("{:?}", present::undone(&undone, &names));
        let words = shown.split("takes back: ").nth(1).unwrap();
        (undone.event, words.split('"').next().unwrap().to_owned())
    };
    let one = set(&mut mesh, 1, "notes/a", json!(1));
    let (undo, words) = told(&mut mesh, one);
    assert_eq!(words, "an edit of notes/a");
    assert_eq!(told(&mut mesh, undo).1, "an undo of notes/a");
    let five = (0..5).map(|at| json!({"set": format!("tasks/{at}"), "value": {}})).collect();
    let five = mesh.edit(1, five);
    assert_eq!(told(&mut mesh, five).1, "an edit of tasks/0, tasks/1, tasks/2, 2 more");

    let made = mesh.ask(1, Command::CreateBoard { name: "garden".to_owned() });
    assert!(matches!(made, Reply::BoardMade { .. }));
    let name = "rv".to_owned();
    let create =
        BranchCommand::Create { name, of: DocPath::default(), at: None, purpose: String::new() };
    assert!(matches!(mesh.ask(1, Command::Branch(create)), Reply::Branch(_)));
    for above in ["boards/garden", "branches/rv"] {
        let path = format!("{above}/notes/b");
        let there = set(&mut mesh, 1, &path, json!(1));
        set(&mut mesh, 2, &path, json!(2));
        let refused = mesh.not_undone(1, Some(there)).reason;
        assert!(refused.contains(&format!("{path:?} was changed since")), "{refused}");
        let Reply::Undone(forced) = mesh.undo(1, Some(there), true) else { panic!() };
        assert_eq!(told(&mut mesh, forced.event).1, format!("an undo of {path}"));
    }

    let link = *mesh.links.keys().next().unwrap();
    mesh.cut(link);
    for number in [1, 2] {
        set(&mut mesh, number, "notes/c", json!(number));
    }
    mesh.connect(1, 2);
    let resolve = pages(&mut mesh, 1)[0].id;
    let decided = mesh.edit(1, json!([{"resolve": resolve, "value": "both"}]));
    assert_eq!(told(&mut mesh, decided).1, "a decision of notes/c");

    let revoke = Command::Revoke { device: id(2), reason: String::new() };
    let Reply::Revoked { event } = mesh.ask(1, revoke) else { panic!() };
    assert_eq!(told(&mut mesh, event).1, "revoked phone: phone is an admin again");
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let grant = mesh.undone(1, None);
    let shown = format!("{:?}", present::undone(&grant, &names));
    assert!(shown.contains("takes back: let in phone: phone is no member any more"), "{shown}");
}

#[test]
fn a_grant_that_took_a_revocation_back_is_taken_back_itself_and_the_log_says_what_became_of_each() {
    // SPEC: UNDO-1, UNDO-4
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    mesh.connect(1, 3);
    let all: Vec<EventId> = mesh.device(1).replica.workspace().order(0).copied().collect();
    let revoke = Command::Revoke { device: id(2), reason: String::new() };
    let Reply::Revoked { event } = mesh.ask(1, revoke) else { panic!() };
    let again = mesh.undone(1, Some(event)).event;
    let gone = mesh.undone(1, Some(again));
    for number in [1, 3] {
        let mut said = |event: EventId| {
            let Reply::Event(view) = mesh.ask(number, Command::Event { begin: event.to_string() })
            else {
                panic!()
            };
            view.row.reason.unwrap_or_default()
        };
        let by =
            |what: &str, event: EventId| format!("its device was {what}, by {}", event.short());
        assert_eq!(said(event), by("let in again", again));
        assert_eq!(said(again), by("revoked", gone.event));
        assert_eq!(said(gone.event), "");
        // Of what was before the grant of that device alone.
        let first: Vec<_> = all.iter().map(|event| said(*event)).collect();
        assert_eq!(
            first.iter().filter(|said| !said.is_empty()).collect::<Vec<_>>(),
            [&by("revoked", event)]
        );
    }
    assert_eq!(gone.undoes, again, "the grant that the revocation ended gives no role");
    let Reply::Devices { devices } = mesh.ask(1, Command::Devices) else { panic!() };
    assert_eq!(devices.iter().find(|row| row.id == id(2)).unwrap().role, None);
}

#[test]
fn a_strike_and_a_readmission_that_no_undo_takes_back_are_named_where_an_older_is() {
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    let events = [1, 2, 3].map(|value| set(&mut mesh, 1, &format!("notes/{value}"), json!(value)));
    let begin = events[2].to_string();
    let Reply::Struck { event, .. } =
        mesh.ask(1, Command::Strike { begin: begin.clone(), reason: String::new() })
    else {
        panic!()
    };
    let undone = mesh.undone(1, None);
    let later = undone.later.clone().unwrap();
    assert_eq!((undone.undoes, later.event), (events[1], event));
    let text = present::to_text(&present::undone(&undone, &BTreeMap::new()));
    assert!(text.contains(&format!("not event {}: it struck", event.short())), "{text}");
    let Reply::Readmitted { event, .. } =
        mesh.ask(1, Command::ReadmitEvent { begin, reason: String::new() })
    else {
        panic!()
    };
    // Its own edit stands again, and is newer than the strike was: it is the last.
    let undone = mesh.undone(1, None);
    assert_eq!((undone.undoes, undone.later.map(|of| of.event)), (events[2], Some(event)));
    // Who names an event means that one.
    assert_eq!(mesh.undone(1, Some(events[0])).later, None);
}

#[test]
fn a_strike_of_which_all_came_back_is_not_named() {
    let mut mesh = Mesh::of(&[(2, Role::Admin), (3, Role::Member)]);
    mesh.connect(1, 2);
    mesh.connect(1, 3);
    let own = [1, 2].map(|value| set(&mut mesh, 1, &format!("notes/{value}"), json!(value)));
    let events = [3, 4, 5].map(|value| set(&mut mesh, 3, &format!("notes/{value}"), json!(value)));
    let begin = events[2].to_string();
    let strike = Command::Strike { begin: begin.clone(), reason: String::new() };
    let Reply::Struck { event, .. } = mesh.ask(1, strike) else { panic!() };
    let undone = mesh.undone(1, None);
    let later = undone.later.unwrap();
    assert_eq!((undone.undoes, later.event), (own[1], event));
    let command = format!("kern readmit --event {}", events[2].short());
    assert!(later.how.contains(&command), "{}", later.how);
    let back = Command::ReadmitEvent { begin, reason: String::new() };
    assert!(matches!(mesh.ask(2, back), Reply::Readmitted { .. }));
    let undone = mesh.undone(1, None);
    assert_eq!((undone.undoes, undone.later), (own[0], None));
}
