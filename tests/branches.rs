//! Branches as people use them: real processes, made on one device, written on another, merged.

use serde_json::{Value as Json, json};

use crate::kern::{Home, until};

fn done(home: &Home, args: &[&str]) -> Json {
    home.run(&[args, &["--json"]].concat()).json()
}

fn agree(homes: &[Home; 2]) {
    until("one state hash on both devices", || {
        let [one, two] = homes.each_ref().map(|home| home.status()["state_hash"].clone());
        (one.is_string() && one == two).then_some(())
    });
}

#[test]
fn a_branch_is_tried_on_two_devices_previewed_merged_and_taken_back() {
    // SPEC: BRA-3, BRA-4, BRA-7, BRA-9
    let homes = [Home::with_workspace(), Home::new()];
    let _nodes = [homes[0].up(), homes[1].up()];
    homes[0].pair(&homes[1], "phone", "member");
    let [laptop, phone] = &homes;
    done(laptop, &["doc", "set", "notes/a", "\"before\""]);
    let made = done(laptop, &["branch", "create", "try", "--purpose", "shorter"]);
    assert!(made["event"].is_string() && made["document"].is_string(), "{made}");
    agree(&homes);
    done(phone, &["doc", "set", "notes/a", "\"phone\"", "--branch", "try"]);
    done(phone, &["task", "add", "pack", "--branch", "try"]);
    done(laptop, &["doc", "set", "notes/a", "\"laptop\""]);
    agree(&homes);
    assert_eq!(done(laptop, &["task", "list"]), json!([]));
    assert_eq!(done(laptop, &["task", "list", "--branch", "try"])[0]["title"], "pack");
    let row = &done(laptop, &["branch", "list"])[0];
    let of = ["name", "ahead", "behind", "archived", "purpose"].map(|key| &row[key]);
    assert_eq!(of, [&json!("try"), &json!(2), &json!(1), &json!(false), &json!("shorter")]);
    let diff = done(laptop, &["branch", "diff", "try"]);
    let changes = diff["changes"].as_array().unwrap();
    let changed = |row: &Json| ["path", "now", "then"].map(|key| row[key].clone());
    assert_eq!(changed(&changes[0]), [json!("notes/a"), json!("before"), json!("phone")]);
    let paths: Vec<_> = changes.iter().filter_map(|row| row["path"].as_str()).collect();
    assert!(paths.len() == 2 && paths[1].starts_with("tasks/"), "{diff}");
    assert_eq!(diff["conflicts"], json!([]), "it is compared with what it began from");
    assert_eq!(row["devices"].as_array().unwrap().len(), 1);
    let told = done(laptop, &["branch", "preview", "try"]);
    assert_eq!(told["conflicts"][0]["path"], "notes/a");
    assert_eq!(told["conflicts"][0]["next"], json!([]), "there is nothing to decide yet");
    assert_eq!(done(laptop, &["conflicts"]), json!([]), "nothing is written by that");
    let merged = done(laptop, &["branch", "merge", "try"]);
    assert_eq!((&merged["conflicts"], merged["undo"].is_string()), (&json!(1), true), "{merged}");
    agree(&homes);
    assert_eq!(done(phone, &["conflicts"])[0]["id"], told["conflicts"][0]["id"]);
    assert_eq!(done(phone, &["task", "list"])[0]["title"], "pack");
    let undone = done(phone, &["undo", merged["event"].as_str().unwrap(), "--force"]);
    agree(&homes);
    assert_eq!(laptop.get("notes/a"), "laptop");
    assert_eq!(done(laptop, &["task", "list"]), json!([]));
    assert_eq!(done(laptop, &["conflicts"]), json!([]));
    let shown = laptop.run(&["branch", "list"]).done().to_owned();
    assert!(shown.contains("the workspace") && shown.contains("shorter"), "{shown}");
    // It cannot be merged again, and what does bring it in is said: also where something new comes.
    let undo = undone["event"].as_str().unwrap();
    let again = format!("was taken back by {0}: `kern undo {0}` brings it in again", &undo[..8]);
    let taken_back = json!([{ "merge": merged["event"], "undo": undo }]);
    assert!(shown.contains(&again), "{shown}");
    laptop.run(&["branch", "merge", "try"]).refused(1, &again);
    done(phone, &["doc", "set", "notes/b", "\"new\"", "--branch", "try"]);
    agree(&homes);
    let told = laptop.run(&["branch", "preview", "try"]).done().to_owned();
    assert!(told.contains(&again) && told.contains("notes/b"), "{told}");
    assert_eq!(done(laptop, &["branch", "preview", "try"])["taken_back"], taken_back);
    assert_eq!(done(laptop, &["branch", "merge", "try"])["taken_back"], taken_back);
    assert_eq!(laptop.get("notes/b"), "new");
    assert_eq!(done(laptop, &["task", "list"]), json!([]));
    done(laptop, &["undo", undo]);
    assert_eq!(done(laptop, &["task", "list"])[0]["title"], "pack");
    // What was written there and taken back there shows nothing once it is merged.
    done(laptop, &["branch", "create", "vain"]);
    let vain = done(laptop, &["doc", "set", "notes/v", "1", "--branch", "vain"]);
    done(laptop, &["undo", vain["event"].as_str().unwrap()]);
    let text = laptop.run(&["branch", "merge", "vain"]).done().to_owned();
    assert!(text.contains("it cannot be taken back: it shows nothing new"), "{text}");
    assert!(done(laptop, &["branch", "list"])[0].get("taken_back").is_none());
}

#[test]
fn an_old_state_is_brought_back_as_a_branch_and_nothing_is_rewound() {
    // SPEC: BRA-4, BRA-7
    let home = Home::with_workspace();
    let _node = home.up();
    let set = |value: &str| done(&home, &["doc", "set", "notes/plan", value])["event"].clone();
    let monday = set("\"monday\"");
    set("\"tuesday\"");
    done(&home, &["doc", "set", "notes/late", "1"]);
    let at = monday.as_str().unwrap();
    done(&home, &["branch", "create", "monday", "--at", &at[..8]]);
    let of = |path: &str| {
        home.run(&["doc", "get", path, "--branch", "monday", "--json"]).json()["value"].clone()
    };
    assert_eq!(of("notes"), json!({"plan": "monday"}));
    assert_eq!(home.get("notes"), json!({"plan": "tuesday", "late": 1}));
    let row = &done(&home, &["branch", "list"])[0];
    assert_eq!([&row["ahead"], &row["behind"]], [&json!(0), &json!(2)], "{row}");
    // What makes other documents is written in none that it is compared with. SPEC: BRA-5
    done(&home, &["board", "create", "garden"]);
    done(&home, &["branch", "create", "other"]);
    let rows = done(&home, &["branch", "list"]);
    let row = rows.as_array().unwrap().iter().find(|row| row["name"] == "monday").unwrap();
    assert_eq!([&row["ahead"], &row["behind"]], [&json!(0), &json!(2)], "{row}");
    done(&home, &["doc", "set", "notes/plan", "\"monday again\"", "--branch", "monday"]);
    let diff = done(&home, &["branch", "diff", "monday"]);
    let [change] = &diff["changes"].as_array().unwrap()[..] else { panic!("{diff}") };
    let changed = ["path", "now", "then"].map(|key| &change[key]);
    assert_eq!(changed, [&json!("notes/plan"), &json!("monday"), &json!("monday again")]);
    assert_eq!(home.get("notes/plan"), "tuesday");
    home.run(&["branch", "create", "never", "--at", "ffffffff"]).refused(1, "no event");
}
