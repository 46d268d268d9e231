//! What an undo looks at, of what was written below that which it puts back.

use std::collections::{BTreeMap, BTreeSet};

use kernelos_protocol::document::{
    DocumentDone, DocumentTask, Edit, EditFault, Hand, MayUndo, Reversal,
};
use kernelos_protocol::id::{ChangeHash, DeviceId, Incarnation};
use kernelos_protocol::limits::UNDO_BELOW_MAX;

use super::world::{DOCUMENT, Device, World};

/// The undo of a removal below which so many wrote apart, each of whom took that back: whom it
/// names, of them.
fn undo_below(many: usize) -> (Result<(), EditFault>, BTreeSet<ChangeHash>) {
    let mut world = World::of("A set notes/x {\"y\":1} | all");
    let device = world.device('A');
    let shared = device.mirror.get_changes(&[]);
    let edit = Edit::Rm { rm: "notes/x".parse().unwrap() };
    let change = device.edit(vec![edit]).unwrap().unwrap().hash;
    let mut last = BTreeSet::new();
    for number in 0..many {
        let mut other = Device::new(u8::try_from(100 + number).unwrap());
        other.apply(&shared);
        let known = other.mirror.get_heads();
        let path = format!("notes/x/z{number}");
        let set = Edit::Set { set: path.parse().unwrap(), value: 1.into() };
        let rm = Edit::Rm { rm: path.parse().unwrap() };
        other.edit(vec![set]).unwrap();
        last.extend(other.edit(vec![rm]).unwrap().map(|made| made.hash));
        device.apply(&other.mirror.get_changes(&known));
    }
    let reversal = Reversal { change, joined: Vec::new() };
    let hand = Hand { device: DeviceId([1; 32]), incarnation: Incarnation([1; 8]), generation: 0 };
    let done = device.perform(DocumentTask::Undo {
        hand,
        changes: BTreeMap::from([(DOCUMENT, reversal)]),
        may: MayUndo::PutBackBy(BTreeSet::new()),
    });
    let DocumentDone::Written(done) = done else { panic!("{done:?}") };
    (done.map(|_| ()), last)
}

#[test]
fn where_more_edited_below_a_removal_than_are_looked_at_its_undo_is_refused_with_the_last_of_them()
{
    // SPEC: UNDO-3
    assert_eq!(undo_below(UNDO_BELOW_MAX).0, Ok(()));
    let (refused, last) = undo_below(UNDO_BELOW_MAX + 1);
    let Err(EditFault::BuiltOn(built)) = refused else { panic!("{refused:?}") };
    let [taken] = &built.taken[..] else { panic!("{built:?}") };
    assert!(taken.by.is_some_and(|by| last.contains(&by)), "{built:?}");
}
