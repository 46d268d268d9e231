//! Documents in other programs: what the JavaScript Automerge of npm reads of ours, and what we
//! take in of its.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value as Json, json};

use crate::kern::{Home, program, until};

/// The version that is tested against.
const PACKAGE: &str = "@automerge/automerge@3.5.0";

/// The folder with the package, which is installed once.
fn package() -> PathBuf {
    let target = program().parent().and_then(Path::parent).unwrap().to_owned();
    let folder = target.join("interop");
    fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let stamp = folder.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == PACKAGE) {
        return folder;
    }
    let options = ["install", "--prefix", ".", "--no-save", "--ignore-scripts", "--no-audit"];
    let npm = Command::new("npm").args(options).arg(PACKAGE).current_dir(&folder).output();
    let npm = npm.expect("npm must be installed");
    assert!(npm.status.success(), "{}", String::from_utf8_lossy(&npm.stderr));
    fs::write(stamp, PACKAGE).unwrap();
    folder
}

/// Runs the JavaScript beside this file.
fn javascript(args: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("automerge.mjs");
    let node = Command::new("node").arg(script).args(args).env("AUTOMERGE", package()).output();
    let node = node.expect("node must be installed");
    assert!(node.status.success(), "{}", String::from_utf8_lossy(&node.stderr));
    String::from_utf8(node.stdout).unwrap()
}

#[test]
fn what_the_javascript_automerge_wrote_is_taken_in_with_what_its_conflicts_hide() {
    // SPEC: PRJ-8
    let home = Home::with_workspace();
    let _node = home.up();
    let file = home.file("theirs.automerge");
    javascript(&["make", text(&file)]);
    let theirs = javascript(&["show", text(&file), "title"]);
    let theirs: Json = serde_json::from_str(&theirs).unwrap();
    let args = ["import", "--automerge", text(&file), "notes/theirs", "--json"];
    let taken = home.run(&args).json();
    assert_eq!(taken["bytes"], fs::metadata(&file).unwrap().len());
    assert_eq!(taken["changes"], theirs["changes"]);
    assert_eq!(
        (&taken["conflicts"], &taken["conflicts_at"]),
        (&json!(1), &json!("notes/theirs-conflicts"))
    );
    assert_eq!(taken["converted"], json!({ "counter": 1, "date": 1, "bytes": 1 }));
    assert!(taken["events"].as_u64().unwrap() > 4, "40,000 operations are several events");

    let mut ours = home.get("notes/theirs");
    let mut expected = theirs["value"].clone();
    // What JSON of the other side cannot say, and we show as it is.
    assert_eq!((&ours["hits"], &ours["when"]), (&json!(6), &json!(1_700_000_000_000_i64)));
    assert_eq!(ours["raw"], json!({ "bytes": "0102ff" }));
    for value in [&mut ours, &mut expected] {
        for key in ["hits", "when", "raw"] {
            value.as_object_mut().unwrap().remove(key);
        }
    }
    for (key, value) in expected.as_object().unwrap() {
        assert!(&ours[key] == value, "{key} is another one");
    }
    assert_eq!(ours.as_object().unwrap().len(), expected.as_object().unwrap().len());
    let hidden = home.get("notes/theirs-conflicts");
    assert_eq!(hidden[0]["path"], json!(["title"]));
    let mut both = [&hidden[0]["value"], &ours["title"]];
    both.sort_by_key(|value| value.to_string());
    assert_eq!(json!(both), theirs["conflicts"]["title"]);

    home.run(&args).refused(1, "something is at notes/theirs already");
    let mut elsewhere = args;
    elsewhere[3] = "routing/x";
    home.run(&elsewhere).refused(2, "below notes/ and tasks/");
}

#[test]
fn a_hostile_automerge_file_costs_one_process_and_changes_nothing() {
    // SPEC: PRJ-8
    let home = Home::with_workspace();
    let _node = home.up();
    home.run(&["doc", "set", "notes/a", "{\"b\": [1, \"text\"]}"]).done();
    let folder = home.file("out");
    home.run(&["export", "--automerge", text(&folder)]).done();
    let good = fs::read(folder.join("workspace.automerge")).unwrap();
    let events = home.status()["events"].clone();
    let file = home.file("bad");
    let import = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        home.run(&["import", "--automerge", text(&file), "notes/bad", "--json"])
    };
    import(b"").refused(1, "automerge_unreadable");
    for bytes in [&b"{}"[..], &good[..good.len() / 2], &[&good[..], b"more"].concat()] {
        import(bytes).refused(1, "automerge_");
    }
    // A kilobyte with a right checksum on which Automerge takes memory without end: it sees none.
    import(include_bytes!("fixtures/grows.automerge")).refused(1, "automerge_too_large");
    for at in (12..good.len()).step_by(good.len() / 24) {
        let mut bad = good.clone();
        bad[at] ^= 0x5a;
        let ran = import(&bad);
        if ran.code != 0 {
            ran.refused(1, "automerge_");
        }
    }
    assert_eq!(home.status()["events"], events);
    assert_eq!(home.get("notes/a/b/1"), "text");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_javascript_automerge_reads_our_documents_with_its_history_and_conflicts() {
    // SPEC: PRJ-8
    let [laptop, phone] = [Home::with_workspace(), Home::new()];
    let (_laptop, _phone) = (laptop.up(), phone.up());
    laptop.pair(&phone, "phone", "member");
    let value = r#"{"title": "ä 🦀", "n": -3, "x": 0.5, "no": null, "list": [1, "b", [true]]}"#;
    laptop.run(&["doc", "set", "tasks/1", value]).done();
    laptop.run(&["doc", "set", "notes/a", "\"base\""]).done();
    laptop.run(&["board", "create", "garden"]).done();
    laptop.run(&["doc", "set", "boards/garden/notes/b", "\"base\""]).done();
    let there = || (phone.status()["events"] == laptop.status()["events"]).then_some(());
    until("the phone has it", there);
    for home in [&laptop, &phone] {
        home.run(&["offline"]).done();
    }
    for (home, says) in [(&laptop, "\"rain\""), (&phone, "\"sun\"")] {
        home.run(&["doc", "set", "notes/a", says]).done();
        home.run(&["doc", "set", "boards/garden/notes/b", says]).done();
    }
    for home in [&laptop, &phone] {
        home.run(&["online"]).done();
    }
    until("the conflicts are there", || (laptop.status()["conflicts"] == 2).then_some(()));

    let folder = laptop.file("out");
    let args = ["export", "--automerge", text(&folder), "--json"];
    let written = laptop.run(&args).json();
    let files = &written["files"];
    assert_eq!(files.as_array().unwrap().len(), 2);
    let file = folder.join("workspace.automerge");
    assert_eq!(files[0]["bytes"], fs::metadata(&file).unwrap().len());
    let sum = |key: &str| files[0][key].as_u64().unwrap() + files[1][key].as_u64().unwrap();
    assert_eq!(written["bytes"], sum("bytes"));
    // The event that made the board is in both.
    assert_eq!(written["events"], sum("changes") - 1);
    laptop.run(&args).refused(1, "nothing is overwritten");
    laptop.run(&["export", "--json"]).refused(2, "--events");

    let seen = javascript(&["show", text(&file), "notes/a", "tasks/1"]);
    let seen: Json = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["value"], laptop.get(""), "the same values");
    assert_eq!(seen["value"]["tasks"]["1"], serde_json::from_str::<Json>(value).unwrap());
    assert_eq!(seen["heads"], files[0]["heads"]);
    assert_eq!(seen["changes"], files[0]["changes"]);
    let kinds = laptop.log().into_iter().filter(|row| row["lane"] == "content").count();
    assert_eq!(written["events"], json!(kinds), "each event of content, once");
    assert_eq!(seen["conflicts"], json!({ "notes/a": ["rain", "sun"], "tasks/1": [] }));

    let board = folder.join("garden.automerge");
    let seen: Json = serde_json::from_str(&javascript(&["show", text(&board), "notes/b"])).unwrap();
    assert_eq!(seen["value"], laptop.get("boards/garden"), "the same values");
    assert_eq!((&seen["heads"], &seen["changes"]), (&files[1]["heads"], &files[1]["changes"]));
    assert_eq!(seen["conflicts"], json!({ "notes/b": ["rain", "sun"] }));
}
