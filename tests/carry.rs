//! What is carried between devices as files: the way to those that never meet, and back when all
//! are lost.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value as Json, json};

use crate::kern::{Home, until};

/// A device with some history, exported.
fn exported(laptop: &Home) -> (Json, String) {
    for number in 0..20 {
        laptop.run(&["doc", "set", &format!("notes/{number}"), "\"rain\""]).done();
    }
    laptop.run(&["task", "add", "pack"]).done();
    let file = text(&laptop.file("home.events"));
    let told = laptop.run(&["export", "--events", &file, "--json"]).json();
    (told, file)
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn import(home: &Home, file: &str) -> crate::kern::Ran {
    home.run(&["import", "--events", file, "--workspace", "home", "--json"])
}

#[test]
fn a_file_and_the_recovery_key_bring_a_workspace_back_whose_devices_are_all_lost() {
    // SPEC: ARC-1, ARC-3, ARC-4, CTL-9
    let [laptop, edge, phone] = [Home::with_workspace(), Home::new(), Home::new()];
    let lost = laptop.up();
    let (told, file) = exported(&laptop);
    let events = laptop.status()["events"].clone();
    assert_eq!(told["events"], events);
    assert_eq!(told["bytes"], fs::metadata(&file).unwrap().len());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!fs::read(&file).unwrap().windows(4).any(|bytes| bytes == b"rain"), "it is sealed");
    lost.kill();

    import(&edge, &file).refused(3, "kern up");
    let node = edge.up();
    let taken = import(&edge, &file).json();
    assert_eq!((&taken["events"], &taken["new"], &taken["made"]), (&events, &events, &json!(true)));
    assert_eq!((&taken["bytes"], &taken["member"]), (&told["bytes"], &json!(false)));
    let again = import(&edge, &file).json();
    assert_eq!((&again["new"], &again["made"]), (&json!(0), &json!(false)));
    assert_eq!(edge.get("notes/0"), Json::Null, "it cannot read what is not for it");
    edge.run(&["doc", "set", "notes/x", "1"]).refused(5, "no member");

    let recovery = text(&laptop.file("home.recovery"));
    let args = ["rescue", "--recovery-file", &recovery, "--device", "edge", "--json"];
    let rescued = edge.run(&args).json();
    assert_eq!((&rescued["workspace"], &rescued["device"]), (&json!("home"), &json!("edge")));
    assert_eq!(rescued["settled"], json!(["laptop"]));
    until("the edge reads it", || (edge.get("notes/19") == "rain").then_some(()));
    assert!(edge.run(&["task", "list"]).done().contains("pack"));
    let is_named = || {
        let listed = edge.run(&["workspace", "list", "--json"]).json();
        assert_eq!(
            (&edge.status()["device"], &listed[0]["device"]),
            (&json!("edge"), &json!("edge"))
        );
    };
    assert_eq!(edge.status()["role"], "owner");
    is_named();
    edge.run(&["doc", "set", "notes/x", "1"]).done();
    node.kill();

    let _edge = edge.up();
    is_named();
    assert_eq!(edge.get("notes/x"), 1);
    let _phone = phone.up();
    edge.pair(&phone, "phone", "member");
    until("the phone has the old", || (phone.get("notes/19") == "rain").then_some(()));
}

#[test]
fn an_invitation_makes_a_device_a_member_of_what_a_file_brought() {
    // SPEC: ARC-4
    let [laptop, edge] = [Home::with_workspace(), Home::new()];
    let (_laptop, node) = (laptop.up(), edge.up());
    let (_, file) = exported(&laptop);
    let taken = import(&edge, &file).json();
    assert_eq!(taken["member"], false);
    let joined = laptop.pair(&edge, "edge", "member");
    assert_eq!(joined["workspace"], "home");
    assert_eq!(
        (edge.status()["role"].clone(), edge.get("notes/3")),
        (json!("member"), json!("rain"))
    );
    node.kill();
    let _edge = edge.up();
    laptop.run(&["doc", "set", "notes/later", "1"]).done();
    until("they meet again", || (edge.get("notes/later") == 1).then_some(()));
}

#[test]
fn two_members_that_never_meet_agree_by_files_in_both_directions() {
    // SPEC: ARC-3
    let [laptop, edge] = [Home::with_workspace(), Home::new()];
    let (_laptop, _edge) = (laptop.up(), edge.up());
    laptop.pair(&edge, "edge", "member");
    for home in [&laptop, &edge] {
        home.run(&["offline"]).done();
    }
    laptop.run(&["doc", "set", "notes/a", "1"]).done();
    edge.run(&["doc", "set", "notes/b", "2"]).done();
    for (from, to) in [(&laptop, &edge), (&edge, &laptop)] {
        // As bytes from one process to the other, with no file between.
        let mut export = from.command(&["export", "--events", "-"]);
        let export = export.output().unwrap();
        assert!(export.status.success());
        assert!(String::from_utf8(export.stderr).unwrap().contains("events"));
        let taken = to.run_with(&["import", "--events", "-", "--json"], export.stdout).json();
        assert_eq!((&taken["member"], &taken["made"]), (&json!(true), &json!(false)));
        assert!(taken["new"].as_u64().unwrap() > 0);
    }
    assert_eq!((laptop.get("notes/b"), edge.get("notes/a")), (json!(2), json!(1)));
    until("both agree", || {
        let [laptop, edge] = [laptop.status(), edge.status()];
        let is_one = laptop["state_hash"] == edge["state_hash"];
        (is_one && laptop["state_hash"].is_string()).then_some(())
    });
}

#[test]
fn a_file_that_is_damaged_is_refused_with_a_code_and_what_was_whole_stays() {
    // SPEC: ARC-2, ARC-3
    let [laptop, edge] = [Home::with_workspace(), Home::new()];
    let (_laptop, _edge) = (laptop.up(), edge.up());
    let (told, file) = exported(&laptop);
    let good = fs::read(&file).unwrap();
    let count = told["events"].as_u64().unwrap();
    let changed = |at: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    let bad = text(&edge.file("bad"));
    for (bytes, code, hint) in [
        (Vec::new(), "archive_truncated", "export it again"),
        (b"{\"no\": \"events\"}".to_vec(), "not_an_archive", "kern export --events"),
        (changed(16, &2_u32.to_be_bytes()), "archive_version", "upgrade"),
        (changed(20, &[1; 32]), "archive_genesis", "export it again"),
        (changed(60, &u32::MAX.to_be_bytes()), "archive_length", "export it again"),
    ] {
        fs::write(&bad, bytes).unwrap();
        let ran = import(&edge, &bad);
        ran.refused(1, code);
        assert!(ran.stderr.contains(hint), "{}", ran.stderr);
        assert_eq!(edge.run(&["workspace", "list", "--json"]).json(), json!([]));
    }
    fs::write(&bad, &good[..good.len() / 2]).unwrap();
    import(&edge, &bad).refused(1, "archive_truncated");
    let here = edge.status()["events"].as_u64().unwrap();
    assert!(here > 0 && here < count, "half of {count} events are {here}");
    fs::write(&bad, [&good[..], b"more"].concat()).unwrap();
    let ran = import(&edge, &bad);
    ran.refused(1, "archive_trailing");
    assert!(ran.stderr.contains(&format!("{count} events of it are here")), "{}", ran.stderr);
    assert_eq!(import(&edge, &file).json()["new"], 0);
}

#[test]
fn a_file_goes_where_it_belongs_and_over_nothing() {
    let [laptop, edge] = [Home::with_workspace(), Home::with_workspace()];
    let (_laptop, _edge) = (laptop.up(), edge.up());
    let (_, file) = exported(&laptop);
    laptop.run(&["export", "--events", &file]).refused(1, "is there already");
    laptop.run(&["export", "--events", &file]).refused(1, "nothing is overwritten");
    laptop.run(&["export", "--events", "/nowhere/file"]).refused(1, "/nowhere/file");
    laptop.run(&["import", "--events", "/nowhere/file"]).refused(1, "name a file");
    // SPEC: ARC-4
    import(&edge, &file).refused(1, "wrong_workspace");
    for args in [&[][..], &["--workspace", "hoem"], &["--workspace", "home", "--new"]] {
        let ran = edge.run(&[&["import", "--events", &file], args].concat());
        let [theirs, own] = [laptop.status(), edge.status()].map(|s| s["workspace_id"].clone());
        for word in [&theirs, &own, &json!("home"), &json!("--new")] {
            ran.refused(1, word.as_str().unwrap());
        }
        let list = edge.run(&["workspace", "list", "--json"]).json();
        assert_eq!(list.as_array().unwrap().len(), 1, "nothing is made that nobody asked for");
    }
    let args = ["import", "--events", &file, "--new", "--device", "edge", "--json"];
    let made = edge.run(&args).json();
    let id = made["workspace_id"].as_str().unwrap();
    let again = edge.run(&["import", "--events", &file, "--json"]).json();
    assert_eq!((&again["made"], &again["new"]), (&json!(false), &json!(0)), "it is here now");
    let args = ["import", "--events", &file, "--workspace", "home"];
    edge.run(&args).refused(1, &format!("--workspace workspace-{}", &id[..8]));
    assert_eq!(made["workspace"], format!("workspace-{}", &id[..8]));
    let folder = fs::read_dir(laptop.file("")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().all(|name| !name.starts_with(".new-")), "nothing is left behind");
}

#[test]
fn an_import_that_is_interrupted_leaves_a_store_that_goes_on() {
    // SPEC: ARC-3
    let [laptop, edge] = [Home::with_workspace(), Home::new()];
    let (_laptop, _edge) = (laptop.up(), edge.up());
    let (told, file) = exported(&laptop);
    // It waits for more than it gets: what came by then is not lost, and no signal is.
    let mut talk = edge.talk(&["import", "--events", "-", "--workspace", "home", "--json"]);
    talk.give(&fs::read(&file).unwrap()[..3_000]);
    until("the workspace is made", || {
        let list = edge.run(&["workspace", "list", "--json"]).json();
        (!list.as_array().unwrap().is_empty()).then_some(())
    });
    talk.signal(Signal::INT);
    assert_eq!(talk.end_open(), 130);
    let taken = import(&edge, &file).json();
    assert_eq!(taken["events"], told["events"]);
    assert_eq!(edge.status()["events"], told["events"]);
}
