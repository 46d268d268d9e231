//! Starts where something is wrong that is no reason to stay off: the node says what and does the
//! rest.

use std::fs;

use rusqlite::Connection;
use rustix::io::Errno;
use serde_json::{Value as Json, json};

use crate::disks::store;
use crate::faults::disk::{Action, Disk, TRUNCATE, WRITE};
use crate::kern::Home;

/// What is wrong, as the status says it.
fn damage(home: &Home) -> String {
    home.status()["damage"].to_string()
}

/// The states of the join files there.
fn states(home: &Home) -> Vec<Json> {
    let listed = home.run(&["invite", "--list", "--json"]).json();
    listed.as_array().unwrap().iter().map(|row| row["state"].clone()).collect()
}

#[test]
fn on_a_full_disk_a_node_starts_and_goes_on_when_there_is_room() {
    // SPEC: DUR-13, PAIR-26
    for classes in [WRITE, WRITE | TRUNCATE] {
        let (disk, home) = Disk::with_home();
        home.init("home").done();
        let node = home.up();
        let file = home.file("box.join");
        let make = ["invite", "--join-file", file.to_str().unwrap(), "--json"];
        home.run(&make).done();
        home.run(&["doc", "set", "notes/a", "1"]).done();
        assert!(node.terminate().success());
        disk.fails(classes, 1..=u64::MAX, Action::Error(Errno::NOSPC.raw_os_error()));
        let (_node, ready) = home.up_saying();
        let told = ready["told"].to_string();
        assert!(told.contains("invitations") && told.contains("make room"), "{classes}: {told}");
        assert_eq!(home.get("notes/a"), 1, "{classes}");
        assert!(damage(&home).contains("invitations"), "{classes}: {}", damage(&home));
        home.run(&["invite", "--list"]).refused(1, "invitations");
        fs::remove_file(&file).unwrap();
        home.run(&make).refused(1, "invitations");
        assert_ne!(home.run(&["doc", "set", "notes/b", "1"]).code, 0);
        disk.works();
        home.run(&["doc", "set", "notes/b", "1"]).done();
        assert_eq!(states(&home), ["open"], "{classes}: what stood stands");
        home.run(&make).done();
        assert_eq!(home.status()["damage"], json!([]));
    }
}

#[test]
fn a_file_of_join_files_that_is_damaged_shuts_them_and_nothing_else() {
    // SPEC: PAIR-26
    let home = Home::with_workspace();
    let kept = store(&home).with_file_name("invitations");
    fs::write(&kept, "no JSON").unwrap();
    let (_node, ready) = home.up_saying();
    assert!(ready["told"].to_string().contains("move it away"), "{ready}");
    let file = home.file("box.join");
    let make = ["invite", "--join-file", file.to_str().unwrap(), "--json"];
    home.run(&make).refused(1, "is damaged");
    home.run(&["invite", "--list"]).refused(1, "is damaged");
    home.run(&["invite", "--revoke", "0011223344556677"]).refused(1, "is damaged");
    assert_eq!(fs::read(&kept).unwrap(), b"no JSON", "it is not written over");
    home.run(&["doc", "set", "notes/a", "1"]).done();
    assert!(damage(&home).contains("is damaged"));
    fs::remove_file(&kept).unwrap();
    home.run(&make).done();
    assert_eq!(states(&home), ["open"]);
    assert_eq!(home.status()["damage"], json!([]));
}

#[test]
fn one_store_that_cannot_be_opened_takes_nothing_from_the_others() {
    // SPEC: DUR-13
    let home = Home::with_workspace();
    let newer = store(&home);
    home.init("second").done();
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(&newer).unwrap();
    let (node, ready) = home.up_saying();
    let folder = newer.parent().unwrap().file_name().unwrap().to_str().unwrap();
    let told = ready["told"].to_string();
    assert!(told.contains(folder) && told.contains("newer kern"), "{told}");
    home.run(&["doc", "set", "notes/a", "1", "--workspace", "second"]).done();
    // Which workspace is meant is not said by what is left of them.
    assert_eq!(home.run(&["doc", "set", "notes/a", "1"]).code, 2);
    home.run(&["status", "--workspace", folder]).refused(1, "newer kern");
    assert!(node.terminate().success());
    assert_eq!(fs::read(&newer).unwrap(), before);
    fs::remove_dir_all(newer.parent().unwrap()).unwrap();
    let (_node, ready) = home.up_saying();
    assert_eq!(ready.get("told"), None);
}
