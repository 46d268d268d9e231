//! Packs that come whole to a disk that has no room for them.

use super::*;
use crate::git::process::Place;

/// The disk of the tests of real processes: it fails below one folder from a chosen call on.
const SHIM: &str = include_str!("../../../../tests/faults/shim.c");
/// Its class of writes, its action "give this error", and the error of a full disk.
const WRITE: u64 = 1;
const FAIL: u64 = 1;
const NO_ROOM: u64 = 28;

/// A place where the `call`-th write and those behind it find no room.
fn full_from(place: Place, folder: &Path, call: u64) -> Place {
    let (source, shim, control) =
        (folder.join("shim.c"), folder.join("shim.so"), folder.join("control"));
    fs::write(&source, SHIM).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"]).arg(&shim).arg(&source).arg("-ldl");
    assert!(cc.status().unwrap().success());
    let words = [0, call, u64::MAX, WRITE, FAIL, NO_ROOM, 0, 0];
    let mut bytes: Vec<u8> = words.iter().flat_map(|word: &u64| word.to_le_bytes()).collect();
    bytes.extend(fs::canonicalize(&place.folder).unwrap().to_str().unwrap().bytes());
    bytes.resize(64 + 4_096, 0);
    fs::write(&control, bytes).unwrap();
    place.with("LD_PRELOAD", shim).with("FAULTS", control)
}

#[test]
fn a_full_disk_under_a_pack_is_not_the_packs_fault_and_the_pack_comes_in_later() {
    for format in FORMATS {
        let person = Person::with_history(format);
        let tip = person.tip("main");
        let pack = person.pack_of(&[&tip]);
        let (target, shim) = (Person::with_history(format), tempfile::tempdir().unwrap());
        let objects = target.root().join(".git/objects");
        let place = Place::folder(&target.root());
        let mut refused = 0;
        let came = (1..).find(|call| {
            let full = full_from(place.clone(), shim.path(), *call);
            match incoming::receive(&full, &objects, &pack, |_| Ok(())) {
                Ok(()) => true,
                Err(GitFault::NoRoom { why }) => {
                    assert!(why.contains("space"), "{why}");
                    refused += 1;
                    false
                }
                Err(other) => panic!("write {call}: {other}"),
            }
        });
        assert!(refused > 1 && came.is_some(), "{refused} writes failed");
    }
}
