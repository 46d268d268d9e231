//! Whose a value is that an undo put back, where others say what it takes back.

use kernelos_protocol::document::conflict::{PutBack, Which};
use kernelos_protocol::document::{DocumentDone, DocumentTask, Edit, Reversal};
use kernelos_protocol::id::ChangeHash;
use kernelos_protocol::limits::SETTER_UNDOS_MAX;
use serde_json::Value as Json;

use super::world::{DOCUMENT, Device, World};

/// Sets `notes/x`; the change that did.
fn set(device: &mut Device, value: &str) -> ChangeHash {
    let edit = Edit::Set { set: "notes/x".parse().unwrap(), value: value.into() };
    device.edit(vec![edit]).unwrap().unwrap().hash
}

/// The sides' values, each with who wrote it first, where these put it back.
fn setters(device: &mut Device, put_back: PutBack) -> Vec<(Json, Option<ChangeHash>)> {
    let (document, which) = (DOCUMENT, Which::First);
    match device.perform(DocumentTask::Conflicts { document, which, put_back }) {
        DocumentDone::Conflicts(list) => {
            let sides = list.unwrap().conflicts.remove(0).sides;
            sides.into_iter().map(|side| (side.value, side.wrote)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_takes_back_what_decided_nothing_brings_no_old_value_up_in_anothers_name() {
    // SPEC: CFL-17, UNDO-2
    let mut world = World::of("A set notes/y 1 | B hears A | C hears A");
    set(world.device('A'), "old");
    world.run("B hears A");
    let over = set(world.device('B'), "new");
    world.run("A hears B | C hears B");
    // Both say that they take back what B set, over one value that A had set.
    let undos = [set(world.device('A'), "other"), set(world.device('C'), "old")];
    world.run("A hears C");
    let reversal = Reversal { change: over, joined: Vec::new(), by_one: false };
    let put_back = undos.into_iter().map(|undo| (undo, reversal.clone())).collect();
    let found = setters(world.device('A'), put_back);
    assert_eq!(found.len(), 2);
    assert!(found.iter().any(|(value, _)| value == "old"));
    assert!(found.iter().all(|(_, wrote)| wrote.is_none()), "{found:?}");
}

#[test]
fn behind_more_undos_than_are_looked_at_a_side_is_that_of_the_oldest_that_was() {
    // SPEC: CFL-17
    for undone in [SETTER_UNDOS_MAX, SETTER_UNDOS_MAX + 1] {
        let mut world = World::of("A set notes/y 1 | C hears A");
        let mut put = vec![[set(world.device('A'), "a"), set(world.device('C'), "c")]];
        let mut put_back = PutBack::default();
        for number in 0..undone {
            world.run("A hears C");
            let change = set(world.device('A'), &format!("decided {number}"));
            world.run("C hears A");
            let undos = [set(world.device('A'), "a"), set(world.device('C'), "c")];
            let reversal = Reversal { change, joined: Vec::new(), by_one: false };
            put_back.extend(undos.into_iter().map(|undo| (undo, reversal.clone())));
            put.push(undos);
        }
        world.run("A hears C");
        let found = setters(world.device('A'), put_back);
        // As many undos are looked behind as there may be: of one more the first is not.
        let oldest = put[undone - SETTER_UNDOS_MAX];
        for (side, value) in ["a", "c"].into_iter().enumerate() {
            let expected = (Json::from(value), Some(oldest[side]));
            assert!(found.contains(&expected), "{value} behind {undone} undos: {found:?}");
        }
    }
}
