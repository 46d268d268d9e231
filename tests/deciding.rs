//! Conflicts decided on real devices: many at once and taken back, apart and differently, and by a
//! node that dies meanwhile.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::faults::disk::{Action, Disk, NAME, SYNC, WRITE};
use crate::kern::{Home, Node, until};

/// How many places two devices write apart.
const PLACES: usize = 5;

fn done(home: &Home, args: &[&str]) -> Json {
    home.run_apart(&[args, &["--json"]].concat()).json()
}

fn conflicts(home: &Home) -> Vec<Json> {
    done(home, &["conflicts"]).as_array().unwrap().clone()
}

fn agree(homes: &[Home; 2]) {
    until("one state hash on both devices", || {
        let [one, two] = homes.each_ref().map(|home| done(home, &["status"])["state_hash"].clone());
        (one.is_string() && one == two).then_some(())
    });
}

/// One event that sets notes/0 and so on.
fn writes(home: &Home, who: &str) {
    let edit = |place: usize| json!({ "set": format!("notes/{place}"), "value": who });
    let edits: Json = (0..PLACES).map(edit).collect();
    let file = home.file("edits");
    std::fs::write(&file, edits.to_string()).unwrap();
    done(home, &["doc", "apply", file.to_str().unwrap()]);
}

/// The laptop and the phone, both running, that disagree on every place.
fn at_odds(laptop: Home) -> ([Home; 2], [Node; 2]) {
    laptop.init("home").done();
    let homes = [laptop, Home::new()];
    let nodes = [homes[0].up(), homes[1].up()];
    homes[0].pair(&homes[1], "phone", "member");
    writes(&homes[0], "before");
    agree(&homes);
    done(&homes[1], &["offline"]);
    writes(&homes[0], "laptop");
    writes(&homes[1], "phone");
    done(&homes[1], &["online"]);
    agree(&homes);
    assert_eq!(conflicts(&homes[0]).len(), PLACES);
    (homes, nodes)
}

fn notes(home: &Home) -> Vec<Json> {
    let value = done(home, &["doc", "get", "notes"])["value"].clone();
    value.as_object().unwrap().values().cloned().collect()
}

#[test]
fn many_are_decided_at_once_and_one_undo_opens_them_again() {
    // SPEC: CFL-15
    let (homes, _nodes) = at_odds(Home::new());
    let [laptop, phone] = &homes;
    let take = ["conflicts", "resolve", "--all", "--take", "phone"];
    let shown = done(laptop, &[&take[..], &["--preview"]].concat());
    assert_eq!(shown.as_array().unwrap().len(), PLACES, "{shown}");
    assert!(shown.to_string().matches("\"phone\"").count() >= PLACES, "{shown}");
    assert_eq!(conflicts(laptop).len(), PLACES, "nothing is decided by that");
    laptop.run(&take).refused(2, "say --yes");
    let told = done(laptop, &[&take[..], &["--yes"]].concat());
    assert_eq!((&told["decided"], &told["open"]), (&json!(PLACES), &json!([])), "{told}");
    let events = told["events"].as_array().unwrap();
    assert_eq!((events.len(), &events[0]["conflicts"]), (1, &json!(PLACES)), "{told}");
    agree(&homes);
    for home in &homes {
        assert_eq!((conflicts(home).len(), notes(home)), (0, vec![json!("phone"); PLACES]));
    }
    // By what was said, on the device that decided.
    let undo = events[0]["undo"].as_str().unwrap().strip_prefix("kern ").unwrap().to_owned();
    let known: Vec<_> = laptop.log().into_iter().map(|row| row["id"].clone()).collect();
    let undone = done(laptop, &undo.split(' ').collect::<Vec<_>>());
    // It took an event for each side, and names them all.
    let rows = laptop.log().into_iter().filter(|row| row["author"] == laptop.status()["device_id"]);
    let written = rows.map(|row| row["id"].clone()).filter(|id| !known.contains(id));
    let told = undone["also"].as_array().unwrap().iter().chain([&undone["event"]]);
    let texts = |ids: Vec<Json>| ids.iter().map(Json::to_string).collect::<BTreeSet<_>>();
    assert_eq!(texts(told.cloned().collect()), texts(written.collect()), "{undone}");
    agree(&homes);
    assert_eq!(conflicts(laptop), conflicts(phone));
    assert_eq!(conflicts(phone).len(), PLACES);
    let pattern = ["conflicts", "resolve", "--path", "notes/[01]", "--take", "a", "--yes"];
    let text = phone.run(&pattern).done().to_owned();
    assert!(text.contains("2 decided") && text.contains("take it back: kern undo"), "{text}");
    agree(&homes);
    assert_eq!(conflicts(laptop).len(), PLACES - 2);
    let odd = ["conflicts", "resolve", "--path", "notes/[", "--take", "a", "--yes"];
    phone.run(&odd).refused(2, "for example 'notes/*'");
}

#[test]
fn two_that_decide_differently_apart_disagree_again_and_lose_neither() {
    let (homes, _nodes) = at_odds(Home::new());
    let [laptop, phone] = &homes;
    done(phone, &["offline"]);
    let decide = |home: &Home, who: &str| {
        done(home, &["conflicts", "resolve", "--all", "--take", who, "--yes"]);
        assert_eq!((conflicts(home).len(), notes(home)), (0, vec![json!(who); PLACES]));
    };
    decide(laptop, "laptop");
    decide(phone, "phone");
    done(phone, &["online"]);
    agree(&homes);
    let open = conflicts(laptop);
    assert_eq!((open.len(), &open), (PLACES, &conflicts(phone)));
    for row in &open {
        let sides: Vec<_> = row["sides"].as_array().unwrap().iter().collect();
        let side = |who: &str| sides.iter().any(|s| s["device"] == who && s["value"] == who);
        assert!(side("laptop") && side("phone"), "{row}");
    }
    done(phone, &["conflicts", "resolve", "--all", "--take", "laptop", "--yes"]);
    agree(&homes);
    assert_eq!((conflicts(phone).len(), notes(phone)), (0, vec![json!("laptop"); PLACES]));
}

#[test]
fn a_node_that_dies_while_it_decides_decided_all_or_nothing() {
    // SPEC: DUR-1
    let (disk, home) = Disk::with_home();
    let (homes, [node, other]) = at_odds(home);
    other.kill();
    let [laptop, _] = &homes;
    let take = ["conflicts", "resolve", "--all", "--take", "A", "--yes", "--json"];
    let classes = WRITE | SYNC | NAME;
    // How many calls it takes, where none fails.
    disk.fails(classes, u64::MAX..=u64::MAX, Action::Kill);
    let told = laptop.run_apart(&take).json();
    let calls = disk.calls();
    assert!(calls >= 2, "{calls}");
    done(laptop, &["undo", told["events"][0]["event"].as_str().unwrap()]);
    assert!(node.terminate().success());
    let (mut whole, mut nothing) = (0, 0);
    // The last is never reached: it dies behind the commit, and behind its answer.
    for call in [1, calls / 2, calls, u64::MAX] {
        disk.works();
        let mut node = laptop.up();
        let open = conflicts(laptop);
        let kept = open.iter().map(|row| row["sides"][0]["value"].clone());
        let kept: Vec<_> = kept.collect();
        assert_eq!(kept.len(), PLACES);
        disk.fails(classes, call..=call, Action::Kill);
        let ran = laptop.run_apart(&take);
        if ran.code == 0 && disk.fired() == 0 {
            // It took fewer calls than before: it dies right behind them.
            node.kill();
        } else {
            until("the end of the node", || node.ended());
        }
        disk.works();
        let _node = laptop.up();
        let open = conflicts(laptop).len();
        if ran.code == 0 {
            // What was told is so.
            assert_eq!(open, 0, "call {call}: {}", ran.stdout);
        } else {
            assert_eq!(ran.code, 7, "{}", ran.stderr);
            assert!(ran.stderr.contains("kern log"), "it says where to look: {}", ran.stderr);
            let told: Json = serde_json::from_str(&ran.stdout).unwrap();
            assert_eq!((&told["decided"], &told["events"]), (&json!(0), &json!([])));
        }
        match open {
            0 => {
                whole += 1;
                assert_eq!(notes(laptop), kept, "call {call}");
                let undone = done(laptop, &["undo"]);
                // What opened it again is no event that an undo takes back: it is decided again.
                assert_eq!(
                    (&undone["reopened"], &undone["undo"]),
                    (&json!(true), &json!("kern conflicts"))
                );
            }
            PLACES => nothing += 1,
            some => panic!("call {call} of {calls}: {some} are open"),
        }
    }
    println!("{calls} calls: decided {whole} times, {nothing} times not");
    assert!(nothing > 0, "before the first call nothing is there");
    assert!(whole > 0, "behind the commit all of it is");
}

#[test]
fn final_plans_and_policies_made_apart_are_decided_and_all_events_taken_back_by_one_command() {
    // SPEC: CFL-12, CFL-15, POL-4
    let homes = [Home::with_workspace(), Home::new()];
    let _nodes = [homes[0].up(), homes[1].up()];
    homes[0].pair(&homes[1], "phone", "admin");
    let [laptop, phone] = &homes;
    let plans = r#"{"title": "pack", "plans": {"p": {"text": "bag"}, "q": {"text": "box"}}}"#;
    done(laptop, &["doc", "set", "tasks/t", plans]);
    agree(&homes);
    done(phone, &["offline"]);
    for (home, plan, policy) in [(laptop, "p", "\"deny\""), (phone, "q", "\"allow\"")] {
        done(home, &["doc", "set", &format!("tasks/t/plans/{plan}/final"), "true"]);
        done(home, &["doc", "set", "policies/mission.promote", policy]);
    }
    done(phone, &["online"]);
    agree(&homes);
    let open = conflicts(laptop);
    let of = |kind: &str| open.iter().find(|row| row["kind"] == kind).unwrap_or(&open[0]).clone();
    let (plans, policy) = (of("plans_final"), of("policy"));
    assert_eq!((open.len(), &plans["path"]), (2, &json!("tasks/t/plans")), "{open:?}");
    assert_eq!(laptop.get("policies/mission.promote"), "deny", "the stricter, until it is decided");
    let phones = plans["sides"].as_array().unwrap().iter().find(|side| side["value"] == "q");
    let (id, keep) = (plans["id"].as_str().unwrap(), phones.unwrap()["side"].as_str().unwrap());
    let first = done(laptop, &["conflicts", "resolve", id, "--keep", keep]);
    let id = policy["id"].as_str().unwrap();
    let second = done(laptop, &["conflicts", "resolve", id, "--value", "\"allow\""]);
    agree(&homes);
    assert_eq!(conflicts(phone), Vec::<Json>::new());
    assert_eq!(phone.get("tasks/t/plans/p/final"), false);
    assert_eq!(phone.get("tasks/t/plans/q/final"), true);
    assert_eq!(phone.get("policies/mission.promote"), "allow");
    let events = [&second, &first].map(|told| told["event"].as_str().unwrap());
    let text = laptop.run(&["undo", events[0], events[1]]).done().to_owned();
    let each = events.map(|event| text.contains(&format!(" back event {event}")));
    assert_eq!(each, [true, true], "{text}");
    agree(&homes);
    let mut kinds: Vec<_> = conflicts(phone).iter().map(|row| row["kind"].to_string()).collect();
    kinds.sort();
    assert_eq!(kinds, ["\"plans_final\"", "\"policy\""]);
}

#[test]
fn a_batch_with_a_removal_and_an_item_of_a_list_is_opened_again_by_one_undo() {
    // SPEC: UNDO-2, CFL-17, PAST-4
    let homes = [Home::with_workspace(), Home::new()];
    let _nodes = [homes[0].up(), homes[1].up()];
    homes[0].pair(&homes[1], "phone", "admin");
    let [laptop, phone] = &homes;
    for (path, value) in [("v", "0"), ("l", r#"["x", "y"]"#), ("gone", r#"{"a": 0}"#)] {
        done(laptop, &["doc", "set", &format!("notes/{path}"), value]);
    }
    agree(&homes);
    done(phone, &["offline"]);
    done(laptop, &["doc", "set", "notes/v", "1"]);
    done(laptop, &["doc", "set", "notes/l/0", "\"laptop\""]);
    done(laptop, &["doc", "rm", "notes/gone"]);
    done(phone, &["doc", "set", "notes/v", "2"]);
    done(phone, &["doc", "set", "notes/l/0", "\"phone\""]);
    done(phone, &["doc", "set", "notes/gone/a", "2"]);
    done(phone, &["online"]);
    agree(&homes);
    assert_eq!(conflicts(laptop).len(), 3);
    for path in ["notes/v", "notes/l/0"] {
        assert_eq!(done(laptop, &["doc", "get", path])["conflict"], true, "{path}");
    }
    laptop.run(&["conflicts", "resolve", "--take", "newest", "--preview"]).refused(2, "which");
    let all = ["conflicts", "resolve", "--all", "--take", "phone", "--yes"];
    for turn in 0..2 {
        let decided = done(laptop, &all);
        assert_eq!(decided["decided"], 3, "{turn}: {decided}");
        assert_eq!(laptop.get("notes/l"), json!(["phone", "y"]), "{turn}");
        assert_eq!(laptop.get("notes/gone"), json!({"a": 2}), "{turn}");
        assert_eq!(done(laptop, &["undo"])["reopened"], true, "{turn}");
        agree(&homes);
        let open = conflicts(phone);
        let paths: Vec<_> = open.iter().map(|row| row["path"].clone()).collect();
        assert_eq!(paths, ["notes/gone", "notes/l/0", "notes/v"], "{turn}");
        for row in &open {
            let sides = row["sides"].as_array().unwrap();
            let mut by: Vec<_> = sides.iter().map(|side| side["device"].to_string()).collect();
            by.sort();
            assert_eq!(by, ["\"laptop\"", "\"phone\""], "{turn}: {row}");
        }
        let event = decided["events"][0]["event"].as_str().unwrap();
        laptop.run(&["undo", event]).refused(1, "`kern conflicts` shows what is open again");
    }
    // Who writes over one is told, and what it wrote is told of the event.
    let set = laptop.run(&["doc", "set", "notes/v", "9"]).done().to_owned();
    assert!(set.contains("it decided the conflict at notes/v"), "{set}");
    let set = done(laptop, &["doc", "set", "notes/v", "10"]);
    assert_eq!(set.get("decided"), None, "{set}");
    let shown = laptop.run(&["log", "--event", set["event"].as_str().unwrap()]).done().to_owned();
    assert!(shown.contains("what it changed") && shown.contains("notes/v"), "{shown}");
    assert_eq!(done(laptop, &["undo"])["undoes"], set["event"]);
    assert_eq!(laptop.get("notes/v"), 9);
    assert_eq!(done(laptop, &["undo"])["reopened"], true);
    agree(&homes);
    assert_eq!(conflicts(phone).len(), 3);
}

#[test]
fn who_removes_what_holds_a_conflict_is_told_what_ends_and_the_command_that_is_printed_works() {
    let homes = [Home::with_workspace(), Home::new()];
    let _nodes = [homes[0].up(), homes[1].up()];
    homes[0].pair(&homes[1], "phone", "member");
    let [laptop, phone] = &homes;
    done(laptop, &["doc", "set", "notes/m", r#"{"k": {"a": 0}}"#]);
    agree(&homes);
    done(phone, &["offline"]);
    done(laptop, &["doc", "set", "notes/m/k/a", "1"]);
    done(phone, &["doc", "set", "notes/m/k/a", "2"]);
    done(phone, &["online"]);
    agree(&homes);
    let removed = laptop.run(&["doc", "rm", "notes/m/k"]).done().to_owned();
    assert!(removed.contains("it ended the conflict at notes/m/k/a: no undo"), "{removed}");
    let command = removed.split("kern ").nth(1).unwrap().trim();
    let words: Vec<_> = command.split_whitespace().collect();
    assert_eq!((words[0], words[2]), ("undo", "--force"), "{removed}");
    laptop.run(&["undo"]).refused(1, "would be closed");
    laptop.run(&words).done();
    assert!([json!({"a": 1}), json!({"a": 2})].contains(&laptop.get("notes/m/k")));
}

#[test]
fn who_decides_above_another_conflict_is_told_what_ends_before_and_by_an_undo_that_works() {
    let homes = [Home::with_workspace(), Home::new()];
    let _nodes = [homes[0].up(), homes[1].up()];
    homes[0].pair(&homes[1], "phone", "member");
    let [laptop, phone] = &homes;
    for (at, ours, theirs) in [("", r#"["milk", 1]"#, r#"["eggs", 1]"#), ("/0", "3", "4")] {
        done(phone, &["offline"]);
        done(laptop, &["doc", "set", &format!("notes/shop{at}"), ours]);
        done(phone, &["doc", "set", &format!("notes/shop{at}"), theirs]);
        done(phone, &["online"]);
        agree(&homes);
    }
    let (list, words) = (laptop.get("notes/shop"), "no undo opens that again: notes/shop/0");
    let open = conflicts(laptop);
    assert_eq!((open.len(), &open[0]["below"]), (1, &json!(["notes/shop/0"])));
    assert!(laptop.run(&["conflicts"]).done().contains(words));
    let id = open[0]["id"].as_str().unwrap();
    let many = ["conflicts", "resolve", "--all", "--take", "A"];
    let resolve = ["conflicts", "resolve", id, "--keep", "A"];
    for command in [&resolve[..], &many[..]] {
        let shown = laptop.run(&[command, &["--preview"]].concat()).done().to_owned();
        assert!(shown.contains(words), "{shown}");
    }
    let told = laptop.run(&resolve).done().to_owned();
    assert!(told.contains("it ended the conflict at notes/shop/0: no undo"), "{told}");
    let undo = |told: &str| {
        let command = told.split("kern ").nth(1).unwrap().lines().next().unwrap().to_owned();
        assert!(command.ends_with("--force"), "{told}");
        laptop.run(&command.split_whitespace().collect::<Vec<_>>()).done();
        assert_eq!((conflicts(laptop).len(), laptop.get("notes/shop")), (1, list.clone()));
    };
    undo(&told);
    // What is beneath ended with the first decision: the undo is plain.
    let told = laptop.run(&[&many[..], &["--yes"]].concat()).done().to_owned();
    assert!(!told.contains("--force"), "{told}");
    done(laptop, &["undo"]);
    assert_eq!(conflicts(laptop).len(), 1);
}

#[test]
fn who_marks_a_task_as_done_over_a_conflict_is_told_that_it_decides() {
    let homes = [Home::with_workspace(), Home::new()];
    let _nodes = [homes[0].up(), homes[1].up()];
    homes[0].pair(&homes[1], "phone", "member");
    let [laptop, phone] = &homes;
    let added = done(laptop, &["task", "add", "socks"]);
    let id = added[0]["id"].as_str().unwrap().to_owned();
    let state = format!("tasks/{id}/state");
    agree(&homes);
    done(phone, &["offline"]);
    done(laptop, &["doc", "set", &state, "\"begun\""]);
    done(phone, &["doc", "set", &state, "\"dropped\""]);
    done(phone, &["online"]);
    agree(&homes);
    assert_eq!(done(phone, &["doc", "get", "tasks"])["conflict_below"], true);
    let list = phone.run(&["task", "list"]).done().to_owned();
    assert!(list.contains("something was written apart"), "{list}");
    let tasks = done(phone, &["task", "done", &id]);
    assert_eq!(tasks[0]["decided"], json!([state]));
    agree(&homes);
    assert!(conflicts(laptop).is_empty());
    assert_eq!(done(laptop, &["doc", "get", "tasks"]).get("conflict_below"), None);
    assert!(!laptop.run(&["task", "list"]).done().contains("apart"));
}
