//! Join files with real nodes: a machine without a screen comes in, and who should not does not.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::kern::{Home, Ran, until};

/// Makes a join file beside the home.
fn make(home: &Home, name: &str, options: &[&str]) -> (String, Json) {
    let path = home.file(name).to_str().unwrap().to_owned();
    let made = home.run(&[&["invite", "--join-file", &path, "--json"], options].concat()).json();
    (path, made)
}

/// Brings it to another machine, whose user alone may read it there too.
fn bring(path: &str, to: &Home) -> String {
    let there = to.file("brought.join");
    fs::copy(path, &there).unwrap();
    there.to_str().unwrap().to_owned()
}

fn join(home: &Home, path: &str, name: &str) -> Ran {
    home.run(&["join", "--join-file", path, "--device", name, "--json"])
}

fn refused(ran: &Ran, code: i32, reason: &str) {
    assert_eq!(ran.code, code, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains(&format!("{{\"refused\":\"{reason}\"}}")), "{}", ran.stdout);
}

#[test]
fn a_store_without_a_screen_comes_in_by_a_file_and_syncs_also_after_the_issuer_restarted() {
    // SPEC: PAIR-20, PAIR-21, PAIR-22, PAIR-24, PAIR-25
    let [laptop, first, second, third] = [Home::new(), Home::new(), Home::new(), Home::new()];
    laptop.init("home").done();
    let laptop_up = laptop.up();
    let (path, made) = make(&laptop, "box.join", &["--role", "store", "--uses", "2"]);
    assert_eq!(
        (&made["uses"], &made["left"], &made["state"]),
        (&json!(2), &json!(2), &json!("open"))
    );
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let written = fs::read_to_string(&path).unwrap();
    let kept =
        laptop.path().join("workspaces").join(laptop.status()["workspace_id"].as_str().unwrap());
    let kept = fs::read_to_string(kept.join("invitations")).unwrap();
    let secret = written.lines().last().unwrap();
    assert!(!kept.contains(&secret[20..60]), "the issuer's disk holds no join file");

    let _ups = [first.up(), second.up(), third.up()];
    let brought = bring(&path, &first);
    let joined = join(&first, &brought, "box").json();
    assert_eq!((&joined["workspace"], &joined["device"]), (&json!("home"), &json!("box")));
    assert!(Path::new(&brought).exists(), "it lets in one more");
    refused(&join(&first, &brought, "box"), 5, "already_member");

    assert!(laptop_up.terminate().success());
    let laptop_up = laptop.up();
    let brought = bring(&path, &second);
    let joined = join(&second, &brought, "box 2").json();
    assert_eq!(joined["device"], "box 2");
    assert!(!Path::new(&brought).exists(), "it lets in nobody more");
    refused(&join(&third, &bring(&path, &third), "box 3"), 5, "invitation_used");
    laptop_up.kill();
    let _laptop_up = laptop.up();
    refused(&join(&third, &bring(&path, &third), "box 3"), 5, "invitation_used");

    laptop.run(&["doc", "set", "notes/a", "1"]).done();
    let events = laptop.status()["events"].clone();
    for store in [&first, &second] {
        until("the store holds all", || (store.status()["events"] == events).then_some(()));
        let devices = store.run(&["devices", "--json"]).json();
        let stores = devices.as_array().unwrap().iter().filter(|row| row["role"] == "store");
        assert_eq!(stores.count(), 2, "{devices}");
    }
    let listed = laptop.run(&["invite", "--list", "--json"]).json();
    assert_eq!((&listed[0]["left"], &listed[0]["state"]), (&json!(0), &json!("used up")));
    let reasons: Vec<_> = laptop.notices().iter().map(|row| row["reason"].clone()).collect();
    for reason in ["pairing_granted", "pairing_refused: invitation_used"] {
        assert!(reasons.contains(&json!(reason)), "{reasons:?}");
    }
    // Every member sees by which file it came.
    let rule = format!("join file {}", made["invitation"].as_str().unwrap());
    let grants = second.log().into_iter().filter(|row| row["kind"] == "grant");
    let shown = |row: Json| {
        let id = row["id"].as_str().unwrap().to_owned();
        second.run(&["log", "--event", &id, "--json"]).done().contains(&rule)
    };
    assert_eq!(grants.map(shown).filter(|shown| *shown).count(), 2);
}

#[test]
fn a_file_that_was_revoked_read_by_others_changed_or_is_another_lets_nobody_in() {
    // SPEC: PAIR-20, PAIR-21, PAIR-23
    let [laptop, other, newcomer] = [Home::new(), Home::new(), Home::new()];
    laptop.init("home").done();
    let laptop_up = laptop.up();
    let _newcomer_up = newcomer.up();
    let (path, made) = make(&laptop, "a.join", &[]);
    let id = made["invitation"].as_str().unwrap();
    let brought = bring(&path, &newcomer);
    fs::set_permissions(&brought, Permissions::from_mode(0o640)).unwrap();
    join(&newcomer, &brought, "box").refused(1, "can be read by others");
    fs::set_permissions(&brought, Permissions::from_mode(0o600)).unwrap();
    let text = fs::read_to_string(&brought).unwrap();
    let changed = text.replace("KOSJ1:RA", "KOSJ1:RB");
    assert_ne!(changed, text);
    fs::write(&brought, changed).unwrap();
    join(&newcomer, &brought, "box").refused(2, "token_checksum");
    for code in ["KOS1:foo", "KOS1:AEAQ", "words"] {
        newcomer.run(&["join", code, "--device", "box"]).refused(2, "token_");
    }
    fs::write(&brought, "KOS1:AEAQ").unwrap();
    join(&newcomer, &brought, "box").refused(2, "token_foreign");
    join(&newcomer, &brought, "box").refused(2, "is no join file");
    join(&newcomer, "/nowhere", "box").refused(1, "/nowhere");
    fs::write(&brought, &text).unwrap();

    let revoked = laptop.run(&["invite", "--revoke", id, "--json"]).json();
    assert_eq!(revoked[0]["state"], "revoked");
    refused(&join(&newcomer, &brought, "box"), 5, "cancelled");
    laptop_up.kill();
    let _laptop_up = laptop.up();
    refused(&join(&newcomer, &brought, "box"), 5, "cancelled");
    laptop.run(&["invite", "--revoke", "0011223344556677"]).refused(1, "no standing invitation");

    // What others may not do, or not so.
    let path = laptop.file("b.join").to_str().unwrap().to_owned();
    for (options, code, words) in [
        (&["--role", "admin"][..], 2, "no join file is good for that"),
        (&["--uses", "65"], 2, "no join file is good for that"),
        (&["--expires", "31d"], 2, "no join file is good for that"),
        (&["--ttl", "60"], 2, "cannot be used with"),
    ] {
        let ran = laptop.run(&[&["invite", "--join-file", &path], options].concat());
        assert_eq!(ran.code, code, "{options:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{options:?}: {}", ran.stderr);
        assert!(!Path::new(&path).exists());
    }
    let (path, _) = make(&laptop, "c.join", &[]);
    laptop.run(&["invite", "--join-file", &path]).refused(1, "c.join");
    let states: Vec<_> = laptop
        .run(&["invite", "--list", "--json"])
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["state"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(states.iter().filter(|state| *state == "open").count(), 1, "{states:?}");
    assert_eq!(states.len(), 3, "what was not written lets nobody in: {states:?}");

    // A member that may not grant may not write one.
    let _other_up = other.up();
    let brought = bring(&path, &other);
    join(&other, &brought, "phone").done();
    other
        .run(&["invite", "--join-file", other.file("d").to_str().unwrap()])
        .refused(5, "may not let in");
}

#[test]
fn the_issuers_clock_ends_a_file_also_while_it_is_off() {
    // SPEC: PAIR-23
    let [laptop, newcomer] = [Home::new(), Home::new()];
    laptop.init("home").done();
    let laptop_up = laptop.up();
    let _newcomer_up = newcomer.up();
    let (path, _) = make(&laptop, "a.join", &["--expires", "1s"]);
    let brought = bring(&path, &newcomer);
    until("its second is over", || {
        let listed = laptop.run(&["invite", "--list", "--json"]).json();
        (listed[0]["state"] == "expired").then_some(())
    });
    refused(&join(&newcomer, &brought, "box"), 5, "invitation_expired");
    let (path, made) = make(&laptop, "b.join", &["--expires", "1h"]);
    laptop_up.kill();
    // As if it had been off for an hour: what it knows of the time is all that it has.
    let workspace =
        fs::read_dir(laptop.path().join("workspaces")).unwrap().next().unwrap().unwrap();
    let kept = workspace.path().join("invitations");
    let mut records: Json = serde_json::from_slice(&fs::read(&kept).unwrap()).unwrap();
    for record in records.as_array_mut().unwrap() {
        record["seen_s"] = made["expires"].clone();
    }
    fs::write(&kept, records.to_string()).unwrap();
    let laptop_up = laptop.up();
    refused(&join(&newcomer, &bring(&path, &newcomer), "box"), 5, "invitation_expired");
    laptop_up.kill();
}
