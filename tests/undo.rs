//! What was done on one device is taken back there or on another, as a person does it.

use serde_json::{Value as Json, json};

use crate::kern::{Home, until};

#[test]
fn what_was_done_is_taken_back_and_what_was_built_on_is_not() {
    // SPEC: UNDO-1, UNDO-3, UNDO-4
    let [laptop, phone] = [Home::new(), Home::new()];
    laptop.init("home").done();
    laptop.run(&["undo"]).refused(3, "");
    let _nodes = [laptop.up(), phone.up()];
    laptop.pair(&phone, "phone", "member");
    until("the phone has the document", || (phone.get("notes") == json!({})).then_some(()));
    let said = laptop.run(&["doc", "set", "notes/a", "1"]).done().to_owned();
    let back = said.lines().find_map(|line| line.strip_prefix("take it back: kern ")).unwrap();
    let first = laptop.run(&["doc", "get", "notes/a", "--json"]).json()["event"].clone();
    until("the phone has it", || (phone.get("notes/a") == 1).then_some(()));
    let second = phone.run(&["doc", "set", "notes/a", "2", "--json"]).json()["event"].clone();
    until("the laptop has it", || (laptop.get("notes/a") == 2).then_some(()));

    let words: Vec<_> = back.split(' ').collect();
    let refused = laptop.run(&[&words[..], &["--json"]].concat());
    assert_eq!(refused.code, 1);
    let told: Json = serde_json::from_str(&refused.stdout).unwrap();
    assert_eq!((&told["refused"], &told["by"]), (&first, &second), "{told}");
    assert!(told["reason"].as_str().unwrap().contains("was changed since"), "{told}");
    laptop.run(&words).refused(1, "was changed since");

    let undone = phone.run(&["undo", "--json"]).json();
    assert_eq!(undone["undoes"], second);
    until("the laptop hears", || (laptop.get("notes/a") == 1).then_some(()));
    let log = laptop.log();
    let row = log.iter().find(|row| row["id"] == undone["event"]).unwrap();
    assert_eq!(row["kind"], "undo");
    laptop.run(&[&words[..], &["--force", "--json"]].concat()).json();
    until("nothing is left", || (phone.get("notes") == json!({})).then_some(()));

    let revoked = laptop.run(&["revoke", "phone", "--json"]).json();
    let id = revoked["event"].as_str().unwrap();
    laptop.run(&["undo"]).refused(1, &format!("`kern undo {}`", &id[..8]));
    let said = laptop.run(&["undo", id]).done().to_owned();
    assert!(said.contains("takes back: revoked phone: phone is a member again"), "{said}");
    laptop.run(&["doc", "set", "notes/b", "3"]).done();
    until("the phone is a member again", || (phone.get("notes/b") == 3).then_some(()));
    laptop.run(&["undo", "0000"]).refused(1, "there is no event");
    assert_eq!(laptop.run(&["undo", "--force"]).code, 2, "force is for one that is named");
}

#[test]
fn where_nothing_is_left_a_script_hears_it_as_of_any_event_that_is_not_taken_back() {
    // SPEC: UNDO-4
    let home = Home::with_workspace();
    let _node = home.up();
    let refused = |words: &str| {
        let ran = home.run(&["undo", "--json"]);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        let told: Json = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!((&told["refused"], &told["reason"]), (&Json::Null, &json!(words)), "{told}");
        home.run(&["undo"]).refused(1, words);
    };
    refused("this device did nothing that can be taken back");
    for value in ["1", "2"] {
        home.run(&["doc", "set", "notes/a", value]).done();
    }
    home.run(&["undo"]).done();
    assert_eq!(home.get("notes/a"), 1);
    home.run(&["undo"]).done();
    refused("all that this device did and an undo takes back is taken back already");
}

#[test]
fn of_several_what_builds_on_another_is_taken_back_before_it_in_whatever_order_they_are_named() {
    // SPEC: UNDO-3
    let home = Home::with_workspace();
    let _node = home.up();
    let set = |value: &str| {
        let told = home.run(&["doc", "set", "notes/a", value, "--json"]).json();
        told["event"].as_str().unwrap()[..8].to_owned()
    };
    let events: Vec<_> = ["1", "2", "3", "4"].map(set).into();
    home.run(&["undo", &events[1], &events[3], &events[2]]).done();
    assert_eq!(home.get("notes/a"), 1);
    let (newer, newest) = (set("5"), set("6"));
    // What nobody named holds it up, and nothing is taken back in its stead.
    home.run(&["undo", &events[0], &newer]).refused(1, &newest);
    assert_eq!(home.get("notes/a"), 6);
    home.run(&["undo", &events[0], "0000", &newer]).refused(1, "there is no event");
    assert_eq!(home.get("notes/a"), 6);
}
