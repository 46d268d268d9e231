//! `kern` as a person and as a script meet it, on one device.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value as Json, json};

use crate::kern::Home;

#[test]
fn a_workspace_is_made_and_written_and_is_there_after_a_restart() {
    let home = Home::new();
    let made = home.init("home").json();
    assert_eq!(made["workspace"], "home");
    assert_eq!(made["device"], "laptop");
    assert_eq!(made["event"], made["workspace_id"]);
    let words = std::fs::read_to_string(home.file("home.recovery")).unwrap();
    let last = words.lines().last().unwrap();
    assert_eq!(last.split(' ').count(), 24);

    let node = home.up();
    let set = home.run(&["doc", "set", "notes/today", "\"rain\"", "--json"]).json();
    assert_eq!((&set["path"], &set["value"]), (&json!("notes/today"), &json!("rain")));
    assert_eq!(set["conflict"], false);
    let get = home.run(&["doc", "get", "notes/today", "--json"]).json();
    assert_eq!((&get["value"], &get["event"]), (&set["value"], &set["event"]));
    let status = home.run(&["status", "--json"]).json();
    assert_eq!(status["events"], 5);
    assert_eq!(status["revoked"], false);
    assert_eq!(status["damage"], json!([]));
    assert!(node.terminate().success());

    let _node = home.up();
    assert_eq!(home.run(&["status", "--json"]).json(), status);
    let kinds: Vec<_> = home.log().iter().map(|row| row["kind"].clone()).collect();
    assert_eq!(kinds, ["genesis", "epoch", "wrap", "change", "change"]);
    let last = &home.log()[4];
    assert_eq!((&last["id"], &last["verdict"]), (&set["event"], &json!("admitted")));
}

#[test]
fn a_batch_from_stdin_is_one_event() {
    let home = Home::with_workspace();
    let _node = home.up();
    let edits = json!([
        {"set": "tasks/1", "value": {"title": "pack", "days": [1, 2.5, null]}},
        {"set": "tasks/1/days/3", "value": true},
        {"rm": "tasks/1/days/0"},
    ]);
    let applied = home.run_with(&["doc", "apply", "-", "--json"], edits.to_string()).json();
    assert_eq!(applied["edits"], 3);
    let get = home.run(&["doc", "get", "tasks", "--json"]).json();
    assert_eq!(get["value"], json!({"1": {"title": "pack", "days": [2.5, null, true]}}));
    assert_eq!(home.log().last().unwrap()["id"], applied["event"]);
    let removed = home.run(&["doc", "rm", "tasks/1", "--json"]).json();
    assert_eq!(removed["value"], json!(null));
    assert_ne!(removed["event"], applied["event"]);
}

#[test]
fn tasks_are_added_listed_and_done() {
    let home = Home::with_workspace();
    let _node = home.up();
    let added = home.run(&["task", "add", "pack", "--json"]).json();
    assert_eq!((&added[0]["title"], &added[0]["state"]), (&json!("pack"), &json!("open")));
    let id = added[0]["id"].as_str().unwrap();
    let done = home.run(&["task", "done", id, "--json"]).json();
    assert_eq!((&done[0]["id"], &done[0]["state"]), (&json!(id), &json!("done")));
    let row = home.run(&["task", "list", "--json"]).json();
    assert_eq!(row, json!([{ "id": id, "title": "pack", "state": "done", "lease": null }]));
    home.run(&["task", "done", "nothing"]).refused(1, "no task");
}

#[test]
fn a_device_holds_several_workspaces_apart() {
    let home = Home::with_workspace();
    let _node = home.up();
    home.init("work").done();
    let list = home.run(&["workspace", "list", "--json"]).json();
    let names: Vec<_> =
        list.as_array().unwrap().iter().map(|row| row["workspace"].clone()).collect();
    assert_eq!(names, ["home", "work"]);
    home.run(&["status"]).refused(2, "several workspaces");
    home.run(&["doc", "set", "notes/a", "1", "--workspace", "work"]).done();
    let get = |workspace: &str| {
        let ran = home.run(&["doc", "get", "notes", "--workspace", workspace, "--json"]);
        ran.json()["value"].clone()
    };
    assert_eq!((get("work"), get("home")), (json!({"a": 1}), json!({})));
    home.run(&["status", "--workspace", "nowhere"]).refused(1, "no workspace \"nowhere\"");
}

#[test]
fn what_cannot_be_done_says_what_to_do() {
    let home = Home::new();
    home.run(&["status"]).refused(3, "does not run");
    home.init("a/b").refused(2, "cannot be the name");
    home.init("a\u{202e}b").refused(2, "cannot be the name");
    home.run(&["init", "home", "--device", "laptop"]).refused(2, "recovery words");
    home.init("home").done();
    home.init("home").refused(1, "home.recovery");
    std::fs::remove_file(home.file("home.recovery")).unwrap();
    home.init("home").refused(1, "a workspace named");
    assert!(!home.file("home.recovery").exists(), "no key of a workspace that was not made");

    let _node = home.up();
    home.run(&["up"]).refused(1, "is in use by process");
    home.init("home").refused(1, "a workspace named");
    home.run(&["doc", "set", "notes/a", "rain"]).refused(2, "no JSON");
    home.run(&["doc", "set", "routing/a", "1"]).refused(2, "notes/ and tasks/");
    home.run(&["doc", "set", "notes//a", "1"]).refused(2, "empty segments");
    home.run(&["doc", "set", "notes/a", "18446744073709551615"]).refused(2, "64 bits");
    home.run(&["doc", "get", "notes/absent"]).refused(1, "nothing at");
    home.run(&["doc", "rm", "notes/absent"]).refused(1, "nothing at");
    home.run(&["doc", "set", "notes/list", "[1, 2]"]).done();
    home.run(&["doc", "set", "notes/list/9", "3"]).refused(1, "2 appends an item");
    home.run(&["doc", "set", "notes/list/2", "3"]).done();
    home.run(&["doc", "set", "notes/list/2/a", "3"]).refused(1, "nothing can stand below it");
    home.run(&["doc", "rm", "notes/list"]).done();
    home.run(&["conflicts", "resolve", &"0".repeat(32)]).refused(2, "--keep A or --value JSON");
    home.run_with(&["doc", "apply", "-"], "{\"set\": 1}").refused(2, "no array of edits");
    home.run_with(&["doc", "apply", "-"], "[{\"set\":\"notes/a\"}]").refused(2, "needs a");
    home.run(&["doc", "apply", "/nowhere"]).refused(1, "/nowhere");
    assert_eq!(home.run(&["status", "--json"]).json()["events"], 7);
}

#[test]
fn the_policy_says_of_every_rule_what_it_is_about() {
    let rules = Home::new().run(&["policy", "list", "--json"]).json();
    let about = |rule: &Json| rule["act"].as_str().unwrap().to_owned();
    let about: Vec<_> = rules.as_array().unwrap().iter().map(about).collect();
    assert_eq!(about, ["grant", "run_agent", "start_step", "verify", "move_ref", "cancel"]);
}

#[test]
fn an_empty_home_can_be_run_and_given_a_workspace() {
    let home = Home::new();
    let node = home.up();
    home.run(&["status"]).refused(1, "no workspace");
    home.run(&["status"]).refused(1, "kern import --events");
    home.init("home").done();
    home.run(&["doc", "set", "notes/a", "1"]).done();
    assert!(node.terminate().success());
}

#[test]
fn keys_are_readable_by_their_owner_alone() {
    let home = Home::with_workspace();
    for path in [home.path().join("device.key"), home.file("home.recovery")] {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
    let key = home.path().join("device.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    home.run(&["up"]).refused(1, "can be read by others");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&key, b"short").unwrap();
    home.run(&["up"]).refused(1, "not a device key");
}

#[test]
fn a_home_that_cannot_be_used_says_so() {
    let home = Home::new();
    std::fs::write(home.path(), b"a file in the way").unwrap();
    home.run(&["up"]).refused(1, "cannot be used");
    home.init("home").refused(1, "cannot be used");
}

#[test]
fn help_has_examples() {
    let home = Home::new();
    for args in [
        &["--help"][..],
        &["demo", "--help"],
        &["init", "--help"],
        &["up", "--help"],
        &["status", "--help"],
        &["devices", "--help"],
        &["log", "--help"],
        &["doc", "--help"],
        &["doc", "get", "--help"],
        &["doc", "set", "--help"],
        &["doc", "rm", "--help"],
        &["doc", "apply", "--help"],
        &["workspace", "--help"],
        &["workspace", "list", "--help"],
        &["agent", "--help"],
        &["agent", "add", "--help"],
        &["agent", "list", "--help"],
        &["mission", "--help"],
        &["mission", "start", "--help"],
        &["mission", "list", "--help"],
        &["mission", "show", "--help"],
        &["policy", "--help"],
        &["policy", "list", "--help"],
        &["task", "--help"],
        &["task", "add", "--help"],
        &["task", "list", "--help"],
        &["task", "done", "--help"],
        &["invite", "--help"],
        &["join", "--help"],
        &["conflicts", "--help"],
        &["conflicts", "resolve", "--help"],
        &["revoke", "--help"],
        &["offline", "--help"],
        &["online", "--help"],
    ] {
        let help = home.run(args);
        assert!(help.done().contains("Examples:"), "{args:?}");
    }
}

/// Bytes of a process's own pages now, and at most until now. What it has mapped of its program is
/// left out: of a program that is not optimized that is several times what anybody runs;
/// `kern bench idle` counts both.
fn own_pages(pid: u32) -> [u64; 2] {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let [own, files, most] = ["RssAnon:", "RssFile:", "VmHWM:"].map(|name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1_024
    });
    [own, most.saturating_sub(files)]
}

#[test]
fn a_node_at_rest_holds_at_most_twenty_megabytes_of_its_own() {
    let home = Home::with_workspace();
    let node = home.up();
    home.status();
    let [now, most] = own_pages(node.pid());
    println!("{now} bytes of its own, {most} at most");
    // Neither depends on how busy the machine is.
    assert!(now <= 20_000_000 && most <= 20_000_000, "{now} bytes of its own, {most} at most");
}
