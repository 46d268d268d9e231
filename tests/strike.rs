//! An event that was struck on one device has no effect on another, is shown, and comes back.

use serde_json::{Value as Json, json};

use crate::kern::{Home, until};

fn branches(home: &Home) -> Json {
    home.run(&["quarantine", "list", "--json"]).json()
}

#[test]
fn an_event_is_struck_on_every_device_and_comes_back() {
    // SPEC: EFF-8, EFF-9, CTL-10
    let [laptop, phone] = [Home::new(), Home::new()];
    laptop.init("home").done();
    let _nodes = [laptop.up(), phone.up()];
    laptop.pair(&phone, "phone", "member");
    until("the phone has the document", || (phone.get("notes") == json!({})).then_some(()));
    let set = |home: &Home, path: &str, value: &str| {
        let edited = home.run(&["doc", "set", path, value, "--json"]).json();
        edited["event"].as_str().unwrap().to_owned()
    };
    let good = set(&phone, "notes/a", "1");
    let bad = set(&phone, "notes/a", "2");
    until("the laptop has both", || (laptop.get("notes/a") == 2).then_some(()));
    let built = set(&laptop, "notes/b", "3");
    until("the phone has all", || (phone.get("notes/b") == 3).then_some(()));

    phone.run(&["strike", &bad[..8]]).refused(5, "may not");
    laptop.run(&["strike", "00000000"]).refused(1, "there is no event");
    let reason = ["--reason", "gone wrong", "--json"];
    let struck = laptop.run(&[&["strike", &bad[..8]], &reason[..]].concat()).json();
    assert_eq!(struck["events"], 2);
    assert_eq!(laptop.get("notes"), json!({ "a": 1 }), "at once");
    for home in [&laptop, &phone] {
        until("both go on from before it", || {
            (home.get("notes") == json!({ "a": 1 })).then_some(())
        });
    }
    let rows = branches(&phone);
    let why = |tip: &str| {
        let row = rows.as_array().unwrap().iter().find(|row| row["tip"] == tip).unwrap();
        row["why"].as_str().unwrap().to_owned()
    };
    assert_eq!([why(&bad), why(&built)], ["struck", "dependent"]);
    let row = rows.as_array().unwrap().iter().find(|row| row["tip"] == bad.as_str()).unwrap();
    assert_eq!(row["decision"], struck["event"]);
    for key in ["author", "chain", "events", "since", "by"] {
        assert!(!row[key].is_null(), "{key}");
    }
    let log = phone.log();
    let said = log.iter().find(|row| row["id"] == bad.as_str()).unwrap();
    assert_eq!(said["verdict"], "void");
    assert!(said["reason"].as_str().unwrap().starts_with("struck: "), "{said}");

    let shown = laptop.run(&["quarantine", "show", &built, "--json"]).json();
    assert_eq!(shown["events"], 2);
    let places: Vec<_> = shown["changes"].as_array().unwrap().iter().collect();
    let pairs: Vec<_> =
        places.iter().map(|row| (&row["path"], &row["now"], &row["then"])).collect();
    assert_eq!(
        pairs,
        [(&json!("notes/a"), &json!(1), &json!(2)), (&json!("notes/b"), &Json::Null, &json!(3))]
    );
    laptop.run(&["quarantine", "show", &good]).refused(1, "not kept apart");
    let told = laptop.run(&["quarantine", "list"]);
    assert!(told.done().contains("kern readmit --event"), "{}", told.done());

    let back = laptop.run(&["readmit", "--event", &bad, "--json"]).json();
    assert_eq!(back["events"], 2);
    assert_eq!(laptop.get("notes"), json!({ "a": 2, "b": 3 }), "at once");
    for home in [&laptop, &phone] {
        let all = json!({ "a": 2, "b": 3 });
        until("it counts again", || (home.get("notes") == all).then_some(()));
    }
    assert_eq!(branches(&phone), json!([]));
    laptop.run(&["readmit", "--event", &bad]).refused(1, "neither struck nor in quarantine");
}
