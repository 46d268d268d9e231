//! The log as lines of descent, as a person reads it.

use serde_json::json;

use crate::kern::{Home, until};

#[test]
fn the_log_is_shown_as_lines_of_descent_in_unicode_or_ascii() {
    // SPEC: TIME-2, TIME-3, TIME-4
    let [laptop, phone] = [Home::new(), Home::new()];
    laptop.init("home").done();
    let _node = laptop.up();
    let other = phone.up();
    laptop.pair(&phone, "phone", "member");
    until("the phone has the document", || (phone.get("notes") == json!({})).then_some(()));
    laptop.run(&["offline"]).done();
    for n in 0..3 {
        laptop.run(&["doc", "set", &format!("notes/{n}"), "1"]).done();
        phone.run(&["doc", "set", &format!("notes/{n}"), "2"]).done();
    }
    laptop.run(&["online"]).done();
    until("the laptop hears", || {
        let open = laptop.run(&["status", "--json"]).json();
        (open["conflicts"] == 3).then_some(())
    });
    laptop.run(&["doc", "set", "notes/joined", "1"]).done();
    let shown = laptop.run(&["log", "--graph"]).done().to_owned();
    assert_eq!(shown.matches("in conflict").count(), 6, "{shown}");
    assert!(shown.lines().next().unwrap().starts_with("○─╮"), "{shown}");
    let plain = laptop.run(&["log", "--graph", "--ascii"]).done().to_owned();
    assert!(plain.starts_with("*-.") && plain.is_ascii(), "{plain}");
    let rows = laptop.run(&["log", "--graph", "--all", "--json"]).done().to_owned();
    assert_eq!(rows.lines().count(), laptop.log().len());
    assert_eq!(laptop.run(&["log", "--ascii"]).code, 2, "lines belong to the graph");
    drop(other);
}
