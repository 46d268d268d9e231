//! Disks that fail people: a home put back from a copy, a damaged row, a disk that is full.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value as Json, json};

use crate::apart::unshare;
use crate::kern::{Home, until};

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let status = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap();
    assert!(status.success());
}

pub(crate) fn set(home: &Home, path: &str, value: &str) -> Json {
    home.run(&["doc", "set", path, value, "--json"]).json()["event"].clone()
}

/// Every one of these devices claims one state, and nothing is wrong with any.
pub(crate) fn agree(homes: &[&Home]) {
    until("all claim one state", || {
        let states: Vec<_> = homes.iter().map(|home| home.status()).collect();
        let whole = states.iter().all(|state| state["damage"] == json!([]));
        let hashes: BTreeSet<_> = states.iter().map(|state| state["state_hash"].as_str()).collect();
        (whole && hashes.len() == 1 && !hashes.contains(&None)).then_some(())
    });
}

/// All of these events are here, and no chain has two at one place.
pub(crate) fn holds_without_fork(home: &Home, events: &[Json]) {
    let log = home.log();
    let mut places = BTreeSet::new();
    for row in log.iter().filter(|row| row["kind"] != "notice") {
        let place = ["author", "incarnation", "lane", "seq"].map(|field| row[field].to_string());
        assert!(places.insert(place), "a fork: {row}");
    }
    let ids: BTreeSet<_> = log.iter().map(|row| row["id"].to_string()).collect();
    assert!(events.iter().all(|event| ids.contains(&event.to_string())), "an event is lost");
}

pub(crate) fn lives(home: &Home) -> Vec<Json> {
    let rows = home.status()["lives"].as_array().cloned().unwrap_or_default();
    rows.into_iter().map(|row| row["reason"].clone()).collect()
}

#[test]
fn a_home_put_back_from_a_copy_gets_back_what_it_wrote_and_goes_on() {
    // SPEC: DUR-5
    let [laptop, server] = [Home::new(), Home::new()];
    laptop.init("home").done();
    let node = laptop.up();
    let _server = server.up();
    laptop.pair(&server, "server", "member");
    let mut events = vec![set(&laptop, "notes/a", "1")];
    agree(&[&laptop, &server]);
    node.terminate();
    let kept = laptop.file("kept");
    copy(&laptop.path(), &kept);

    let node = laptop.up();
    events.extend((0..5).map(|i| set(&laptop, &format!("notes/{i}"), "2")));
    agree(&[&laptop, &server]);
    node.terminate();
    fs::remove_dir_all(laptop.path()).unwrap();
    copy(&kept, &laptop.path());

    let _node = laptop.up();
    until("it came back", || (laptop.get("notes/4") == 2).then_some(()));
    events.push(set(&laptop, "notes/b", "3"));
    events.push(set(&server, "notes/c", "4"));
    agree(&[&laptop, &server]);
    for home in [&laptop, &server] {
        holds_without_fork(home, &events);
    }
    assert_eq!(lives(&laptop), ["new_life: own_event_elsewhere"]);
    assert!(laptop.run(&["status"]).done().contains("restored from a copy"));
    let notices = laptop.notices();
    let told = notices.iter().filter(|row| row["reason"] == "new_life: own_event_elsewhere");
    assert_eq!(told.count(), 1, "{notices:?}");
}

/// The only folder of a workspace in a home.
pub(crate) fn store(home: &Home) -> PathBuf {
    let mut folders = fs::read_dir(home.path().join("workspaces")).unwrap();
    folders.next().unwrap().unwrap().path().join("store.db")
}

fn bytes(hex: &Json) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn a_flipped_bit_in_a_row_is_told_and_healed_by_a_peer() {
    // SPEC: DUR-6
    let [laptop, server] = [Home::new(), Home::new()];
    laptop.init("home").done();
    let node = laptop.up();
    let _peer = server.up();
    laptop.pair(&server, "server", "member");
    let events: Vec<_> = (0..5).map(|i| set(&laptop, &format!("notes/{i}"), "2")).collect();
    agree(&[&laptop, &server]);
    let status = laptop.status();
    node.terminate();

    // A header begins with the workspace, the lane (1: content) and the author.
    let own = [bytes(&status["workspace_id"]), vec![1, 0x58, 32], bytes(&status["device_id"])];
    let own = own.concat();
    let mut file = fs::read(store(&laptop)).unwrap();
    // Then comes the life, and the place in the chain: not the event that begins the document.
    let is_third = |at: &usize| {
        file[*at..].starts_with(&own) && file.get(*at + own.len() + 9).is_some_and(|seq| *seq == 3)
    };
    let at = (0..file.len()).find(is_third).unwrap();
    file[at] ^= 4;
    fs::write(store(&laptop), file).unwrap();

    let _node = laptop.up();
    set(&laptop, "notes/b", "3");
    agree(&[&laptop, &server]);
    for home in [&laptop, &server] {
        holds_without_fork(home, &events);
        assert_eq!([home.get("notes/4"), home.get("notes/b")], [json!(2), json!(3)]);
    }
    let told = lives(&laptop);
    assert_eq!(told, ["new_life: store_damaged", "store_healed"]);
}

/// Puts a folder on a small disk of its own, then becomes what follows `--`.
const SMALL: &str = "set -e
cp -a \"$1\" \"$1.kept\"
mount -t tmpfs -o size=2m,mode=0700 kern \"$1\"
cp -a \"$1.kept/.\" \"$1\"
shift 2
exec \"$@\"";

#[test]
fn a_full_disk_refuses_loses_nothing_and_goes_on_when_there_is_room() {
    // SPEC: DUR-2
    let home = Home::with_workspace();
    let folder = home.path().join("workspaces");
    let begin = [unshare(), &["sh", "-c", SMALL, "sh", folder.to_str().unwrap(), "--"]].concat();
    let node = home.up_by(&begin, &[]);
    let root = PathBuf::from(format!("/proc/{}/root", node.pid()));
    let disk = root.join(folder.strip_prefix("/").unwrap());
    let mut events = vec![set(&home, "notes/a", "1")];
    for round in 0..3 {
        let filler = disk.join("filler");
        fs::write(&filler, vec![1; 4 << 20]).unwrap_err();
        let large = json!("x".repeat(9_000)).to_string();
        let refused = (0..500).find_map(|write| {
            let path = format!("notes/{round}-{write}");
            let ran = home.run(&["doc", "set", &path, &large, "--json"]);
            if ran.code == 0 {
                events.push(ran.json()["event"].clone());
            }
            (ran.code != 0).then_some(ran)
        });
        refused.unwrap().refused(1, "no room on the disk");
        home.run(&["doc", "set", "notes/b", &large]).refused(1, "no room on the disk");
        assert_eq!(home.get("notes/a"), 1, "it is read all the same");
        fs::remove_file(filler).unwrap();
        events.push(set(&home, "notes/c", &round.to_string()));
        holds_without_fork(&home, &events);
    }
    // The disk as it is, at another start.
    let kept = home.file("kept");
    copy(&disk, &kept);
    node.kill();
    fs::remove_dir_all(&folder).unwrap();
    copy(&kept, &folder);
    let _node = home.up();
    holds_without_fork(&home, &events);
    assert_eq!(home.status()["damage"], json!([]));
    assert_eq!(lives(&home), Vec::<Json>::new());
}

#[test]
fn a_home_that_cannot_be_written_is_refused_with_what_to_do() {
    let home = Home::with_workspace();
    let fixed =
        "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && shift && exec \"$@\"";
    let path = home.path();
    let begin = [unshare(), &["sh", "-c", fixed, "sh", path.to_str().unwrap()]].concat();
    let mut command = Command::new(begin[0]);
    command.args(&begin[1..]).arg(crate::kern::program()).arg("up");
    let output = command.env("KERNELOS_HOME", home.path()).output().unwrap();
    crate::kern::Ran::from(output).refused(1, "Read-only file system");
    let _node = home.up();
    home.run(&["doc", "set", "notes/a", "1"]).done();
}

#[test]
fn a_node_that_has_no_file_to_open_left_goes_on_when_there_is_one() {
    let home = Home::with_workspace();
    let few = ["sh", "-c", "ulimit -n 64; exec \"$@\"", "sh"];
    let mut node = home.up_by(&few, &[]);
    let mut events = vec![set(&home, "notes/a", "1")];
    let socket = home.path().join("kern.sock");
    for round in 0..3 {
        let held: Vec<_> = (0..100).map(|_| UnixStream::connect(&socket).unwrap()).collect();
        let files = || fs::read_dir(format!("/proc/{}/fd", node.pid())).unwrap().count();
        until("no file is left", || (files() >= 64).then_some(()));
        // Whoever comes now waits, or is refused.
        let waits = home.talk(&["doc", "set", "notes/b", &round.to_string(), "--json"]);
        drop(held);
        assert!([0, 1].contains(&waits.end()));
        events.push(set(&home, "notes/c", &round.to_string()));
    }
    assert!(node.ended().is_none());
    holds_without_fork(&home, &events);
    assert_eq!(home.status()["damage"], json!([]));
}
