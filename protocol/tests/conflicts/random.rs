//! Random histories: the same list in every order, incremental or not, and by the definition.

use std::collections::BTreeSet;

use automerge::{Automerge, ObjType, ROOT, ReadDoc, Value};
use kernelos_protocol::document::Edit;
use kernelos_protocol::document::conflict::{ConflictKind, ConflictList};

use super::definition::{Definition, Place};
use super::world::{Device, World, told_all};

struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

const PATHS: [&str; 12] = [
    "notes/x",
    "notes/y",
    "notes/x/a",
    "notes/x/b",
    "notes/x/a/deep",
    "notes/l",
    "notes/l/0",
    "notes/l/1",
    "notes/l/2",
    "notes/l/0/a",
    "notes/l/1/a",
    "notes/y/a",
];

const VALUES: [&str; 8] =
    ["1", "2", "null", r#""text""#, "{}", r#"{"a":{"deep":1}}"#, "[]", r#"[{"a":1},2,"three"]"#];

/// A step of a device; one that cannot be done is left out.
fn step(rng: &mut Rng, device: &mut Device) {
    let path = rng.of(&PATHS).parse().unwrap();
    let edit = match rng.below(12) {
        0..7 => Edit::Set { set: path, value: serde_json::from_str(rng.of(&VALUES)).unwrap() },
        7..10 => Edit::Rm { rm: path },
        _ => match resolution(rng, device) {
            Some(edit) => edit,
            None => return,
        },
    };
    device.edit(vec![edit]).ok();
}

fn resolution(rng: &mut Rng, device: &mut Device) -> Option<Edit> {
    let list = device.list();
    let conflict = list.conflicts.get(rng.below(list.conflicts.len().max(1)))?;
    let side = &conflict.sides[rng.below(conflict.sides.len())];
    Some(Edit::Keep { resolve: conflict.id, keep: side.letter.clone() })
}

fn history(seed: u64) -> World {
    let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut world = World::new();
    for _ in 0..10 + rng.below(30) {
        let name = ['A', 'B', 'C'][rng.below(3)];
        if rng.below(4) == 0 {
            world.hears(name, ['A', 'B', 'C'][rng.below(3)]);
        } else {
            step(&mut rng, world.device(name));
        }
        if rng.below(6) == 0 {
            let device = world.device(name);
            assert_eq!(device.list(), device.list_from_scratch(), "seed {seed}");
        }
    }
    world
}

/// The outermost places that are reached by what Automerge shows and hold different values.
fn several(doc: &Automerge) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![(ROOT, String::new())];
    while let Some((object, path)) = open.pop() {
        let props: Vec<automerge::Prop> = match doc.object_type(&object).unwrap() {
            ObjType::Map | ObjType::Table => doc.keys(&object).map(Into::into).collect(),
            ObjType::List => (0..doc.length(&object)).map(Into::into).collect(),
            ObjType::Text => continue,
        };
        for prop in props {
            let path = format!("{path}/{prop}");
            let mut all = doc.get_all(&object, prop).unwrap();
            if differ(doc, &all) {
                found.insert(path[1..].to_owned());
            } else if let Some((Value::Object(_), id)) = all.pop() {
                open.push((id, path));
            }
        }
    }
    found
}

fn differ(doc: &Automerge, all: &[(Value<'_>, automerge::ObjId)]) -> bool {
    let look = |(value, id): &(Value<'_>, automerge::ObjId)| match value {
        Value::Object(ObjType::Text) => doc.text(id).unwrap(),
        Value::Object(_) => format!("{id}"),
        Value::Scalar(scalar) => format!("scalar {scalar}"),
    };
    all.iter().map(look).collect::<BTreeSet<_>>().len() > 1
}

#[test]
fn every_device_lists_the_same_in_every_order_and_all_of_several_values() {
    // SPEC: CFL-1, CFL-2, CFL-10
    let mut kinds = [0, 0];
    for seed in 0..300 {
        let mut world = history(seed);
        let list = world.everywhere();
        let of = |kind| list.conflicts.iter().filter(move |conflict| conflict.kind == kind);
        let values: BTreeSet<_> =
            of(ConflictKind::Values).map(|conflict| conflict.path.to_string()).collect();
        let hidden: Vec<_> =
            of(ConflictKind::DeleteEdit).map(|conflict| conflict.path.to_string()).collect();
        let mut expected = several(&world.device('A').mirror);
        // What stands below the other kind of conflict is not listed.
        expected.retain(|path| !hidden.iter().any(|above| path.starts_with(&format!("{above}/"))));
        assert_eq!(values, expected, "seed {seed}");
        as_defined(&world.device('A').mirror, &list, seed);
        kinds[0] += values.len();
        kinds[1] += hidden.len();
    }
    assert!(kinds.iter().all(|count| *count > 100), "{kinds:?} are too few to say anything");
}

/// What is listed has the sides that the definition gives, and no lost edit below a map or list
/// is left out that the document could show.
fn as_defined(doc: &Automerge, list: &ConflictList, seed: u64) {
    let definition = Definition::of(doc);
    let sides = definition.sides();
    let listed: BTreeSet<Vec<_>> = list
        .conflicts
        .iter()
        .map(|c| c.sides.iter().map(|side| automerge::ChangeHash(side.change.0)).collect())
        .collect();
    let is_listed = |place: &Place| listed.contains(&sides[place].0);
    let places: Vec<_> = sides.keys().filter(|place| is_listed(place)).collect();
    assert!(places.len() >= list.conflicts.len(), "seed {seed}");
    for (place, (changes, lost)) in &sides {
        let Some(above) = definition.above(doc, &place.0) else { continue };
        if *lost && !above.iter().any(is_listed) {
            assert!(listed.contains(changes), "seed {seed}: {place:?}");
        }
    }
}

#[test]
fn all_conflicts_resolved_on_one_device_are_gone_everywhere() {
    // SPEC: CFL-2, CFL-11
    for seed in 1_000..1_150 {
        let mut world = history(seed);
        let mut rng = Rng(seed);
        let list = world.everywhere();
        let mut keep = Vec::new();
        for conflict in &list.conflicts {
            let side = conflict.sides[rng.below(conflict.sides.len())].letter.clone();
            keep.push(Edit::Keep { resolve: conflict.id, keep: side });
        }
        if keep.is_empty() {
            continue;
        }
        world.device('B').edit(keep).unwrap();
        assert_eq!(told_all(&world.everywhere()), "", "seed {seed}");
    }
}
