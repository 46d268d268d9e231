//! What nobody means to write: names that hide or reorder, and of a mebibyte; values of any shape
//! where a task should be; more conflicts than a page holds. Each is refused or shown as what it
//! is, and nothing is lost.

use serde_json::{Value as Json, json};

use crate::kern::{Home, until};

/// More than a page has.
const MANY: usize = 1_003;

#[test]
fn a_name_that_hides_reorders_or_never_ends_is_refused_or_shown_as_what_it_is() {
    let home = Home::with_workspace();
    let _node = home.up();
    let before = home.log().len();
    let long = "x".repeat(100_000);
    let names = ["a\u{202e}b", "a\u{1b}[2Jb", "a\u{7}", "a\nb", "\u{2066}", &long];
    for name in names {
        let recovery = home.file("odd.recovery");
        let recovery = recovery.to_str().unwrap();
        for args in [
            vec!["board", "create", name],
            vec!["branch", "create", name],
            vec!["agent", "add", name, "--command", "true"],
            vec!["init", name, "--device", "d", "--recovery-file", recovery],
            vec!["init", "odd", "--device", name, "--recovery-file", recovery],
            vec![name],
            vec!["bench", name],
            vec!["completions", name],
            vec!["peer", "add", name],
            vec!["invite", "--role", name],
        ] {
            let ran = home.run(&args);
            assert_eq!(ran.code, 2, "{args:?}: {}", ran.stderr);
            assert!(ran.stderr.len() < 10_000, "{args:?}: {} bytes", ran.stderr.len());
            let odd = |c: char| c != '\n' && (c.is_control() || "\u{202e}\u{2066}".contains(c));
            assert!(!ran.stderr.contains(odd), "{args:?}: {:?}", ran.stderr);
        }
    }
    assert_eq!(home.log().len(), before, "nothing of it was written");
    // A title is a text: what it says is kept, and shown so that it cannot rewrite the screen.
    let title = "pack\u{1b}[2J\u{202e}";
    home.run(&["task", "add", title]).done();
    let goal = ["mission", "start", title, "--repo", "/nowhere", "--verify", "a", "--agent", "b"];
    home.run(&goal).refused(1, "no agent");
    let shown = home.run(&["task", "list"]).done().to_owned();
    assert!(shown.contains("pack\\u{1b}[2J\\u{202e}"), "{shown:?}");
    assert_eq!(home.run(&["task", "list", "--json"]).json()[0]["title"], title);
    home.run(&["task", "add", &long]).refused(2, "one event holds up to");
    let mebibyte = json!([{ "set": format!("notes/{}", "k".repeat(1 << 20)), "value": 1 }]);
    let ran = home.run_with(&["doc", "apply", "-"], mebibyte.to_string());
    ran.refused(2, "");
    assert!(ran.stderr.len() < 10_000, "{} bytes", ran.stderr.len());
    home.run(&["status"]).done();
}

#[test]
fn of_a_name_that_begins_with_a_dash_the_commands_that_are_printed_run() {
    let home = Home::with_workspace();
    let _node = home.up();
    for kind in ["board", "branch"] {
        let made = home.run(&[kind, "create", "--", "-x"]).done().to_owned();
        assert!(made.contains("kern "), "{made}");
        if kind == "branch" {
            home.run(&["doc", "set", "notes/a", "1", "--branch", "-x"]).done();
            for command in ["diff", "preview", "merge"] {
                home.run(&[kind, command, "-x"]).done();
            }
        } else {
            home.run(&["task", "add", "socks", "--board", "-x"]).done();
        }
        home.run(&[kind, "archive", "-x"]).done();
        home.run(&[kind, "archive", "-x", "--undo"]).done();
    }
    let mistyped = home.run(&["board", "create", "--bogus"]);
    assert_eq!(mistyped.code, 2, "{}", mistyped.stderr);
}

#[test]
fn any_value_may_stand_where_a_task_should_and_is_shown_as_what_it_is() {
    let table = [
        ("number", json!(1), "no task  1", Err(1)),
        ("text", json!("pack"), "no task  \"pack\"", Err(1)),
        ("list", json!([1, 2]), "no task  [1,2]", Err(1)),
        ("null", Json::Null, "no task  null", Err(1)),
        ("no", json!(false), "no task  false", Err(1)),
        ("empty", json!({}), "", Ok(())),
        ("state-number", json!({ "state": 3, "title": "a" }), "3        a", Ok(())),
        ("state-map", json!({ "state": { "a": 1 } }), "{\"a\":1}", Ok(())),
        ("state-null", json!({ "state": null, "title": "b" }), "b", Ok(())),
        ("title-list", json!({ "state": "open", "title": ["c"] }), "open     [\"c\"]", Ok(())),
        ("title-long", json!({ "title": "y".repeat(9_000) }), "yyy", Ok(())),
    ];
    let home = Home::with_workspace();
    let _node = home.up();
    let edit = |id: &str, value: &Json| json!({ "set": format!("tasks/{id}"), "value": value });
    let edits: Json = table.iter().map(|row| edit(row.0, &row.1)).collect();
    home.run_with(&["doc", "apply", "-"], edits.to_string()).done();
    let shown = home.run(&["task", "list"]).done().to_owned();
    assert!(shown.len() < 20_000, "{} bytes", shown.len());
    for (id, value, says, done) in &table {
        let line = shown.lines().find(|line| line.split(' ').next() == Some(*id)).unwrap();
        assert!(line.contains(says), "{line:?} does not say {says:?}");
        assert_eq!(home.get(&format!("tasks/{id}")), *value, "{id} is there as it was");
        let ran = home.run(&["task", "done", id]);
        match done {
            Ok(()) => assert_eq!(home.get(&format!("tasks/{id}/state")), "done", "{id}"),
            Err(code) => {
                assert_eq!(ran.code, *code, "{id}: {}", ran.stderr);
                assert_eq!(home.get(&format!("tasks/{id}")), *value, "{id} is there still");
            }
        }
    }
    assert_eq!(home.status()["damage"], json!([]));
}

#[test]
fn more_conflicts_than_a_page_has_are_all_listed_once() {
    let homes = [Home::with_workspace(), Home::new()];
    let _nodes = [homes[0].up(), homes[1].up()];
    homes[0].pair(&homes[1], "phone", "member");
    let [laptop, phone] = &homes;
    phone.run(&["offline"]).done();
    for (home, who) in [(laptop, 1), (phone, 2)] {
        let edit = |place: usize| json!({ "set": format!("notes/n{place}"), "value": who });
        let edits: Json = (0..MANY).map(edit).collect();
        home.run_with(&["doc", "apply", "-"], edits.to_string()).done();
    }
    phone.run(&["online"]).done();
    until("all conflicts", || (laptop.status()["conflicts"] == MANY).then_some(()));
    let rows = laptop.run(&["conflicts", "--json"]).json();
    let mut ids: Vec<_> =
        rows.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), rows.as_array().unwrap().len()), (MANY, MANY));
    let text = laptop.run(&["conflicts"]).done().to_owned();
    let headings = text.lines().filter(|line| line.starts_with("notes/n"));
    let mut shown: Vec<_> = headings.filter_map(|line| line.split(' ').next_back()).collect();
    shown.sort_unstable();
    assert_eq!(shown, ids);
    laptop.run(&["conflicts", "--exit-code"]).refused(4, &format!("{MANY}: conflicts are open"));
    let take = ["conflicts", "resolve", "--all", "--take", "phone", "--yes", "--json"];
    let told = laptop.run(&take).json();
    assert_eq!(told["decided"], MANY, "{}", told["open"]);
    let events = told["events"].as_array().unwrap();
    let each: Vec<_> = events.iter().map(|row| row["conflicts"].as_u64().unwrap()).collect();
    assert_eq!(each, [1_000, 3], "each is told with what takes it back");
    let all: Vec<_> = events.iter().rev().map(|row| &row["event"].as_str().unwrap()[..8]).collect();
    assert_eq!(told["undo"], format!("kern undo {}", all.join(" ")), "and all by one command");
    assert_eq!(laptop.run(&["conflicts"]).done(), "no conflicts\n");
}
