//! Bytes that are no change by their form alone, and the codes they are refused with.

use super::common::*;
use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, Automerge, Change, ROOT};

#[test]
fn the_honest_change_is_accepted_and_of_use() {
    let world = World::new();
    assert_eq!(world.code(&world.honest()), "accepted");
    let change = Change::from_bytes(world.honest()).unwrap();
    use_of(&world.doc, change).unwrap();
}

/// SPEC: DOC-1, DOC-2, DOC-3
#[test]
fn a_chunk_that_is_not_one_whole_change_is_refused() {
    let world = World::new();
    let good = world.honest();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let mut long = AutoCommit::new().with_actor(ActorId::from(actor(1)));
    long.put(ROOT, "long", "x".repeat(1_000)).unwrap();
    commit(&mut long);
    let compressed = long.get_last_local_change().unwrap().bytes().into_owned();
    // The same number in two bytes, and the checksum over that.
    let padded = {
        let hashed = [&[1, good[9] | 0x80, 0], contents(&good)].concat();
        let sum = <sha2::Sha256 as sha2::Digest>::digest(&hashed);
        [&good[..4], &sum[..4], &hashed].concat()
    };
    world.is("nothing", Vec::new(), "truncated");
    world.is("other magic", with(0, 0x84), "bad_magic");
    world.is("other checksum", with(4, !good[4]), "bad_checksum");
    world.is("other contents", with(30, !good[30]), "bad_checksum");
    world.is("a compressed change", compressed, "compressed");
    world.is("a whole document", world.doc.save(), "document_chunk");
    world.is("an empty document", Automerge::new().save(), "document_chunk");
    world.is("a bundle", seal(3, contents(&good)), "bundle_chunk");
    world.is("a type to come", seal(4, contents(&good)), "unknown_chunk");
    world.is("a byte behind", [&good[..], &[0]].concat(), "trailing_bytes");
    world.is("another change behind", good.repeat(2), "trailing_bytes");
    world.is("a padded length", padded, "not_canonical");
    world.is("a megabyte and a byte", vec![0; (1 << 20) + 1], "too_large");
}

/// SPEC: DOC-2
#[test]
fn every_truncation_is_refused() {
    let world = World::new();
    let good = world.honest();
    for length in 0..good.len() {
        assert_eq!(world.code(&good[..length]), "truncated", "at {length}");
    }
    // Also where length and checksum are right for what is left.
    let whole = contents(&good);
    for length in 0..whole.len() {
        assert_ne!(world.code(&seal(1, &whole[..length])), "accepted", "sealed at {length}");
    }
}

/// SPEC: DOC-4
#[test]
fn every_flipped_bit_is_refused_or_another_change_in_canonical_form() {
    let world = World::new();
    let good = world.honest();
    for at in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[at / 8] ^= 1 << (at % 8);
        assert_ne!(world.code(&bytes), "accepted", "bit {at}");
    }
    let whole = contents(&good);
    for at in 0..whole.len() * 8 {
        let mut flipped = whole.to_vec();
        flipped[at / 8] ^= 1 << (at % 8);
        let bytes = seal(1, &flipped);
        if world.check(&bytes).is_ok() {
            let change = Change::try_from(&bytes[..]).unwrap();
            assert_eq!(Change::from(change.decode()).raw_bytes(), bytes, "bit {at}");
            use_of(&world.doc, change).unwrap();
        }
    }
}

/// SPEC: DOC-5
#[test]
fn dependencies_out_of_form_are_refused() {
    let world = World::new();
    let dep = world.doc.get_heads()[0].0.to_vec();
    let low = vec![0; 32];
    world.is(
        "dependencies not ascending",
        world.parts(|p| p.deps.push(low.clone())),
        "dependencies_unsorted",
    );
    world.is(
        "a dependency twice",
        world.parts(|p| p.deps.push(dep.clone())),
        "dependencies_unsorted",
    );
    world.is(
        "an unknown dependency",
        world.parts(|p| p.deps.insert(0, low.clone())),
        "not_in_view",
    );
    world.is(
        "too many dependencies",
        world.parts(|p| p.deps = vec![dep.clone(); 1_025]),
        "too_many_dependencies",
    );
}

/// SPEC: DOC-6
#[test]
fn actors_out_of_form_are_refused() {
    let world = World::new();
    world.is("a short actor", world.parts(|p| p.actor.truncate(15)), "actor_length");
    world.is("a long actor", world.parts(|p| p.actor.push(0)), "actor_length");
    world.is(
        "an actor that is not used",
        world.parts(|p| p.others = vec![vec![9; 16]]),
        "not_canonical",
    );
    world.is(
        "the author among the others",
        world.parts(|p| p.others = vec![vec![1; 16]]),
        "actors_unsorted",
    );
    world.is(
        "other actors not ascending",
        world.parts(|p| p.others = vec![vec![9; 16], vec![8; 16]]),
        "actors_unsorted",
    );
    world.is(
        "an actor twice",
        world.parts(|p| p.others = vec![vec![9; 16], vec![9; 16]]),
        "actors_unsorted",
    );
    world.is(
        "too many actors",
        world.parts(|p| p.others = vec![vec![9; 16]; 1_025]),
        "too_many_actors",
    );
}

/// SPEC: DOC-4, DOC-7, DOC-8
#[test]
fn numbers_out_of_form_and_what_a_change_may_not_carry_are_refused() {
    let world = World::new();
    world.is("no sequence number", world.parts(|p| p.seq = vec![0]), "seq_range");
    world.is(
        "a sequence number past 32 bits",
        world.parts(|p| p.seq = unsigned(1 << 32)),
        "seq_range",
    );
    world.is("a padded sequence number", world.parts(|p| p.seq = vec![0x82, 0]), "not_canonical");
    world.is(
        "a sequence number of eleven bytes",
        world.parts(|p| p.seq = vec![0xff; 11]),
        "not_canonical",
    );
    world.is("a time", world.parts(|p| p.time = vec![1]), "time");
    world.is("a time below zero", world.parts(|p| p.time = vec![0x7f]), "time");
    world.is("a padded time", world.parts(|p| p.time = vec![0x80, 0]), "not_canonical");
    world.is("a message", world.parts(|p| p.message = b"hello".to_vec()), "message");
    world.is("extra bytes", world.parts(|p| p.extra = vec![7]), "extra_bytes");
    world.is("an author", world.parts(|p| p.extra = vec![1, 1, 7]), "extra_bytes");
}

/// SPEC: DOC-4, DOC-9, DOC-10
#[test]
fn columns_out_of_form_are_refused() {
    let world = World::new();
    let swap = |p: &mut Parts| p.columns.swap(0, 1);
    let twice = |p: &mut Parts| p.columns.insert(0, p.columns[0].clone());
    let of = |column: u64, data: Vec<u8>| world.parts(move |p| *p.column(column) = data);
    world.is("columns not ascending", world.parts(swap), "columns_unsorted");
    world.is("a column twice", world.parts(twice), "columns_unsorted");
    world.is("a compressed column", world.parts(|p| p.columns[0].0 |= 8), "compressed_column");
    world.is("a column to come", of(0xb2, vec![4, 0]), "unknown_column");
    world.is("an empty column", of(0xa5, vec![]), "not_canonical");
    world.is("no operation", world.parts(|p| p.columns.clear()), "empty");
    world.is("a run of nulls of length zero", of(0x42, vec![0, 0, 4, 1]), "not_canonical");
    world.is("a null where none can be", of(0x42, vec![0, 4]), "not_canonical");
    world.is("a run written as single values", of(0x34, vec![0, 0, 4]), "not_canonical");
    world.is("one row too few", of(0x34, vec![3]), "not_canonical");
    world.is("one row too many", of(0x56, [signed(5), vec![0x14]].concat()), "not_canonical");
}

/// SPEC: DOC-11
#[test]
fn values_that_no_operation_has_are_refused() {
    let world = World::new();
    let of = |column: u64, data: Vec<u8>| world.parts(move |p| *p.column(column) = data);
    world.is("an action to come", of(0x42, vec![4, 8]), "unknown_action");
    world.is("a table", of(0x42, vec![4, 6]), "unknown_action");
    world.is("a kind of value to come", of(0x56, vec![4, 0x0a]), "unknown_value");
    world.is("null with a length", of(0x56, vec![4, 0x10]), "unknown_value");
    world.is("a float of four bytes", of(0x56, vec![4, 0x45]), "unknown_value");
    world.is(
        "values longer than there are",
        of(0x56, [signed(4), unsigned(u64::MAX - 9)].concat()),
        "not_canonical",
    );
    world.is("an actor that is not listed", of(0x71, vec![3, 1]), "unknown_actor");
    world.is(
        "a number past the greatest",
        of(0x02, [signed(4), unsigned((1 << 31) + 1)].concat()),
        "op_number",
    );
    world.is(
        "a number past 32 bits",
        of(0x02, [signed(4), unsigned(1 << 32)].concat()),
        "op_number",
    );
    world.is("a number below zero", of(0x73, vec![3, 0x7f]), "op_number");
    world.is("steps that overflow", of(0x73, [signed(3), signed(i64::MAX)].concat()), "op_number");
    world.is("a key that is not text", of(0x15, vec![4, 1, 0xff]), "not_canonical");
}

/// SPEC: DOC-10
#[test]
fn a_run_of_any_length_is_refused_at_once() {
    let world = World::new();
    let huge = 1i64 << 60;
    let columns: [(u64, Vec<u8>); 9] = [
        (0x01, [signed(huge), vec![0]].concat()),
        (0x13, [signed(huge), vec![1]].concat()),
        (0x15, [signed(huge), vec![1, b'a']].concat()),
        (0x34, unsigned(huge as u64)),
        (0x42, [signed(huge), vec![1]].concat()),
        (0x42, signed(i64::MIN)),
        (0x56, [signed(huge), vec![0]].concat()),
        (0x70, [signed(4), unsigned(huge as u64)].concat()),
        (0xa5, [vec![0], unsigned(u64::MAX)].concat()),
    ];
    for (column, data) in columns {
        let bytes = world.parts(|p| *p.column(column) = data);
        assert_eq!(world.code(&bytes), "too_many_ops", "column {column:#x}");
    }
    // A long key that a run repeats: 100 kB here, 400 kB in Automerge, and so on.
    let key = [signed(9_000), unsigned(100_000), vec![b'k'; 100_000]].concat();
    let bytes = world.parts(|p| *p.column(0x15) = key);
    assert_eq!(world.code(&bytes), "too_many_key_bytes");
}
