//! A device with the role of a store: it holds everything and can read nothing.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::kern::{Home, Node, until};

/// What nobody but a member that may read should ever find.
const SECRET: &str = "the-plum-is-ripe-at-midnight";

/// What the phone is called: no store is told names of others' devices, either.
const PHONE: &str = "lime-phone-of-the-garden";

/// A page of a stack that was never that deep.
const EMPTY: [u8; 4096] = [0; 4096];

/// All bytes of the files below a folder, one after the other.
fn files(folder: &Path, into: &mut Vec<u8>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else if path.is_file() {
            into.extend(fs::read(&path).unwrap());
        }
    }
}

/// What a process holds in memory that it may write: its heap, its stacks, its pages of files.
fn memory(node: &Node) -> Vec<u8> {
    use std::os::unix::fs::FileExt as _;
    let of = format!("/proc/{}", node.pid());
    let maps = fs::read_to_string(format!("{of}/maps")).unwrap();
    let mem = fs::File::open(format!("{of}/mem")).unwrap();
    let mut all = Vec::new();
    for line in maps.lines().filter(|line| line.split(' ').nth(1).unwrap().starts_with("rw")) {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [from, to] = [from, to].map(|hex| u64::from_str_radix(hex, 16).unwrap());
        let mut page = vec![0; 4096];
        for at in (from..to).step_by(page.len()) {
            // A page that the kernel keeps for itself, or that was given back meanwhile.
            if mem.read_exact_at(&mut page, at).is_ok() && page != EMPTY {
                all.extend(&page);
            }
        }
    }
    all
}

/// `grep` looks: it is made for this.
fn holds(bytes: &[u8], what: &str) -> bool {
    let mut command = Command::new("grep");
    let mut grep = command.args(["-aqF", "--", what]).stdin(Stdio::piped()).spawn().unwrap();
    // One that found it reads no further.
    grep.stdin.take().unwrap().write_all(bytes).ok();
    let code = grep.wait().unwrap().code();
    assert!(matches!(code, Some(0 | 1)), "grep ended with {code:?}");
    code == Some(0)
}

#[test]
fn two_devices_that_never_meet_agree_through_a_store_that_reads_nothing() {
    // SPEC: KEY-6, STATE-3
    let [laptop, phone, store] = [Home::new(), Home::new(), Home::new()];
    laptop.init("home").done();
    let laptop_up = laptop.up();
    let store_up = store.up();
    let phone_up = phone.up();
    laptop.pair(&store, "box", "store");
    laptop.pair(&phone, PHONE, "member");
    until("the store knows the phone", || {
        (store.run(&["devices", "--json"]).json().as_array().unwrap().len() == 3).then_some(())
    });
    phone_up.kill();
    laptop.run(&["doc", "set", "notes/a", &format!("{SECRET:?}")]).done();
    let written = laptop.status()["events"].clone();
    until("the store holds it", || (store.status()["events"] == written).then_some(()));
    laptop_up.kill();

    let phone_up = phone.up();
    until("the phone has it from the store", || (phone.get("notes/a") == SECRET).then_some(()));
    phone.run(&["doc", "set", "notes/b", &format!("{:?}", SECRET.repeat(3))]).done();
    let written = phone.status()["events"].clone();
    until("the store holds that too", || (store.status()["events"] == written).then_some(()));

    let mut disk = Vec::new();
    files(&store.path(), &mut disk);
    assert!(disk.len() > 10_000, "there is something to look through");
    let (store_holds, phone_holds) = (memory(&store_up), memory(&phone_up));
    for said in [SECRET, PHONE] {
        assert!(!holds(&disk, said), "{said} is on the store's disk");
        assert!(!holds(&store_holds, said), "{said} is in the store's memory");
        assert!(holds(&phone_holds, said), "who looks finds it where it is");
    }
    phone_up.kill();

    let laptop_up = laptop.up();
    until("the laptop has what the phone wrote", || {
        (laptop.get("notes/b") == SECRET.repeat(3)).then_some(())
    });
    store.run(&["doc", "get", "notes/a"]).refused(5, "reads nothing");
    store.run(&["mission", "list"]).refused(5, "reads nothing");
    assert!(store.run(&["status"]).done().contains("not known: this device keeps all"));
    assert!(store.run(&["doctor"]).done().contains("not known: this device keeps all"));
    store.run(&["doc", "set", "notes/c", "1"]).refused(5, "store");
    drop((laptop_up, store_up));
}
