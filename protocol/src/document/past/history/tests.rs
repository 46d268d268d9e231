//! What a history lists is what its changes show, however much was written apart.
//! `SPEC: PAST-3`

use std::collections::BTreeMap;

use automerge::transaction::Transactable as _;
use automerge::{ActorId, AutoCommit, ROOT};

use super::*;

/// A document that two wrote, apart and together, as the bits of a number say.
fn written(bits: u32) -> Automerge {
    let mut docs = [1, 2].map(|actor| AutoCommit::new().with_actor(ActorId::from([actor; 16])));
    let map = docs[0].put_object(ROOT, "map", automerge::ObjType::Map).unwrap();
    docs[0].commit();
    let [one, two] = &mut docs;
    two.merge(one).unwrap();
    for turn in 0..8 {
        let (writer, other) =
            if bits >> turn & 1 == 0 { (&mut *one, &mut *two) } else { (&mut *two, &mut *one) };
        match bits >> (8 + 2 * turn) & 3 {
            0 => writer.put(&map, "here", i64::from(turn % 2)).unwrap(),
            1 => writer.put(&map, "beside", i64::from(turn)).unwrap(),
            2 => writer.put(ROOT, "elsewhere", i64::from(turn)).unwrap(),
            _ => writer.delete(&map, "here").unwrap(),
        }
        writer.commit();
        if bits >> (24 + turn) & 1 == 1 {
            other.merge(writer).unwrap();
        }
    }
    one.merge(two).unwrap();
    one.document().clone()
}

#[test]
fn a_row_is_what_its_change_shows_and_the_current_one_is_what_is_shown_now() {
    let (mut bits, mut kept, mut again) = (1_u32, [0; 2], 0);
    for _ in 0..400 {
        bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let doc = written(bits);
        let mut conflicts = Conflicts::of(&doc);
        for path in ["map", "map/here", "elsewhere"].map(|path| path.parse().unwrap()) {
            let (_, touches) = Way::of(&doc, conflicts.index(), &path);
            let shown = |heads: &[Hash]| match heads {
                [] => None,
                _ => Seen::at(&doc, heads).read(&path).ok().map(|read| read.value),
            };
            let rows = touches.iter().filter_map(|touch| {
                let value = shown(&[touch.hash]);
                (value != shown(&touch.deps)).then_some((ChangeHash(touch.hash.0), value))
            });
            let expected: Vec<_> = rows.collect();
            let all = of(&doc, (&mut conflicts, &BTreeSet::new()), (&path, false), 100);
            let history = all.unwrap_or_default();
            let rows = history.values.iter().map(|row| (row.change, row.value.clone()));
            // Besides those there are some that were written once more, apart from others.
            let (rows, more): (Vec<_>, Vec<_>) = rows.partition(|row| expected.contains(row));
            assert_eq!(rows, expected, "{bits:#x} {path}");
            again += more.len();
            let standings = standings(conflicts.index(), &touches);
            standings.into_iter().for_each(|it| kept[usize::from(it.follows)] += 1);
            if path.segments() == ["map"] {
                continue;
            }
            let now = Seen::now(&doc).read(&path).ok().map(|read| read.value);
            for limit in [1, 100] {
                let all = of(&doc, (&mut conflicts, &BTreeSet::new()), (&path, false), limit);
                let history = all.unwrap_or_default();
                let current = history.values.iter().filter(|row| row.current);
                let current: Vec<_> = current.map(|row| &row.value).collect();
                let is_cut = limit == 1 || rows.is_empty();
                assert!(!current.is_empty() || is_cut, "{bits:#x} {path} {history:#?}");
                let are_shown = current.iter().all(|value| **value == now);
                assert!(are_shown, "{bits:#x} {path} {limit} {history:#?}");
            }
        }
    }
    assert!(kept.iter().all(|count| *count > 500), "both ways are taken: {kept:?}");
    assert!(again > 0, "some are");
}

#[test]
fn where_many_wrote_apart_no_touch_is_compared_with_all_and_the_values_are_the_same() {
    let mut base = AutoCommit::new().with_actor(ActorId::from([254; 16]));
    base.put(ROOT, "here", 0).unwrap();
    base.commit();
    let mut all = base.fork().with_actor(ActorId::from([255; 16]));
    let apart = u8::try_from(HISTORY_APART_MAX + 2).unwrap();
    for actor in 0..apart {
        let mut one = base.fork().with_actor(ActorId::from([actor; 16]));
        one.put(ROOT, "here", i64::from(actor) + 1).unwrap();
        one.commit();
        all.merge(&mut one).unwrap();
    }
    for value in ["joined", "behind"] {
        all.put(ROOT, "here", value).unwrap();
        all.commit();
    }
    let (doc, path) = (all.document(), "here".parse().unwrap());
    let mut conflicts = Conflicts::of(doc);
    let (_, touches) = Way::of(doc, conflicts.index(), &path);
    let last = standings(conflicts.index(), &touches).pop().unwrap();
    assert!(!last.follows, "it was given up before");
    let all = of(doc, (&mut conflicts, &BTreeSet::new()), (&path, false), 200);
    let rows = all.unwrap().values;
    assert_eq!(rows.len(), usize::from(apart) + 3);
    assert!(rows.last().is_some_and(|row| row.current && row.follows));
}

#[test]
fn what_is_left_out_takes_no_pairs_from_what_is_listed() {
    let base = AutoCommit::new().with_actor(ActorId::from([254; 16]));
    let (mut all, mut sides) = (base.clone(), BTreeMap::new());
    for side in 0..50_u8 {
        let mut one = base.clone().with_actor(ActorId::from([side; 16]));
        one.put(ROOT, "here", i64::from(side)).unwrap();
        sides.insert(one.commit().unwrap(), side);
        all.merge(&mut one).unwrap();
    }
    let index = ConflictIndex::of(all.document());
    let (looks, of) = (Cell::new(0), |side: u8| (side > 0).then(|| Json::from(side)));
    let shown = |heads: &[Hash]| {
        looks.set(looks.get() + 1);
        heads.iter().filter_map(|hash| sides.get(hash)).max().and_then(|side| of(*side))
    };
    let judged = |bare: BTreeSet<ChangeHash>, least| {
        let row = |(hash, side): (&Hash, &u8)| {
            let (change, value) = (ChangeHash(hash.0), of(*side));
            Stood { value, change, current: false, part: false, lost_to: None, follows: false }
        };
        let listed = sides.iter().filter(|(_, side)| **side >= least);
        let mut listed: Vec<_> = listed.collect();
        // Each is compared with all that it wins over before it loses.
        listed.sort_by_key(|(_, side)| std::cmp::Reverse(**side));
        let mut values: Vec<_> = listed.into_iter().map(row).collect();
        let none = BTreeSet::new();
        judge_all(&index, &mut values, (&bare, &[], &Aside { undone: &none, below: &none }), shown);
        values
    };
    let alone = judged(BTreeSet::new(), 1);
    let looks = looks.take();
    assert!((1_001..2_000).contains(&looks), "twice is too many for one budget: {looks}");
    let bare = sides.iter().find(|(_, side)| **side == 0).map(|(hash, _)| ChangeHash(hash.0));
    assert_eq!(judged(bare.into_iter().collect(), 0), alone);
    assert!(alone.iter().filter(|row| row.lost_to.is_none()).count() == 1);
}
