//! How commands end: one meaning for each exit code, whichever command it is.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value as Json, json};

use crate::kern::{Home, Ran, Talk, until};
use crate::repository::Repository;

/// An id of nothing.
const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[test]
fn what_is_not_there_is_a_failure_with_a_hint_and_what_is_no_name_is_asked_wrongly() {
    let (home, repository) = (Home::with_workspace(), Repository::new());
    let _node = home.up();
    home.run(&["agent", "add", "fixer", "--command", "true"]).done();
    home.run(&["doc", "set", "notes/list", "[1]"]).done();
    let (repo, empty) = (repository.path(), home.file("empty"));
    fs::create_dir(&empty).unwrap();
    let (repo, empty) = (repo.to_str().unwrap(), empty.to_str().unwrap());
    let start = ["mission", "start", "goal", "--verify", "true"];
    let start = |more: &[&'static str]| [&start[..], more].concat();
    let here = |args: Vec<&'static str>| -> Vec<String> {
        let place = |arg: &str| arg.replace("REPO", repo).replace("EMPTY", empty);
        args.into_iter().map(place).collect()
    };
    for (args, hint) in [
        (vec!["task", "done", "nothing"], "kern task list"),
        (vec!["conflicts", "resolve", &NOTHING[..32], "--keep", "A"], "kern conflicts"),
        (vec!["conflicts", "resolve", &NOTHING[..32], "--value", "1"], "kern conflicts"),
        (vec!["conflicts", "resolve", &NOTHING[..4], "--keep", "A"], "kern conflicts"),
        (vec!["revoke", "toaster"], "kern devices"),
        (vec!["revoke", NOTHING], "kern devices"),
        (vec!["mission", "show", "0000"], "kern mission list"),
        (vec!["mission", "show", NOTHING], "kern mission list"),
        (vec!["log", "--event", "0000"], "kern log"),
        (vec!["log", "--event", NOTHING], "kern log"),
        (vec!["doc", "get", "notes/absent"], "kern doc get"),
        (vec!["doc", "get", "notes/list/7"], "kern doc get"),
        (vec!["doc", "get", "notes/list/name"], "kern doc get"),
        (vec!["doc", "rm", "notes/absent"], "kern doc get"),
        (vec!["doc", "set", "notes/list/7", "1"], "1 appends"),
        (vec!["doc", "apply", "/nowhere"], "name a file"),
        (vec!["status", "--workspace", "nowhere"], "kern workspace list"),
        (vec!["status", "--workspace", NOTHING], "kern workspace list"),
        (vec!["invite", "--workspace", "nowhere"], "kern workspace list"),
        (start(&["--repo", "REPO", "--agent", "nobody"]), "kern agent list"),
        (start(&["--repo", "/nowhere", "--agent", "fixer"]), "name a folder"),
        (start(&["--repo", "EMPTY", "--agent", "fixer"]), "name a folder"),
        (start(&["--repo", "REPO", "--agent", "fixer", "--branch", "no"]), "git branch"),
    ] {
        let ran = home.run(&here(args.clone()));
        ran.refused(1, hint);
        let ran = home.run(&here([args, vec!["--json"]].concat()));
        assert_eq!((ran.code, told(&ran)["kind"].clone()), (1, json!("failed")));
    }
    for args in [
        vec!["conflicts", "resolve", "name", "--keep", "A"],
        vec!["conflicts", "resolve", &NOTHING[..3], "--keep", "A"],
        vec!["conflicts", "resolve", &NOTHING[..32]],
        vec!["mission", "show", ""],
        vec!["mission", "show", "XYZ"],
        vec!["log", "--event", "000"],
        vec!["log", "--event", "name"],
        vec!["doc", "get", "notes//absent"],
        vec!["doc", "set", "notes/a", "rain"],
        vec!["doc", "set", "routing/a", "1"],
        vec!["agent", "add", "a/b", "--command", "true"],
        vec!["invite", "--role", "king"],
        start(&["--repo", "REPO", "--agent", "fixer", "--branch", "../no"]),
        start(&["--repo", "REPO", "--agent", "fixer", "--tests", "["]),
    ] {
        let ran = home.run(&here([args.clone(), vec!["--json"]].concat()));
        assert_eq!((ran.code, told(&ran)["kind"].clone()), (2, json!("usage")), "{args:?}");
        assert!(told(&ran)["hint"].is_string(), "{args:?}: {}", ran.stderr);
    }
}

/// The one object on stderr.
#[track_caller]
fn told(ran: &Ran) -> Json {
    serde_json::from_str(&ran.stderr).unwrap_or_else(|_| panic!("{:?}", ran.stderr))
}

#[test]
fn scripts_hear_of_a_wrong_command_line_as_of_any_other_failure() {
    let home = Home::new();
    for (args, words) in [
        (&["--json"][..], "a command is missing"),
        (&["--json", "sing"], "unrecognized subcommand 'sing'"),
        (&["task", "add", "--json"], "<TITLE>"),
        (&["log", "--json", "--loud"], "'--loud'"),
        (&["up", "--json", "--listen", "here"], "'here'"),
    ] {
        let ran = home.run(args);
        let failure = told(&ran);
        assert_eq!((ran.code, &failure["kind"], ran.stdout.as_str()), (2, &json!("usage"), ""));
        assert!(failure["message"].as_str().unwrap().contains(words), "{failure}");
        assert!(failure["hint"].is_string(), "{failure}");
    }
    let ran = home.run(&["task", "add"]);
    assert!(ran.code == 2 && ran.stderr.starts_with("error: "), "{}", ran.stderr);
    let ran = home.run(&["--json", "--help"]);
    assert!(ran.done().contains("Exit codes:"), "who asks for help gets it");
    assert!(home.run(&["--version", "--json"]).done().starts_with("kern "));
}

/// Waits until a command waits for its stdin.
fn reads(talk: &Talk) {
    let tasks = format!("/proc/{}/task", talk.pid());
    until("a thread that reads stdin", || {
        let tasks = fs::read_dir(&tasks).ok()?.flatten();
        let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).ok();
        tasks.filter_map(name).any(|name| name.trim() == "stdin").then_some(())
    });
}

#[test]
fn a_command_that_is_interrupted_says_so_by_its_code() {
    let home = Home::with_workspace();
    let _node = home.up();
    let events = home.status()["events"].clone();
    for args in [&["doc", "apply", "-"][..], &["join", "-"]] {
        for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 143)] {
            let talk = home.talk(args);
            reads(&talk);
            talk.signal(signal);
            assert_eq!(talk.end_open(), code, "{args:?}, {signal:?}");
        }
    }
    assert_eq!(home.status()["events"], events);
}

#[test]
fn what_are_no_digits_is_told_as_that_and_asked_again() {
    // SPEC: PAIR-8
    let (laptop, phone) = (Home::with_workspace(), Home::new());
    let (_laptop_node, _phone_node) = (laptop.up(), phone.up());
    let mut invite = laptop.talk(&["invite", "--json"]);
    let token = invite.line()["token"].as_str().unwrap().to_owned();
    let mut join = phone.talk(&["join", &token, "--device", "phone", "--json"]);
    let code = join.line()["check_code"].as_str().unwrap().to_owned();
    for no_digits in ["seven", "", "123"] {
        invite.say(no_digits);
    }
    invite.say(&code);
    assert!(invite.line()["granted"].is_string());
    let told = invite.told();
    assert_eq!(told.matches("a check code is two digits").count(), 3, "{told}");
    assert_eq!((join.line()["device"].clone(), invite.end(), join.end()), (json!("phone"), 0, 0));
}

#[test]
fn an_interrupted_invitation_is_closed_and_an_interrupted_join_leaves() {
    let (laptop, phone) = (Home::with_workspace(), Home::new());
    let (_laptop_node, _phone_node) = (laptop.up(), phone.up());
    let mut invite = laptop.talk(&["invite", "--json"]);
    let token = invite.line()["token"].as_str().unwrap().to_owned();
    invite.signal(Signal::INT);
    assert_eq!(invite.line(), json!({ "refused": "cancelled" }));
    assert_eq!(invite.end_open(), 130);
    let mut join = phone.talk(&["join", &token, "--device", "phone", "--json"]);
    assert_eq!((join.line(), join.end()), (json!({ "refused": "cancelled" }), 5));

    let mut invite = laptop.talk(&["invite", "--json"]);
    let token = invite.line()["token"].as_str().unwrap().to_owned();
    let mut join = phone.talk(&["join", &token, "--device", "phone", "--json"]);
    let code = join.line()["check_code"].as_str().unwrap().to_owned();
    join.signal(Signal::INT);
    assert_eq!(join.line(), json!({ "refused": "unconfirmed" }));
    assert_eq!(join.end_open(), 130);
    assert_eq!(invite.line(), json!({ "refused": "declined" }));
    assert_eq!(invite.end(), 5);
    assert_eq!(phone.run(&["workspace", "list", "--json"]).json(), json!([]));
    assert!(code.len() == 2 && laptop.status()["peers"] == json!([]));
}

#[test]
fn who_is_not_reached_has_refused_nothing() {
    let (laptop, phone) = (Home::with_workspace(), Home::new());
    let (laptop_node, _phone_node) = (laptop.up(), phone.up());
    let mut invite = laptop.talk(&["invite", "--json"]);
    let token = invite.line()["token"].as_str().unwrap().to_owned();
    laptop_node.kill();
    let mut join = phone.talk(&["join", &token, "--device", "phone", "--json"]);
    assert_eq!((join.line(), join.end()), (json!({ "refused": "link_lost" }), 7));
    let code = invite.end();
    assert!(
        [3, 7].contains(&code),
        "its node is gone, while it waited or between two asks: {code}"
    );

    let laptop_node = laptop.up();
    let mut invite = laptop.talk(&["invite", "--ttl", "1", "--json"]);
    assert!(invite.line()["token"].is_string());
    assert_eq!((invite.line(), invite.end()), (json!({ "refused": "invitation_expired" }), 5));
    let status = laptop_node.interrupt();
    assert!(status.success(), "a node that is interrupted has ended well: {status:?}");
}
